/* SPDX-License-Identifier: BSD-3-Clause */
/* generator: writes streams of reports whose truth is known, the same bytes for the same scenario,
 * seed and number of ticks. What it knows of machines is in machine.c, of programs in scenario.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "common/log.h"
#include "common/options.h"
#include "common/scope.h"
#include "tests/replay/accuracy/recorder.h"

struct settings {
    char *scenario, *raw, *hwpc, *truth;
    uint64_t seed, ticks, programs;
    bool list;
};

#define AT(field) offsetof(struct settings, field)
static const struct option_spec specs[] = {
    {.key = "list", .type = OPTION_FLAG, .offset = AT(list), .help = "print the scenarios"},
    {.key = "scenario",
     .type = OPTION_STRING,
     .offset = AT(scenario),
     .fallback = "steady",
     .argument = "NAME",
     .help = "what happens: see --list"},
    {.key = "seed",
     .type = OPTION_COUNT,
     .offset = AT(seed),
     .fallback = "1",
     .argument = "N",
     .help = "another seed is another machine with other programs"},
    {.key = "ticks",
     .type = OPTION_COUNT,
     .offset = AT(ticks),
     .fallback = "600",
     .argument = "N",
     .help = "how many"},
    {.key = "programs",
     .type = OPTION_COUNT,
     .offset = AT(programs),
     .fallback = "0",
     .argument = "N",
     .help = "how many long-lived ones; 0: as the scenario says"},
    {.key = "raw",
     .type = OPTION_STRING,
     .offset = AT(raw),
     .argument = "FILE",
     .help = "write native records here"},
    {.key = "hwpc",
     .type = OPTION_STRING,
     .offset = AT(hwpc),
     .argument = "FILE",
     .help = "write the same as PowerAPI's HWPCReports here"},
    {.key = "truth",
     .type = OPTION_STRING,
     .offset = AT(truth),
     .argument = "FILE",
     .help = "write the true watts here"},
};
#undef AT

static int open_output(const char *path, FILE **ret_stream, struct error *err)
{
    *ret_stream = path ? fopen(path, "we") : NULL;
    return path && !*ret_stream ? error_set(err, -errno, "%s: %s", path, strerror(errno)) : 0;
}

static int close_output(FILE *stream, const char *path, int r, struct error *err)
{
    if (stream && fclose(stream) != 0 && r >= 0)
        return error_set(err, -errno, "%s: %s", path, strerror(errno));
    return r;
}

static int record(const struct settings *settings, const struct scenario *scenario,
                  FILE *const streams[3], struct error *err)
{
    struct world world;
    struct recorder recorder;
    int r = world_init(&world, scenario, (unsigned)settings->programs, settings->seed);
    if (r < 0) {
        world_deinit(&world);
        return error_set(err, r, "out of memory");
    }
    r = recorder_init(&recorder, &world, settings->seed, streams[0], streams[1], streams[2], err);
    for (uint64_t i = 0; i < settings->ticks && r >= 0; i++)
        r = recorder_tick(&recorder, err);
    recorder_deinit(&recorder);
    world_deinit(&world);
    return r;
}

static int generate(const struct settings *settings, struct error *err)
{
    const struct scenario *scenario = scenario_find(settings->scenario);
    if (!scenario)
        return error_set(err, -EINVAL, "\"%s\" is not a scenario: see --list", settings->scenario);
    if (settings->programs > 10000)
        return error_set(err, -EINVAL, "--programs %" PRIu64 ": at most 10000", settings->programs);
    const char *const paths[3] = {settings->raw, settings->hwpc, settings->truth};
    FILE *streams[3] = {NULL};
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(paths) && r >= 0; i++)
        r = open_output(paths[i], &streams[i], err);
    if (r >= 0)
        r = record(settings, scenario, streams, err);
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        r = close_output(streams[i], paths[i], r, err);
    return r;
}

static void list(void)
{
    for (size_t i = 0; i < n_scenarios; i++)
        (void)printf("%-14s %s\n", scenarios[i].name, scenarios[i].about);
}

int main(int argc, char **argv)
{
    struct log log;
    struct error err = {0};
    struct settings settings = {0};
    struct options *options = NULL;
    const struct option_group group = {"generator", specs, ARRAY_SIZE(specs), &settings, NULL};
    int operand = 0;
    log_init(&log, "generator");
    int r = options_new(&options, "generator", "writes reports whose truth is known", NULL);
    if (r >= 0)
        r = options_add(options, &group);
    if (r >= 0)
        r = options_parse(options, argc, argv, NULL, &log, &operand, &err);
    if (r == 0 && operand < argc)
        r = error_set(&err, -EINVAL, "\"%s\" is not expected here", argv[operand]);
    if (r == 0 && settings.list)
        list();
    else if (r == 0)
        r = generate(&settings, &err);
    if (r < 0)
        log_error(&log, "%s", err.text[0] ? err.text : strerror(-r));
    options_free(options);
    return error_exit_status(r);
}
