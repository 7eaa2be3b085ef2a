/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults happen at reads or at moments of the simulator's clock, never by waiting. */
#include "tests/hwsim/script.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "common/scope.h"

static const struct {
    const char *name;
    enum fault_kind kind;
    int error;
} kinds[] = {
    {"eio", FAULT_ERROR, EIO},       {"enodev", FAULT_ERROR, ENODEV}, {"enxio", FAULT_ERROR, ENXIO},
    {"eagain", FAULT_ERROR, EAGAIN}, {"einval", FAULT_ERROR, EINVAL}, {"stuck", FAULT_STUCK, 0},
    {"reset", FAULT_RESET, 0},       {"vanish", FAULT_VANISH, 0},     {"wrap", FAULT_WRAP, 0},
    {"late", FAULT_LATE, 0},         {"offline", FAULT_OFFLINE, 0},
};

static bool parse_counter(const char *text, struct fault *fault)
{
    char domain[16];
    int end = 0;
    fault->package = fault->cpu = -1;
    fault->domain = SIM_DOMAINS;
    if (sscanf(text, "cpu-%d%n", &fault->cpu, &end) == 1)
        return text[end] == '\0' && fault->cpu >= 0;
    fault->is_all = strcmp(text, "all") == 0;
    if (fault->is_all)
        return true;
    fault->domain = SIM_PSYS;
    if (strcmp(text, "psys") == 0)
        return true;
    if (sscanf(text, "%15[a-z]-%d%n", domain, &fault->package, &end) != 2 || text[end] ||
        fault->package < 0)
        return false;
    fault->domain = sim_domain_parse(domain);
    return fault->domain < SIM_PSYS;
}

static bool parse_kind(const char *text, struct fault *fault)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (strcmp(kinds[i].name, text) == 0) {
            fault->kind = kinds[i].kind;
            fault->error = kinds[i].error;
            return true;
        }
    }
    return false;
}

static bool parse_line(const char *line, struct fault *ret_fault)
{
    char when[8], counter[24], kind[16];
    double from, length = 1;
    int end = 0, more = 0;
    struct fault fault = {0};
    if (sscanf(line, "%7s %lf %23s %15s %n", when, &from, counter, kind, &end) != 4 || end == 0)
        return false;
    if (line[end] != '\0' &&
        (sscanf(line + end, "for %lf %n", &length, &more) != 1 || line[end + more] != '\0'))
        return false;
    fault.by_read = strcmp(when, "read") == 0;
    if ((!fault.by_read && strcmp(when, "time") != 0) || !(from >= 0) || !(length > 0) ||
        from > 1e8 || length > 1e8 || !parse_counter(counter, &fault) || !parse_kind(kind, &fault))
        return false;
    if (fault.by_read &&
        (fault.kind == FAULT_VANISH || fault.kind == FAULT_WRAP || fault.kind == FAULT_OFFLINE))
        return false;
    if ((fault.kind == FAULT_OFFLINE) != (fault.cpu >= 0))
        return false;
    fault.from = (uint64_t)(fault.by_read ? from : from * 1e9);
    fault.length = (uint64_t)(fault.by_read ? length : length * 1e9);
    *ret_fault = fault;
    return true;
}

int script_read(struct script *ret_script, const char *path, struct error *err)
{
    char line[256];
    struct script script = {0};
    SCOPED(scope_fclose) FILE *file = path ? fopen(path, "re") : NULL;
    if (path && !file)
        return error_set(err, -errno, "%s: %s", path, strerror(errno));
    for (int number = 1; file && fgets(line, sizeof(line), file); number++) {
        line[strcspn(line, "#\n")] = '\0';
        if (line[strspn(line, " \t")] == '\0')
            continue;
        if (script.n_faults == FAULTS_MAX || !parse_line(line, &script.faults[script.n_faults]))
            return error_set(err, -EBADMSG, "%s:%d: no fault: WHEN COUNTER FAULT [for LENGTH]",
                             path, number);
        script.n_faults++;
    }
    *ret_script = script;
    return 0;
}

bool fault_is_about(const struct fault *fault, enum sim_domain domain, int package)
{
    if (fault->is_all)
        return true;
    if (fault->kind == FAULT_VANISH) /* takes the whole package */
        return fault->package == package;
    return fault->domain == domain && fault->package == package;
}

bool fault_is_now(const struct fault *fault, uint64_t n_reads, uint64_t now_ns)
{
    uint64_t at = fault->by_read ? n_reads : now_ns;
    if (fault->kind == FAULT_RESET)
        return at >= fault->from;
    return at >= fault->from && at - fault->from < fault->length;
}
