# SPDX-License-Identifier: BSD-3-Clause
"""A powercap tree of files that a test writes."""
import os
import shutil

RANGE_UJ = 262143328850
MODULUS_UJ = 262143328911  # 2^32 counts of 61035 nJ


class Zone:
    """Counts energy as the kernel shows it. Files are written in place and at one go: the sensor keeps them open."""

    def __init__(self, root, number, name, start_uj):
        self.path = os.path.join(root, "class/powercap", number)
        os.makedirs(self.path)
        self.value_uj = start_uj
        for file, text in (("name", name), ("max_energy_range_uj", str(RANGE_UJ)), ("energy_uj", "0")):
            with open(os.path.join(self.path, file), "w", encoding="ascii") as stream:
                stream.write(text + "\n")
        self.use(0)

    def use(self, energy_uj):
        self.value_uj = (self.value_uj + energy_uj) % MODULUS_UJ
        fd = os.open(os.path.join(self.path, "energy_uj"), os.O_WRONLY)
        os.pwrite(fd, b"%020d\n" % self.value_uj, 0)
        os.close(fd)

    def remove(self):
        os.truncate(os.path.join(self.path, "energy_uj"), 0)  # a plain file would outlive its name
        shutil.rmtree(self.path)
