/* SPDX-License-Identifier: BSD-3-Clause */
/* A libvirt machine as it is called. QEMU's helpers (swtpm, virtiofsd) share its cgroup, so each
 * process there is asked for a -name. */
#include "sensor/virtual_machine.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/array.h"
#include "common/scope.h"

/* A process makes its command line as long as it likes, and as many as it likes may be there: more
 * than libvirt ever writes is not looked at. */
#define ARGUMENTS_MAX_BYTES (256 * 1024)
#define ARGUMENT_SIZE 2048 /* what is longer is cut: no name, doubled commas and all, is */
#define PROCESSES_MAX 64   /* of a list: QEMU and its helpers */

/* Copies up to the next single comma, a doubled one as one. Returns what follows, NULL at the
 * end. */
static const char *take_part(const char *text, char *part, size_t size)
{
    size_t length = 0;
    while (*text && (*text != ',' || *++text == ',')) {
        if (length + 1 < size)
            part[length++] = *text;
        text++;
    }
    part[length] = '\0';
    return *text ? text : NULL;
}

/* "guest=NAME,process=COMM,debug-threads=on"; the key of the first may be left out. */
static void parse_name(const char *option, struct virtual_machine *machine)
{
    static const char key[] = "guest=";
    char part[sizeof(key) + sizeof(machine->name)];
    for (const char *rest = option; rest && !machine->name[0];) {
        bool may_lack_key = rest == option;
        rest = take_part(rest, part, sizeof(part));
        if (!strncmp(part, key, sizeof(key) - 1))
            (void)snprintf(machine->name, sizeof(machine->name), "%s", part + sizeof(key) - 1);
        else if (may_lack_key && !strchr(part, '='))
            (void)snprintf(machine->name, sizeof(machine->name), "%s", part);
    }
}

/* Takes at most *left bytes; false at the end. */
static bool read_argument(FILE *arguments, size_t *left, char argument[ARGUMENT_SIZE])
{
    size_t length = 0;
    int byte = EOF;
    while (*left > 0 && (byte = getc_unlocked(arguments)) != EOF) {
        --*left;
        if (byte == '\0')
            break;
        if (length + 1 < ARGUMENT_SIZE)
            argument[length++] = (char)byte;
    }
    argument[length] = '\0';
    return byte != EOF || length > 0;
}

bool virtual_machine_parse(FILE *arguments, struct virtual_machine *ret_machine)
{
    struct virtual_machine machine = {0};
    char argument[ARGUMENT_SIZE];
    size_t left = ARGUMENTS_MAX_BYTES;
    enum { ANY, NAME, UUID } awaited = ANY;
    while ((!machine.name[0] || !machine.uuid[0]) && read_argument(arguments, &left, argument)) {
        if (awaited == NAME)
            parse_name(argument, &machine);
        else if (awaited == UUID)
            (void)snprintf(machine.uuid, sizeof(machine.uuid), "%s", argument);
        const char *option = argument + !strncmp(argument, "--", 2); /* QEMU takes both */
        awaited = !strcmp(option, "-name") ? NAME : !strcmp(option, "-uuid") ? UUID : ANY;
    }
    if (machine.name[0])
        *ret_machine = machine;
    return machine.name[0] != '\0';
}

static bool read_process(const char *procfs, int pid, struct virtual_machine *ret_machine)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%d/cmdline", procfs, pid);
    SCOPED(scope_fclose) FILE *file = fopen(path, "re");
    return file && virtual_machine_parse(file, ret_machine);
}

/* Where QEMU is listed: libvirt keeps it in libvirt/ (cgroup v2, whose groups of threads have no
 * list of processes) or in emulator/ (v1) below the machine's own. */
static const char *const lists[] = {"cgroup.procs", "cgroup.threads", "libvirt/cgroup.procs",
                                    "emulator/cgroup.procs"};

bool virtual_machine_find(int cgroup_fd, const char *procfs, struct virtual_machine *ret_machine)
{
    bool is_found = false;
    for (size_t i = 0; i < ARRAY_SIZE(lists) && !is_found; i++) {
        int pid, n_asked = 0, fd = openat(cgroup_fd, lists[i], O_RDONLY | O_CLOEXEC);
        SCOPED(scope_fclose) FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
        if (!file && fd >= 0)
            (void)close(fd);
        while (file && !is_found && n_asked++ < PROCESSES_MAX && fscanf(file, "%d", &pid) == 1)
            is_found = read_process(procfs, pid, ret_machine);
    }
    return is_found;
}
