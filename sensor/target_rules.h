/* SPDX-License-Identifier: BSD-3-Clause */
/* Which cgroups and processes are watched: "[!]cgroup:GLOB [!]comm:GLOB [!]pid:N [!]user:NAME", `*` one path component (or any part of one),
 * `**` any number of components, `!` excludes, the last rule that matches wins. No rule at all: every cgroup that directly holds processes,
 * every process. Rules that only exclude start from "everything". A process matches a cgroup rule when it lives in such a cgroup or below
 * one; a cgroup matches by its own path. Slash-star-star at the end of a path includes the path itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct error;

struct target_rules; /* immutable after parsing */

/* -EINVAL names the rule and what is wrong with it; an unknown user is refused too. */
int target_rules_parse(struct target_rules **ret_rules, const char *const *texts, size_t n_texts, struct error *err);
void target_rules_free(struct target_rules *rules);

bool target_rules_is_empty(const struct target_rules *rules);
/* No rule includes: what no rule names is selected, a cgroup then only if it directly holds processes. */
bool target_rules_selects_by_default(const struct target_rules *rules);
/* -EINVAL if a rule tells processes of a cgroup apart (comm, pid, user), which cgroup granularity cannot do. */
int target_rules_fit_cgroups(const struct target_rules *rules, struct error *err);
/* cgroup: path from the mount ("/" for the root), unescaped bytes. */
bool target_rules_match_cgroup(const struct target_rules *rules, const char *cgroup);
/* comm without parentheses, unescaped. */
bool target_rules_match_process(const struct target_rules *rules, const char *cgroup, const char *comm, pid_t pid, uid_t uid);
