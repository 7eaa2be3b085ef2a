/* SPDX-License-Identifier: BSD-3-Clause */
/* watt-hwsim: a machine with energy counters, as files. It says "ready" on standard output once
 * they can be read, and writes what was true when it ends; DIR/truth says it at any time. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/error.h"
#include "common/scope.h"
#include "tests/hwsim/energy.h"
#include "tests/hwsim/machine.h"
#include "tests/hwsim/script.h"
#include "tests/hwsim/serve.h"
#include "tests/hwsim/tree.h"
#include "tests/hwsim/truth.h"

struct options {
    const char *config, *script, *truth, *folder;
    bool with_parent;
};

static const char usage_text[] =
    "watt-hwsim --config FILE [OPTION]... DIR\n"
    "Serves DIR/sys, DIR/dev and DIR/proc of a simulated machine with energy counters.\n"
    "  --config FILE   what is simulated (tests/hwsim/machine.h says how it is written)\n"
    "  --script FILE   faults (tests/hwsim/script.h)\n"
    "  --truth FILE    write at the end, as JSON, what was true; DIR/truth says it at any time\n"
    "  --with-parent   end when the process that started it ends\n";

static int parse(struct options *options, int argc, char **argv)
{
    static const struct option names[] = {
        {"config", required_argument, NULL, 'c'}, {"script", required_argument, NULL, 's'},
        {"truth", required_argument, NULL, 't'},  {"with-parent", no_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},         {0},
    };
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (option) {
        case 'c':
            options->config = optarg;
            break;
        case 's':
            options->script = optarg;
            break;
        case 't':
            options->truth = optarg;
            break;
        case 'p':
            options->with_parent = true;
            break;
        case 'h':
            return 1;
        default:
            return -EINVAL;
        }
    }
    if (!options->config || argc - optind != 1)
        return -EINVAL;
    options->folder = argv[optind];
    return 0;
}

static void say_ready(void *context)
{
    (void)context;
    (void)puts("ready");
    (void)fflush(stdout);
}

static int write_truth(struct energy *energy, const char *path, struct error *err)
{
    SCOPED(scope_fclose) FILE *file = fopen(path, "we");
    int r = file ? truth_write(energy, file) : -errno;
    return r < 0 ? error_set(err, r, "%s: the truth cannot be written: %s", path, strerror(-r)) : 0;
}

static int simulate(const struct options *options, const struct machine *machine,
                    struct script *script, struct error *err)
{
    struct energy *energy = malloc(sizeof(*energy));
    struct tree tree;
    if (!energy)
        return -ENOMEM;
    energy_init(energy, machine, script);
    int r = tree_init(&tree, energy);
    if (r == 0) {
        r = serve(&tree, options->folder, say_ready, NULL, err);
        tree_deinit(&tree);
    }
    if (r == 0 && options->truth)
        r = write_truth(energy, options->truth, err);
    energy_deinit(energy);
    free(energy);
    return r;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct machine machine;
    struct script script;
    struct error err = {0};
    int r = parse(&options, argc, argv);
    if (r != 0) {
        (void)fputs(usage_text, r > 0 ? stdout : stderr);
        return r > 0 ? EX_OK : EX_USAGE;
    }
    pid_t parent = getppid();
    if (options.with_parent && (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent))
        return EX_UNAVAILABLE;
    r = machine_read(&machine, options.config, &err);
    if (r == 0)
        r = script_read(&script, options.script, &err);
    if (r == 0)
        r = simulate(&options, &machine, &script, &err);
    if (r == 0)
        return EX_OK;
    (void)fprintf(stderr, "watt-hwsim: %s\n", err.text[0] ? err.text : strerror(-r));
    return error_exit_status(r);
}
