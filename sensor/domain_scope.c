/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/domain_scope.h"

#include <stddef.h>
#include <string.h>

#include "sensor/topology.h"

#define OUTSIDE "memory modules, graphics cards, drives, fans, losses of the power supply"

static const struct domain_scope scopes[DOMAIN_COUNT] = {
    [DOMAIN_PACKAGE] = {"the processor: cores, caches, memory controller, integrated graphics",
                        OUTSIDE},
    [DOMAIN_DRAM] = {"the memory modules of this package's channels",
                     "the memory controller (it is in package)"},
    [DOMAIN_GPU] = {"the graphics processor as its driver reports it, mostly with its memory",
                    "the processor's package, unless the graphics are integrated in it"},
    [DOMAIN_MACHINE] = {"what the board's own sensor measures at its supply",
                        "what is supplied elsewhere"},
    [DOMAIN_CORE] = {"the cores and their own caches, a part of package",
                     "shared caches, memory controller, integrated graphics"},
    [DOMAIN_UNCORE] = {"the integrated graphics, a part of package", "everything else"},
    [DOMAIN_PSYS] = {"what the vendor wired to it: package and more, up to the whole machine",
                     "not to be added to package; the same figure means something else elsewhere"},
    [DOMAIN_WALL] = {"the whole machine, as its battery or adapter measures it",
                     "what the other of the two supplies"},
};

struct domain_scope domain_scope_of(enum domain domain, const struct topology *topology,
                                    bool is_estimate)
{
    bool is_intel = strcmp(topology->vendor, "GenuineIntel") == 0;
    if (is_estimate)
        return (struct domain_scope){
            "an estimate of the whole machine from CPU time; nothing is measured",
            "graphics cards, and whatever does not follow CPU time"};
    if (domain == DOMAIN_PACKAGE && !is_intel && topology->vendor[0])
        return (struct domain_scope){
            "the socket as the processor's firmware models it: cores, caches, memory controller",
            OUTSIDE};
    return scopes[domain];
}
