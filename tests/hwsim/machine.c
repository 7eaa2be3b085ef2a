/* SPDX-License-Identifier: BSD-3-Clause */
/* One table of keys per section; a number outside its bounds is an error, since a simulator that
 * quietly does something else proves nothing. */
#include "tests/hwsim/machine.h"

#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/scope.h"

enum kind { KIND_INT, KIND_DOUBLE, KIND_COUNTS, KIND_SEED, KIND_US, KIND_TEXT };

struct key {
    const char *name;
    enum kind kind;
    size_t offset;
    double least, most;
};

#define M(field) offsetof(struct machine, field)
#define P(field) offsetof(struct sim_package, field)
#define U(field) offsetof(struct sim_user, field)
#define W_MAX 1e5
#define US_MAX 1e9

static const struct key machine_keys[] = {
    {"family", KIND_INT, M(family), 0, 255},
    {"model", KIND_INT, M(model), 0, 255},
    {"packages", KIND_INT, M(n_packages), 1, PACKAGES_MAX},
    {"dies", KIND_INT, M(n_dies), 1, DIES_MAX},
    {"cpus", KIND_INT, M(n_cpus), 1, CPUS_MAX},
    {"energy_unit", KIND_INT, M(energy_unit), 0, 31},
    {"dram_unit_nj", KIND_DOUBLE, M(dram_unit_nj), 0, 1e9},
    {"psys_unit_nj", KIND_DOUBLE, M(psys_unit_nj), 0, 1e9},
    {"psys_package", KIND_INT, M(psys_package), 0, PACKAGES_MAX - 1},
    {"max_w", KIND_DOUBLE, M(max_w), 0, W_MAX},
    {"pmu_scale_j", KIND_DOUBLE, M(pmu_scale_j), 0, 1},
    {"zone_factor", KIND_DOUBLE, M(zone_factor), 0.1, 10},
    {"update_us", KIND_US, M(update_ns), 1, US_MAX},
    {"jitter_us", KIND_US, M(jitter_ns), 0, US_MAX},
    {"lag_us", KIND_US, M(lag_ns), 0, US_MAX},
    {"step_us", KIND_US, M(step_ns), 1, US_MAX},
    {"seed", KIND_SEED, M(seed), 0, 0},
    {"high_bits", KIND_COUNTS, M(high_bits), 0, 0},
};

static const struct key package_keys[] = {
    {"idle_w", KIND_DOUBLE, P(idle_w[SIM_PACKAGE]), 0, W_MAX},
    {"dram_idle_w", KIND_DOUBLE, P(idle_w[SIM_DRAM]), 0, W_MAX},
    {"core_idle_w", KIND_DOUBLE, P(idle_w[SIM_CORE]), 0, W_MAX},
    {"uncore_idle_w", KIND_DOUBLE, P(idle_w[SIM_UNCORE]), 0, W_MAX},
    {"start_counts", KIND_COUNTS, P(start_counts), 0, 0},
};

static const struct key psys_keys[] = {
    {"idle_w", KIND_DOUBLE, M(psys_idle_w), 0, W_MAX},
    {"start_counts", KIND_COUNTS, M(psys_start_counts), 0, 0},
};

static const struct key user_keys[] = {
    {"cgroup", KIND_TEXT, U(cgroup), 0, 0},
    {"pgrp", KIND_INT, U(pgrp), 1, 1 << 30},
    {"rest", KIND_INT, U(is_rest), 0, 1},
    {"load", KIND_DOUBLE, U(load_cpus), 0, CPUS_MAX},
    {"period_s", KIND_DOUBLE, U(period_s), 1e-3, 1e6},
    {"package", KIND_INT, U(package), 0, PACKAGES_MAX - 1},
    {"watts", KIND_DOUBLE, U(watts[SIM_PACKAGE]), 0, W_MAX},
    {"dram_watts", KIND_DOUBLE, U(watts[SIM_DRAM]), 0, W_MAX},
    {"core_watts", KIND_DOUBLE, U(watts[SIM_CORE]), 0, W_MAX},
    {"uncore_watts", KIND_DOUBLE, U(watts[SIM_UNCORE]), 0, W_MAX},
};

static const char *const domain_names[SIM_DOMAINS] = {
    [SIM_PACKAGE] = "package", [SIM_DRAM] = "dram", [SIM_CORE] = "core",
    [SIM_UNCORE] = "uncore",   [SIM_PSYS] = "psys",
};

const char *sim_domain_name(enum sim_domain domain)
{
    return domain_names[domain];
}

enum sim_domain sim_domain_parse(const char *name)
{
    int domain = 0;
    while (domain < SIM_DOMAINS && strcmp(domain_names[domain], name) != 0)
        domain++;
    return (enum sim_domain)domain;
}

/* Whether the text is a value of that kind; writes it. */
static bool take(const struct key *key, void *record, const char *text)
{
    void *field = (char *)record + key->offset;
    char *end;
    errno = 0;
    if (key->kind == KIND_TEXT) {
        int n = snprintf(field, sizeof(((struct sim_user *)NULL)->cgroup), "%s", text);
        return n > 0 && (size_t)n < sizeof(((struct sim_user *)NULL)->cgroup);
    }
    if (key->kind == KIND_COUNTS || key->kind == KIND_SEED) {
        unsigned long long counts = strtoull(text, &end, 0);
        if (errno != 0 || end == text || *end || *text == '-' || counts > UINT32_MAX)
            return false;
        if (key->kind == KIND_SEED)
            *(uint64_t *)field = counts;
        else
            *(uint32_t *)field = (uint32_t)counts;
        return true;
    }
    double number = strtod(text, &end);
    if (errno != 0 || end == text || *end || !(number >= key->least) || number > key->most)
        return false;
    if (key->kind == KIND_INT)
        *(int *)field = (int)number;
    else if (key->kind == KIND_US)
        *(uint64_t *)field = (uint64_t)(number * 1e3);
    else
        *(double *)field = number;
    return true;
}

static bool take_from(const struct key *keys, size_t n_keys, void *record, const char *name,
                      const char *text)
{
    for (size_t i = 0; i < n_keys; i++) {
        if (strcmp(keys[i].name, name) == 0)
            return take(&keys[i], record, text);
    }
    return false;
}

static bool take_domains(struct machine *machine, const char *text)
{
    char name[16];
    memset(machine->has_domain, 0, sizeof(machine->has_domain));
    for (int n; sscanf(text, " %15s%n", name, &n) == 1; text += n) {
        enum sim_domain domain = sim_domain_parse(name);
        if (domain == SIM_DOMAINS)
            return false;
        machine->has_domain[domain] = true;
    }
    return true;
}

static bool take_clock(struct machine *machine, const char *text)
{
    static const char *const names[] = {"system", "file", "reads"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], text) == 0) {
            machine->clock = (enum sim_clock)i;
            return true;
        }
    }
    return false;
}

static bool take_unit_rule(struct machine *machine, const char *text)
{
    machine->unit_is_uj = strcmp(text, "microjoule") == 0;
    return machine->unit_is_uj || strcmp(text, "joule") == 0;
}

static bool take_machine(struct machine *machine, const char *name, const char *text)
{
    if (strcmp(name, "domains") == 0)
        return take_domains(machine, text);
    if (strcmp(name, "clock") == 0)
        return take_clock(machine, text);
    if (strcmp(name, "unit_rule") == 0)
        return take_unit_rule(machine, text);
    if (strcmp(name, "vendor") == 0) {
        machine->is_amd = strcmp(text, "amd") == 0;
        (void)snprintf(machine->vendor, sizeof(machine->vendor), "%s",
                       machine->is_amd ? "AuthenticAMD" : "GenuineIntel");
        return machine->is_amd || strcmp(text, "intel") == 0;
    }
    return take_from(machine_keys, ARRAY_SIZE(machine_keys), machine, name, text);
}

static struct sim_user *user_named(struct machine *machine, const char *name)
{
    for (int i = 0; i < machine->n_users; i++) {
        if (strcmp(machine->users[i].name, name) == 0)
            return &machine->users[i];
    }
    if (machine->n_users == USERS_MAX || strlen(name) >= sizeof(machine->users[0].name))
        return NULL;
    struct sim_user *user = &machine->users[machine->n_users++];
    (void)snprintf(user->name, sizeof(user->name), "%s", name);
    user->period_s = 60;
    return user;
}

static int on_value(void *context, const char *section, const char *name, const char *text)
{
    struct machine *machine = context;
    int package, end = 0;
    if (strcmp(section, "machine") == 0)
        return take_machine(machine, name, text);
    if (strcmp(section, "psys") == 0)
        return take_from(psys_keys, ARRAY_SIZE(psys_keys), machine, name, text);
    if (strncmp(section, "user ", 5) == 0) {
        struct sim_user *user = user_named(machine, section + 5);
        return user && take_from(user_keys, ARRAY_SIZE(user_keys), user, name, text);
    }
    if (strncmp(section, "sys ", 4) == 0)
        return sys_file_take(machine->files, &machine->n_files, section + 4, name, text);
    if (sscanf(section, "package %d%n", &package, &end) != 1 || section[end] || package < 0 ||
        package >= PACKAGES_MAX)
        return 0;
    return take_from(package_keys, ARRAY_SIZE(package_keys), &machine->packages[package], name,
                     text);
}

static int check(const struct machine *machine, const char *path, struct error *err)
{
    if (machine->n_cpus < machine->n_packages * machine->n_dies)
        return error_set(err, -EBADMSG, "%s: %d packages of %d dies need as many CPUs", path,
                         machine->n_packages, machine->n_dies);
    if ((machine->is_amd || machine->n_dies > 1) && machine->n_cpus % machine->n_packages != 0)
        return error_set(err, -EBADMSG, "%s: %d CPUs do not make %d packages, all alike", path,
                         machine->n_cpus, machine->n_packages);
    if (machine->is_amd && machine->n_dies > 1)
        return error_set(err, -EBADMSG, "%s: AMD's counters are the package's: no dies", path);
    if (machine->psys_package >= machine->n_packages)
        return error_set(err, -EBADMSG, "%s: psys_package must be below %d", path,
                         machine->n_packages);
    if (machine->jitter_ns >= machine->update_ns)
        return error_set(err, -EBADMSG, "%s: jitter_us must be below update_us", path);
    for (int i = 0; i < machine->n_users; i++) {
        const struct sim_user *user = &machine->users[i];
        int n_given =
            (*user->cgroup != '\0') + (user->pgrp > 0) + (user->load_cpus > 0) + user->is_rest;
        if (n_given != 1 || user->package >= machine->n_packages)
            return error_set(
                err, -EBADMSG,
                "%s: user %s needs one of cgroup, pgrp, load and rest, and a package below "
                "%d",
                path, user->name, machine->n_packages);
    }
    return 0;
}

int machine_read(struct machine *ret_machine, const char *path, struct error *err)
{
    struct machine machine = {
        .vendor = "GenuineIntel",
        .family = 6,
        .model = 0x9e,
        .n_packages = 1,
        .n_dies = 1,
        .n_cpus = (int)sysconf(_SC_NPROCESSORS_CONF),
        .has_domain = {[SIM_PACKAGE] = true, [SIM_DRAM] = true},
        .energy_unit = 14,
        .zone_factor = 1,
        .max_w = 200,
        .update_ns = 1000000,
        .step_ns = 1000000,
        .seed = 1,
        .psys_start_counts = 1,
    };
    for (int i = 0; i < PACKAGES_MAX; i++)
        machine.packages[i] = (struct sim_package){
            .idle_w = {[SIM_PACKAGE] = 10, [SIM_DRAM] = 2, [SIM_CORE] = 1, [SIM_UNCORE] = 0.5},
            .start_counts = 1u << 20,
        };
    int r = ini_parse(path, on_value, &machine);
    if (r < 0)
        return error_set(err, errno > 0 ? -errno : -ENOENT, "%s: cannot be read", path);
    if (r > 0)
        return error_set(err, -EBADMSG, "%s:%d: no such key, or a value it cannot have", path, r);
    r = check(&machine, path, err);
    if (r < 0)
        return r;
    *ret_machine = machine;
    return 0;
}
