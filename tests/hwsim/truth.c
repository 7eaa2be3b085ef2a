/* SPDX-License-Identifier: BSD-3-Clause */
/* Names come from the configuration of a test and are written as they are: letters, digits, '-'. */
#include "tests/hwsim/truth.h"

#include <errno.h>
#include <inttypes.h>

#include "tests/hwsim/energy.h"

static void write_read(const struct counter_read *read, int n_users, FILE *file)
{
    (void)fprintf(file,
                  "{\"at_ns\":%" PRIu64 ",\"as_of_ns\":%" PRIu64 ",\"error\":%d,\"counts\":%" PRIu64
                  ",\"raw\":%" PRIu32
                  ",\"used_j\":%.9f,\"idle_j\":%.9f,\"users_j\":[",
                  read->at_ns, read->as_of_ns, read->error, read->counts, read->raw, read->used_j,
                  read->idle_j);
    for (int i = 0; i < n_users; i++)
        (void)fprintf(file, "%s%.9f", i ? "," : "", read->users_j[i]);
    (void)fputs("]}", file);
}

static void write_counter(const struct energy *energy, const struct counter *counter,
                          uint64_t now_ns, FILE *file)
{
    (void)fprintf(file, "{\"domain\":\"%s\",", sim_domain_name(counter->domain));
    if (counter->package >= 0)
        (void)fprintf(file, "\"package\":%d,\"part\":%d,", counter->package, counter->part);
    (void)fprintf(file,
                  "\"unit_nj\":%.6f,\"zone_unit_nj\":%" PRIu64
                  ",\"energy_j\":%.9f,\"idle_j\":%.9f,\"n_reads\":%" PRIu64 ",\"reads\":[",
                  counter->unit_nj, counter->zone_unit_nj, energy_used_j(energy, counter, now_ns),
                  energy_idle_j(energy, counter, now_ns), counter->n_reads);
    for (size_t i = 0; i < counter->n_kept; i++) {
        (void)fputs(i ? ",\n" : "\n", file);
        write_read(&counter->reads[i], energy->machine->n_users, file);
    }
    (void)fputs("]}", file);
}

static void write_user(const struct energy *energy, int number, uint64_t now_ns, FILE *file)
{
    const struct sim_user *user = &energy->machine->users[number];
    double cpu_s = usage_cpu_s(&energy->usages[number], now_ns);
    (void)fprintf(file, "{\"name\":\"%s\",\"package\":%d,\"cpu_s\":%.9f,\"energy_j\":{", user->name,
                  user->package, cpu_s);
    for (int domain = 0; domain < SIM_PSYS; domain++)
        (void)fprintf(file, "%s\"%s\":%.9f", domain ? "," : "",
                      sim_domain_name((enum sim_domain)domain), user->watts[domain] * cpu_s);
    (void)fputs("}}", file);
}

int truth_write(struct energy *energy, FILE *file)
{
    uint64_t now_ns = energy_now_ns(energy);
    usages_observe(energy->usages, energy->machine->n_users, now_ns);
    (void)fprintf(file, "{\"clock_ns\":%" PRIu64 ",\"counters\":[", now_ns);
    for (int i = 0; i < energy->n_counters; i++) {
        (void)fputs(i ? ",\n" : "\n", file);
        write_counter(energy, &energy->counters[i], now_ns, file);
    }
    (void)fputs("],\n\"users\":[", file);
    for (int i = 0; i < energy->machine->n_users; i++) {
        (void)fputs(i ? ",\n" : "\n", file);
        write_user(energy, i, now_ns, file);
    }
    (void)fputs("],\n\"faults\":[", file);
    for (int i = 0; i < energy->script->n_faults; i++)
        (void)fprintf(file, "%s{\"n_hits\":%" PRIu64 "}", i ? "," : "",
                      energy->script->faults[i].n_hits);
    (void)fputs("]}\n", file);
    return fflush(file) == 0 && !ferror(file) ? 0 : -EIO;
}
