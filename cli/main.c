/* SPDX-License-Identifier: BSD-3-Clause */
/* `watt`, the one command people type: the first word chooses the verb. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "common/log.h"
#include "common/scope.h"

static const struct command *const commands[] = {&command_top,  &command_run,   &command_attach,
                                                 &command_show, &command_score, &command_doctor};

static void print_help(FILE *stream)
{
    (void)fputs("watt - what uses the power of this machine\n\nUsage: watt COMMAND [OPTION]...\n\n",
                stream);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        (void)fprintf(stream, "  %-8s %s\n", commands[i]->name, commands[i]->about);
    (void)fputs("\n`watt COMMAND --help` lists a command's options.\n", stream);
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

/* Closed standard descriptors would be given to what is opened next. What is put there fails as
 * they would: nothing to be read from 0, nothing to be written to 1 and 2. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
    fill_standard_descriptors();
    struct log log;
    log_init(&log, "watt");
    (void)signal(SIGPIPE,
                 SIG_IGN); /* a closed pipe is an error of the write, told like any other */
    if (argc < 2) {
        print_help(stderr);
        return 64;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("watt %s\n", WATT_VERSION);
        return 0;
    }
    const struct command *command = find(argv[1]);
    if (!command) {
        log_error(&log, "\"%s\" is not a command: see watt --help", argv[1]);
        return 64;
    }
    return command->run(argc - 1, argv + 1, &log);
}
