/* SPDX-License-Identifier: BSD-3-Clause */
/* Who made a cgroup is told by the shape of its path. Components are looked at from the leaf up,
 * the first that says anything decides; the unit and the pod are looked for on the whole way.
 * Shapes that only resemble a known one are left as plain cgroups: a wrong name is worse than none.
 * What is copied is escaped (name_escape.h). */
#include "sensor/target_name.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/name_escape.h"
#include "common/scope.h"
#include "sensor/virtual_machine.h"

#define ID_SHOWN 12 /* how much of a container's id people see, as docker ps shows it */

/* One component of the path: not NUL-terminated. */
struct part {
    const char *text;
    size_t size;
};

/* Runtimes that name a scope PREFIX-ID.scope; what is charged to their helpers is no workload. */
static const struct {
    const char *prefix, *runtime;
} scope_prefixes[] = {
    {"docker-", "docker"}, {"libpod-", "podman"},   {"cri-containerd-", "containerd"},
    {"crio-", "cri-o"},    {"nerdctl-", "nerdctl"},
};

static bool part_is(struct part part, const char *text)
{
    return part.size == strlen(text) && !memcmp(part.text, text, part.size);
}

static bool starts_with(struct part part, const char *prefix)
{
    return part.size > strlen(prefix) && !memcmp(part.text, prefix, strlen(prefix));
}

static bool ends_with(struct part part, const char *suffix)
{
    size_t length = strlen(suffix);
    return part.size > length && !memcmp(part.text + part.size - length, suffix, length);
}

static struct part without(struct part part, const char *prefix, const char *suffix)
{
    part.text += strlen(prefix);
    part.size -= strlen(prefix) + strlen(suffix);
    return part;
}

static bool is_container_id(struct part part)
{
    if (part.size != 64)
        return false;
    for (size_t i = 0; i < part.size; i++)
        if (!isdigit((unsigned char)part.text[i]) && (part.text[i] < 'a' || part.text[i] > 'f'))
            return false;
    return true;
}

static void copy(char *text, size_t size, struct part part)
{
    (void)name_escape(part.text, part.size, text, size);
}

/* "docker 4f5c2a9e1b77": our word, then the part made safe. */
static void set_name(struct target_names *names, const char *word, struct part part)
{
    int length = snprintf(names->name, sizeof(names->name), "%s ", word);
    copy(names->name + length, sizeof(names->name) - (size_t)length, part);
}

static void found_container(struct target_names *names, const char *runtime, struct part id)
{
    names->kind = "container";
    copy(names->container, sizeof(names->container), id);
    if (is_container_id(id))
        id.size = ID_SHOWN;
    set_name(names, runtime, id);
}

/* The part above, "" at the top. */
static struct part parent_of(const char *cgroup, struct part part)
{
    struct part parent = {cgroup, 0};
    if (part.text <= cgroup + 1)
        return parent;
    const char *end = part.text - 1;
    const char *start = end;
    while (start > cgroup && start[-1] != '/')
        start--;
    return (struct part){start, (size_t)(end - start)};
}

static bool parse_container_scope(struct part part, struct target_names *names)
{
    if (!ends_with(part, ".scope"))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(scope_prefixes); i++) {
        const char *prefix = scope_prefixes[i].prefix;
        if (!starts_with(part, prefix))
            continue;
        struct part id = without(part, prefix, "");
        id.size = id.size > 6 ? id.size - 6 : 0;
        if (!is_container_id(id))
            return false; /* crio-conmon-ID.scope and the like */
        found_container(names, scope_prefixes[i].runtime, id);
        return true;
    }
    return false;
}

/* Managers that give each container a directory below one of their own at the top, by any name. */
static const struct {
    const char *top, *runtime;
} top_directories[] = {
    {"default", "containerd"}, {"moby", "containerd"}, {"k8s.io", "containerd"}, {"lxc", "lxc"}};

static bool parse_top_directory(const char *cgroup, struct part part, struct target_names *names)
{
    struct part top = parent_of(cgroup, part);
    if (!top.size || parent_of(cgroup, top).size)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(top_directories); i++)
        if (part_is(top, top_directories[i].top)) {
            found_container(names, top_directories[i].runtime, part);
            return true;
        }
    return false;
}

/* "/ecs/TASK/CONTAINER" and "/nomad.slice/share.slice/ALLOCATION.TASK.scope". */
static bool parse_scheduler(const char *cgroup, struct part part, struct target_names *names)
{
    struct part above = parent_of(cgroup, part), top = parent_of(cgroup, above);
    if (!top.size || parent_of(cgroup, top).size)
        return false;
    if (part_is(top, "ecs")) {
        found_container(names, "ecs", part);
        return true;
    }
    if (part_is(top, "nomad.slice") && ends_with(part, ".scope")) {
        found_container(names, "nomad", without(part, "", ".scope"));
        return true;
    }
    return false;
}

static bool is_pod_slice(struct part part)
{
    return starts_with(part, "kubepods") || starts_with(part, "kubelet-kubepods");
}

static bool parse_container_directory(const char *cgroup, struct part part,
                                      struct target_names *names)
{
    struct part parent = parent_of(cgroup, part);
    if (starts_with(part, "libpod-") && is_container_id(without(part, "libpod-", ""))) {
        found_container(names, "podman", without(part, "libpod-", ""));
        return true;
    }
    if (is_container_id(part)) {
        bool in_pod = starts_with(parent, "pod");
        found_container(names,
                        part_is(parent, "docker") ? "docker"
                        : in_pod                  ? "pod"
                                                  : "container",
                        part);
        return true;
    }
    static const char payload[] = "lxc.payload.";
    if (starts_with(part, payload)) {
        found_container(names, "lxc", without(part, payload, ""));
        return true;
    }
    if (parse_top_directory(cgroup, part, names) || parse_scheduler(cgroup, part, names))
        return true;
    static const char nspawn[] = "systemd-nspawn@";
    if (starts_with(part, nspawn) && ends_with(part, ".service") &&
        part.size > sizeof(nspawn) - 1 + 8) {
        found_container(names, "nspawn", without(part, nspawn, ".service"));
        return true;
    }
    return false;
}

/* systemd writes bytes it cannot have in a unit's name as \xHH. */
static void copy_unescaped(char *text, size_t size, struct part part)
{
    char bytes[256];
    size_t length = 0;
    for (size_t i = 0; i < part.size && length < sizeof(bytes); i++) {
        unsigned value;
        if (i + 3 < part.size && part.text[i] == '\\' && part.text[i + 1] == 'x' &&
            isxdigit((unsigned char)part.text[i + 2]) &&
            isxdigit((unsigned char)part.text[i + 3]) &&
            sscanf(part.text + i + 2, "%2x", &value) == 1 && value != 0) {
            bytes[length++] = (char)value;
            i += 3;
        } else {
            bytes[length++] = part.text[i];
        }
    }
    copy(text, size, (struct part){bytes, length});
}

static bool found_machine(struct target_names *names, struct part machine)
{
    if (!starts_with(machine, "qemu-"))
        return false;
    struct part rest = without(machine, "qemu-", "");
    size_t digits = 0;
    while (digits < rest.size && isdigit((unsigned char)rest.text[digits]))
        digits++;
    if (digits == 0 || digits + 1 >= rest.size || rest.text[digits] != '-')
        return false;
    names->kind = "vm";
    names->is_machine = true;
    set_name(names, "vm", (struct part){rest.text + digits + 1, rest.size - digits - 1});
    return true;
}

void target_name_use_machine(struct target_names *names, const struct virtual_machine *machine)
{
    set_name(names, "vm", (struct part){machine->name, strlen(machine->name)});
    copy(names->container, sizeof(names->container),
         (struct part){machine->uuid, strlen(machine->uuid)});
}

static bool is_number(struct part part)
{
    for (size_t i = 0; i < part.size; i++)
        if (!isdigit((unsigned char)part.text[i]))
            return false;
    return part.size > 0;
}

static bool parse_vm(const char *cgroup, struct part part, struct target_names *names)
{
    struct part parent = parent_of(cgroup, part);
    if (starts_with(part, "machine-qemu") && ends_with(part, ".scope")) {
        char machine[256];
        copy_unescaped(machine, sizeof(machine), without(part, "machine-", ".scope"));
        return found_machine(names, (struct part){machine, strlen(machine)});
    }
    if (ends_with(part, ".libvirt-qemu"))
        return found_machine(names, without(part, "", ".libvirt-qemu"));
    bool is_old = ends_with(part, ".qemu.libvirt"); /* very old libvirt */
    if (is_old || (part_is(parent, "qemu") && part_is(parent_of(cgroup, parent), "libvirt"))) {
        names->kind = "vm";
        set_name(names, "vm", is_old ? without(part, "", ".qemu.libvirt") : part);
        return true;
    }
    if (part_is(parent, "qemu.slice") && ends_with(part, ".scope") &&
        is_number(without(part, "", ".scope"))) {
        names->kind = "vm";
        set_name(names, "vm", without(part, "", ".scope"));
        return true;
    }
    return false;
}

/* Podman's pods. */
static bool parse_podman_pod(struct part part, struct target_names *names)
{
    static const char prefix[] = "machine-libpod_pod_", short_prefix[] = "user-libpod_pod_";
    if (!ends_with(part, ".slice"))
        return false;
    const char *used = starts_with(part, prefix) ? prefix : short_prefix;
    if (!starts_with(part, used) || !is_container_id(without(part, used, ".slice")))
        return false;
    copy(names->pod, sizeof(names->pod), without(part, used, ".slice"));
    return true;
}

/* "pod" + UID: dashes as they are in directories, '_' for '-' in slices, none at all for static
 * pods. */
static bool parse_pod(struct part part, struct target_names *names)
{
    struct part uid = part;
    if (parse_podman_pod(part, names))
        return true;
    if (ends_with(part, ".slice")) {
        uid = without(part, "", ".slice");
        const char *pod = NULL;
        for (size_t i = 0; is_pod_slice(part) && i + 4 < uid.size; i++)
            if (!memcmp(uid.text + i, "-pod", 4))
                pod = uid.text + i + 1;
        if (!pod)
            return false;
        uid.size = (size_t)(uid.text + uid.size - pod);
        uid.text = pod;
    }
    if (!starts_with(uid, "pod"))
        return false;
    uid = without(uid, "pod", "");
    if (uid.size != 36 && uid.size != 32)
        return false;
    char text[37];
    for (size_t i = 0; i < uid.size; i++) {
        text[i] = uid.text[i] == '_' ? '-' : uid.text[i];
        if (!isxdigit((unsigned char)text[i]) && text[i] != '-')
            return false;
    }
    text[uid.size] = '\0';
    (void)snprintf(names->pod, sizeof(names->pod), "%s", text);
    return true;
}

static bool parse_slurm(const char *cgroup, struct part part, struct target_names *names)
{
    struct part job = part, step = {0};
    for (; job.size && !starts_with(job, "job_"); job = parent_of(cgroup, job))
        if (starts_with(job, "step_"))
            step = without(job, "step_", "");
    if (!job.size || !strstr(cgroup, "slurm"))
        return false;
    char id[32], number[32] = "";
    copy(id, sizeof(id), without(job, "job_", ""));
    if (step.size)
        copy(number, sizeof(number), step);
    names->kind = "unit";
    (void)snprintf(names->name, sizeof(names->name), "slurm job %s%s%s", id,
                   step.size ? " step " : "", number);
    return true;
}

static bool parse_session(struct part part, struct target_names *names)
{
    if (!starts_with(part, "session-") || !ends_with(part, ".scope") ||
        part.size <= strlen("session-.scope"))
        return false;
    names->kind = "session";
    set_name(names, "session", without(part, "session-", ".scope"));
    copy(names->unit, sizeof(names->unit), part);
    return true;
}

static bool is_unit(struct part part)
{
    return ends_with(part, ".service") || ends_with(part, ".scope") || ends_with(part, ".socket") ||
           ends_with(part, ".mount") || ends_with(part, ".swap");
}

static bool parse_unit(struct part part, bool is_leaf, struct target_names *names)
{
    if (is_unit(part)) {
        names->kind = "unit";
        copy_unescaped(names->name, sizeof(names->name), part);
        return true;
    }
    if (is_leaf && ends_with(part, ".slice")) {
        names->kind = "slice";
        copy_unescaped(names->name, sizeof(names->name), part);
        return true;
    }
    return false;
}

static bool parse_part(const char *cgroup, struct part part, struct target_names *names)
{
    if (parse_container_scope(part, names) || parse_container_directory(cgroup, part, names) ||
        parse_vm(cgroup, part, names) || parse_session(part, names))
        return true;
    if (parse_pod(part, names)) {
        names->kind = "pod";
        (void)snprintf(names->name, sizeof(names->name), "pod %s", names->pod);
        return true;
    }
    return false;
}

static struct part leaf_of(const char *cgroup)
{
    size_t length = strlen(cgroup);
    while (length > 1 && cgroup[length - 1] == '/')
        length--;
    return parent_of(cgroup, (struct part){cgroup + length + 1, 0});
}

void target_name_parse(const char *cgroup, struct target_names *ret_names)
{
    *ret_names = (struct target_names){.kind = "cgroup"};
    struct part leaf = leaf_of(cgroup);
    copy(ret_names->name, sizeof(ret_names->name), leaf.size ? leaf : (struct part){"/", 1});
    bool is_named = false;
    for (struct part part = leaf; part.size; part = parent_of(cgroup, part)) {
        if (!is_named)
            is_named = parse_part(cgroup, part, ret_names);
        if (!ret_names->unit[0] && is_unit(part))
            copy(ret_names->unit, sizeof(ret_names->unit), part);
        if (!ret_names->pod[0])
            (void)parse_pod(part, ret_names);
    }
    if (is_named || parse_slurm(cgroup, leaf, ret_names))
        return;
    for (struct part part = leaf; part.size; part = parent_of(cgroup, part))
        if (parse_unit(part, part.text == leaf.text, ret_names))
            return;
}
