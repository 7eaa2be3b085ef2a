/* SPDX-License-Identifier: BSD-3-Clause */
/* A part is known by its package and number, not by the CPU that happens to read it. Looking for
 * another CPU reads small files of all CPUs, so that it is only done when the set of online CPUs
 * has changed. */
#include "sensor/msr_reader.h"

#include <errno.h>
#include <math.h>

#include "sensor/host.h"
#include "sensor/peak_power.h"

static int64_t read_id(const struct host *host, int cpu, const char *name)
{
    int64_t id;
    if (host_read_int64(&id, "%s/devices/system/cpu/cpu%d/topology/%s", host->sysfs, cpu, name) <
            0 ||
        id < 0 || id > INT32_MAX)
        return -1;
    return id;
}

/* A core is told by die and number: on some kernels core numbers are the die's. */
int64_t msr_part_of(const struct host *host, enum msr_scope scope, int cpu)
{
    if (scope == MSR_SCOPE_PACKAGE)
        return 0;
    int64_t die = read_id(host, cpu, "die_id");
    if (die < 0)
        die = 0;
    if (scope == MSR_SCOPE_DIE)
        return die;
    int64_t core = read_id(host, cpu, "core_id");
    return core < 0 ? -1 : (die << 32 | core);
}

static int find_cpu(const struct msr_reader *reader, const struct msr_access *access,
                    const struct topology *topology)
{
    for (int cpu = 0; cpu < topology->n_cpus; cpu++) {
        if (topology->is_online[cpu] && topology->package[cpu] == reader->package &&
            msr_part_of(access->host, reader->scope, cpu) == reader->part)
            return cpu;
    }
    return -1;
}

static const char *reason_of(int r)
{
    return r == -ENXIO ? "cpu_offline" : host_reason(r);
}

void msr_reader_close(struct msr_reader *reader, const struct msr_access *access)
{
    if (reader->fd >= 0)
        access->io.close(access->io.context, reader->fd);
    reader->fd = -1;
}

static void reader_open(struct msr_reader *reader, const struct msr_access *access, int cpu)
{
    int fd = access->io.open(access->io.context, cpu);
    msr_reader_close(reader, access);
    reader->cpu = cpu;
    reader->fd = fd < 0 ? -1 : fd;
    reader->reason = fd < 0 ? reason_of(fd) : NULL;
    if (fd >= 0)
        reader->is_dormant = reader->is_offline = false;
}

/* While no CPU of the part is online, nobody knows what its registers do. */
static void reader_rest(struct msr_reader *reader, const struct msr_access *access)
{
    msr_reader_close(reader, access);
    for (size_t c = 0; c < reader->n_counters; c++)
        reader->counters[c].has_last = false;
    reader->is_offline = true;
    reader->reason = "cpu_offline";
}

static bool is_online(const struct topology *topology, int cpu)
{
    return cpu < topology->n_cpus && topology->is_online[cpu];
}

void msr_reader_follow(struct msr_reader *reader, const struct msr_access *access,
                       const struct topology *topology, bool has_changed)
{
    if (reader->is_offline && !has_changed) {
        reader->is_dormant = reader->scope == MSR_SCOPE_CORE;
        return;
    }
    int cpu = is_online(topology, reader->cpu) ? reader->cpu : find_cpu(reader, access, topology);
    if (cpu >= 0 && (cpu != reader->cpu || reader->fd < 0))
        reader_open(reader, access, cpu);
    else if (cpu < 0)
        reader_rest(reader, access);
}

static void add_counter(struct msr_reader *reader, const struct msr_access *access,
                        enum domain domain, uint64_t unit_bits, double thermal_w)
{
    struct msr_counter counter = {
        .domain = domain,
        .address = msr_energy_register(access->model, domain),
        .unit_uj = msr_unit_uj(access->model, domain, unit_bits),
        .bound_w = peak_power_w(access->model, domain, thermal_w),
    };
    uint64_t value;
    if (counter.address != 0 && msr_scope(access->model, domain) == reader->scope &&
        access->io.read(access->io.context, reader->fd, counter.address, &value) >= 0 &&
        (uint32_t)value != 0 && reader->n_counters < MSR_COUNTERS_MAX)
        reader->counters[reader->n_counters++] = counter;
}

bool msr_reader_set_up(struct msr_reader *reader, const struct msr_access *access)
{
    const struct msr_model *model = access->model;
    void *context = access->io.context;
    uint64_t unit_bits = 0, power_bits = 0;
    uint32_t power_register = msr_power_register(model);
    if (reader->is_set_up || reader->fd < 0)
        return false;
    int r = access->io.read(context, reader->fd, msr_unit_register(model), &unit_bits);
    if (r < 0 || isnan(msr_unit_uj(model, DOMAIN_PACKAGE, unit_bits))) {
        reader->reason = r < 0 ? reason_of(r) : "no_unit";
        msr_reader_close(reader, access);
        return false;
    }
    if (power_register == 0 ||
        access->io.read(context, reader->fd, power_register, &power_bits) < 0)
        power_bits = 0;
    double thermal_w = msr_thermal_w(unit_bits, power_bits);
    for (int domain = 0; domain < DOMAIN_COUNT; domain++)
        add_counter(reader, access, (enum domain)domain, unit_bits, thermal_w);
    reader->is_set_up = true;
    return reader->n_counters > 0;
}

void msr_reader_read(struct msr_reader *reader, const struct msr_access *access)
{
    for (size_t c = 0; c < reader->n_counters; c++) {
        struct msr_counter *counter = &reader->counters[c];
        uint64_t value;
        counter->has_now = false;
        if (reader->fd < 0)
            continue;
        int r = access->io.read(access->io.context, reader->fd, counter->address, &value);
        counter->has_now = r >= 0;
        if (r >= 0) {
            counter->now = (uint32_t)value; /* the upper half is no energy */
            continue;
        }
        reader->reason = reason_of(r);
        if (r == -ENXIO || r == -ENODEV)
            msr_reader_close(reader, access);
    }
}
