/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules are tried in their order and the last that matches decides. The glob matcher walks back to
 * the last
 * `*` and the last `**` only, so that its cost is at most quadratic whatever names users choose. */
#include "sensor/target_rules.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/scope.h"

enum rule_kind { RULE_CGROUP, RULE_COMM, RULE_PID, RULE_USER };

struct rule {
    enum rule_kind kind;
    bool is_exclude;
    char *glob;
    pid_t pid;
    uid_t uid;
};

struct target_rules {
    struct rule *rules;
    size_t n_rules;
    bool has_include;
};

/* Slash-star-star before a slash or the end stands for any number of whole components, none
 * included. */
static bool is_component_globstar(const char *glob)
{
    return !strncmp(glob, "/**", 3) && (glob[3] == '/' || glob[3] == '\0');
}

/* Where a wildcard continues: its rest of the glob, and how far its text reaches so far. */
struct retry {
    const char *glob, *text;
    bool by_component;
};

static bool glob_matches(const char *glob, const char *text, bool star_crosses)
{
    struct retry star = {0}, globstar = {0};
    for (;;) {
        if (is_component_globstar(glob) && (*text == '/' || *text == '\0')) {
            glob += 3;
            globstar = (struct retry){glob, text, true};
            star = (struct retry){0};
        } else if (*glob == '*' && (glob[1] == '*' || star_crosses)) {
            while (*glob == '*')
                glob++;
            globstar = (struct retry){glob, text, false};
            star = (struct retry){0};
        } else if (*glob == '*') {
            glob++;
            star = (struct retry){glob, text, false};
        } else if (*glob == *text) {
            if (*text == '\0')
                return true;
            glob++;
            text++;
        } else if (star.glob && *star.text && *star.text != '/') {
            star.text++;
            glob = star.glob;
            text = star.text;
        } else if (globstar.glob && *globstar.text) {
            globstar.text++;
            if (globstar.by_component)
                globstar.text += strcspn(globstar.text, "/");
            glob = globstar.glob;
            text = globstar.text;
            star = (struct retry){0};
        } else {
            return false;
        }
    }
}

static int parse_number(const char *text, long max, long *ret_number)
{
    if (!isdigit((unsigned char)*text))
        return -EINVAL;
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (*end || errno || number > max)
        return -EINVAL;
    *ret_number = number;
    return 0;
}

static int parse_user(struct rule *rule, const char *text, const char *name, struct error *err)
{
    char buffer[16384];
    struct passwd entry, *found = NULL;
    int r = getpwnam_r(name, &entry, buffer, sizeof(buffer), &found);
    if (r == 0 && found) {
        rule->uid = found->pw_uid;
        return 0;
    }
    long number;
    if (parse_number(name, UINT_MAX - 1L, &number) < 0)
        return error_set(err, -EINVAL, "rule \"%s\": no user is called \"%s\"", text, name);
    rule->uid = (uid_t)number;
    return 0;
}

static int parse_cgroup(struct rule *rule, const char *text, const char *glob, struct error *err)
{
    if (glob[0] != '/' && strncmp(glob, "**", 2) != 0)
        return error_set(err, -EINVAL, "rule \"%s\": a cgroup's path begins with / (or **)", text);
    rule->glob = strdup(glob);
    if (!rule->glob)
        return error_set(err, -ENOMEM, "rule \"%s\": out of memory", text);
    size_t length = strlen(rule->glob);
    while (length > 1 && rule->glob[length - 1] == '/')
        rule->glob[--length] = '\0';
    return 0;
}

static int parse_rule(struct rule *rule, const char *text, struct error *err)
{
    const char *at = text;
    rule->is_exclude = *at == '!';
    at += rule->is_exclude;
    const char *value = strchr(at, ':');
    if (!value)
        return error_set(
            err, -EINVAL,
            "rule \"%s\": write [!]cgroup:GLOB, [!]comm:GLOB, [!]pid:N or [!]user:NAME", text);
    size_t key_size = (size_t)(value - at);
    value++;
    if (!*value)
        return error_set(err, -EINVAL, "rule \"%s\": nothing stands after the colon", text);
    if (key_size == 6 && !strncmp(at, "cgroup", 6)) {
        rule->kind = RULE_CGROUP;
        return parse_cgroup(rule, text, value, err);
    }
    if (key_size == 4 && !strncmp(at, "comm", 4)) {
        rule->kind = RULE_COMM;
        rule->glob = strdup(value);
        return rule->glob ? 0 : error_set(err, -ENOMEM, "rule \"%s\": out of memory", text);
    }
    if (key_size == 3 && !strncmp(at, "pid", 3)) {
        long pid;
        rule->kind = RULE_PID;
        if (parse_number(value, INT_MAX, &pid) < 0 || pid == 0)
            return error_set(err, -EINVAL, "rule \"%s\": \"%s\" is no process id", text, value);
        rule->pid = (pid_t)pid;
        return 0;
    }
    if (key_size == 4 && !strncmp(at, "user", 4)) {
        rule->kind = RULE_USER;
        return parse_user(rule, text, value, err);
    }
    return error_set(err, -EINVAL,
                     "rule \"%s\": \"%.*s\" is not known: cgroup, comm, pid and user are", text,
                     (int)key_size, at);
}

int target_rules_parse(struct target_rules **ret_rules, const char *const *texts, size_t n_texts,
                       struct error *err)
{
    struct target_rules *rules = calloc(1, sizeof(*rules));
    if (rules)
        rules->rules = calloc(n_texts ? n_texts : 1, sizeof(*rules->rules));
    if (!rules || !rules->rules) {
        target_rules_free(rules);
        return error_set(err, -ENOMEM, "target rules: out of memory");
    }
    for (size_t i = 0; i < n_texts; i++) {
        rules->n_rules++;
        int r = parse_rule(&rules->rules[i], texts[i], err);
        if (r < 0) {
            target_rules_free(rules);
            return r;
        }
        rules->has_include |= !rules->rules[i].is_exclude;
    }
    *ret_rules = rules;
    return 0;
}

void target_rules_free(struct target_rules *rules)
{
    if (!rules)
        return;
    for (size_t i = 0; i < rules->n_rules; i++)
        free(rules->rules[i].glob);
    free(rules->rules);
    free(rules);
}

bool target_rules_is_empty(const struct target_rules *rules)
{
    return !rules || rules->n_rules == 0;
}

bool target_rules_selects_by_default(const struct target_rules *rules)
{
    return !rules || !rules->has_include;
}

int target_rules_fit_cgroups(const struct target_rules *rules, struct error *err)
{
    static const char *const words[] = {
        [RULE_CGROUP] = NULL,
        [RULE_COMM] = "comm",
        [RULE_PID] = "pid",
        [RULE_USER] = "user",
    };
    for (size_t i = 0; rules && i < rules->n_rules; i++) {
        const char *word = words[rules->rules[i].kind];
        if (word)
            return error_set(err, -EINVAL,
                             "--target: a rule %s:... tells the processes of a cgroup apart, which "
                             "cgroup granularity does not: use cgroup: rules, or --granularity "
                             "process",
                             word);
    }
    return 0;
}

bool target_rules_match_cgroup(const struct target_rules *rules, const char *cgroup)
{
    bool is_selected = target_rules_selects_by_default(rules);
    for (size_t i = 0; rules && i < rules->n_rules; i++) {
        const struct rule *rule = &rules->rules[i];
        if (rule->kind == RULE_CGROUP && glob_matches(rule->glob, cgroup, false))
            is_selected = !rule->is_exclude;
    }
    return is_selected;
}

/* A process lives in its cgroup and in all above it but the root, in which everything lives. */
static bool lives_in(const char *glob, const char *cgroup)
{
    if (glob_matches(glob, cgroup, false))
        return true;
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof(path), "%s", cgroup) >= sizeof(path))
        return false;
    for (char *slash = strrchr(path, '/'); slash && slash != path; slash = strrchr(path, '/')) {
        *slash = '\0';
        if (glob_matches(glob, path, false))
            return true;
    }
    return false;
}

static bool rule_matches_process(const struct rule *rule, const char *cgroup, const char *comm,
                                 pid_t pid, uid_t uid)
{
    switch (rule->kind) {
    case RULE_CGROUP:
        return lives_in(rule->glob, cgroup);
    case RULE_COMM:
        return glob_matches(rule->glob, comm, true); /* a command is no path */
    case RULE_PID:
        return rule->pid == pid;
    case RULE_USER:
        return rule->uid == uid;
    }
    return false;
}

bool target_rules_match_process(const struct target_rules *rules, const char *cgroup,
                                const char *comm, pid_t pid, uid_t uid)
{
    bool is_selected = target_rules_selects_by_default(rules);
    for (size_t i = 0; rules && i < rules->n_rules; i++)
        if (rule_matches_process(&rules->rules[i], cgroup, comm, pid, uid))
            is_selected = !rules->rules[i].is_exclude;
    return is_selected;
}
