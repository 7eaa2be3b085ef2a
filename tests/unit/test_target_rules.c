/* SPDX-License-Identifier: BSD-3-Clause */
/* Each rule of the grammar by itself, their order, and the ones that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/error.h"
#include "sensor/target_rules.h"

static struct target_rules *parse(const char *const *texts, size_t n_texts)
{
    struct target_rules *rules = NULL;
    struct error err = {0};
    if (target_rules_parse(&rules, texts, n_texts, &err) < 0)
        fail_msg("%s", err.text);
    return rules;
}

static bool cgroup_matches(const char *rule, const char *cgroup)
{
    struct target_rules *rules = parse(&rule, 1);
    bool matches = target_rules_match_cgroup(rules, cgroup);
    target_rules_free(rules);
    return matches;
}

static bool process_matches(const char *rule, const char *cgroup, const char *comm, pid_t pid,
                            uid_t uid)
{
    struct target_rules *rules = parse(&rule, 1);
    bool matches = target_rules_match_process(rules, cgroup, comm, pid, uid);
    target_rules_free(rules);
    return matches;
}

static void globs_respect_components(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *cgroup;
        bool matches;
    } cases[] = {
        {"cgroup:/a/b", "/a/b", true},
        {"cgroup:/a/b", "/a/b/c", false},
        {"cgroup:/a/b/", "/a/b", true},
        {"cgroup:/", "/", true},
        {"cgroup:/", "/a", false},
        {"cgroup:/a/*", "/a/b", true},
        {"cgroup:/a/*", "/a/b/c", false},
        {"cgroup:/a/*", "/a", false},
        {"cgroup:/*/b", "/a/b", true},
        {"cgroup:/*/b", "/a/x/b", false},
        {"cgroup:/docker-*.scope", "/docker-12.scope", true},
        {"cgroup:/docker-*.scope", "/docker-12.slice", false},
        {"cgroup:/a*b*c", "/aXbYbZc", true},
        {"cgroup:/a*b*c", "/aXbYbZ", false},
        {"cgroup:/a/**", "/a", true},
        {"cgroup:/a/**", "/a/b", true},
        {"cgroup:/a/**", "/a/b/c/d", true},
        {"cgroup:/a/**", "/ab", false},
        {"cgroup:/a/**/z", "/a/z", true},
        {"cgroup:/a/**/z", "/a/b/c/z", true},
        {"cgroup:/a/**/z", "/a/bz", false},
        {"cgroup:/a/**/z/*", "/a/z/b/z/q", true},
        {"cgroup:**/docker-*", "/x/y/docker-1", true},
        {"cgroup:**/docker-*", "/x/docker-1/y", false},
        {"cgroup:**", "/", true},
        {"cgroup:/**", "/", true},
        {"cgroup:/**", "/any/thing", true},
        {"cgroup:/a\\x2db", "/a\\x2db", true},
        {"cgroup:/a?b", "/axb", false},
        {"cgroup:/a?b", "/a?b", true},
        {"cgroup:/**/a*x/**/b", "/q/ax/ay/azx/c/b", true},
        {"cgroup:/A", "/a", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (cgroup_matches(cases[i].rule, cases[i].cgroup) != cases[i].matches)
            fail_msg("%s on %s", cases[i].rule, cases[i].cgroup);
}

static void hostile_names_do_not_take_forever(void **state)
{
    (void)state;
    char cgroup[4000];
    memset(cgroup, 'a', sizeof(cgroup) - 1);
    cgroup[0] = '/';
    cgroup[sizeof(cgroup) - 1] = '\0';
    assert_false(cgroup_matches("cgroup:/*a*a*a*a*a*a*a*a*a*a*a*a*b", cgroup));
    assert_false(cgroup_matches("cgroup:**a**a**a**a**a**a**a**a**b", cgroup));
}

static void the_last_match_wins(void **state)
{
    (void)state;
    const char *const texts[] = {"cgroup:/a/**", "!cgroup:/a/b/**", "cgroup:/a/b/c"};
    struct target_rules *rules = parse(texts, 3);
    assert_false(target_rules_selects_by_default(rules));
    assert_true(target_rules_match_cgroup(rules, "/a/x"));
    assert_false(target_rules_match_cgroup(rules, "/a/b/x"));
    assert_true(target_rules_match_cgroup(rules, "/a/b/c"));
    assert_false(target_rules_match_cgroup(rules, "/other"));
    target_rules_free(rules);
}

static void only_excluding_starts_from_everything(void **state)
{
    (void)state;
    const char *const texts[] = {"!cgroup:/a/**", "!comm:sh"};
    struct target_rules *rules = parse(texts, 2);
    assert_true(target_rules_selects_by_default(rules));
    assert_false(target_rules_is_empty(rules));
    assert_true(target_rules_match_cgroup(rules, "/b"));
    assert_false(target_rules_match_cgroup(rules, "/a/q"));
    assert_true(target_rules_match_process(rules, "/b", "bash", 1, 0));
    assert_false(target_rules_match_process(rules, "/b", "sh", 1, 0));
    target_rules_free(rules);
}

static void no_rule_selects_everything(void **state)
{
    (void)state;
    struct target_rules *rules = parse(NULL, 0);
    assert_true(target_rules_is_empty(rules));
    assert_true(target_rules_is_empty(NULL));
    assert_true(target_rules_match_cgroup(NULL, "/x"));
    assert_true(target_rules_match_process(rules, "/", "x", 1, 0));
    target_rules_free(rules);
}

static void processes_by_command_pid_user_and_cgroup(void **state)
{
    (void)state;
    assert_true(process_matches("comm:nginx*", "/", "nginx: worker", 5, 0));
    assert_true(process_matches("comm:*queue", "/", "UVM global/queue", 5, 0));
    assert_false(process_matches("comm:nginx", "/", "nginx2", 5, 0));
    assert_true(process_matches("pid:5", "/", "x", 5, 0));
    assert_false(process_matches("pid:5", "/", "x", 55, 0));
    assert_true(process_matches("user:root", "/", "x", 5, 0));
    assert_false(process_matches("user:root", "/", "x", 5, 1));
    assert_true(process_matches("user:54321", "/", "x", 5, 54321));
    assert_true(process_matches("cgroup:/a", "/a/b/c", "x", 5, 0));
    assert_true(process_matches("cgroup:/a/*", "/a/b/c", "x", 5, 0));
    assert_false(process_matches("cgroup:/a", "/ab", "x", 5, 0));
    assert_true(process_matches("cgroup:/", "/", "x", 5, 0));
    assert_false(process_matches("cgroup:/", "/a", "x", 5, 0));
    /* Rules on processes say nothing of cgroups. */
    assert_false(cgroup_matches("comm:x", "/a"));
}

static void rules_about_processes_do_not_fit_cgroups(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"cgroup:/**", NULL},
        {"comm:sh", " comm:..."},
        {"!pid:1", " pid:..."},
        {"user:0", " user:..."},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct target_rules *rules = NULL;
        struct error err = {0};
        const char *const texts[] = {"cgroup:/a", cases[i].text};
        assert_int_equal(target_rules_parse(&rules, texts, 2, NULL), 0);
        assert_int_equal(target_rules_fit_cgroups(rules, &err), cases[i].word ? -EINVAL : 0);
        if (cases[i].word)
            assert_non_null(strstr(err.text, cases[i].word));
        target_rules_free(rules);
    }
    assert_int_equal(target_rules_fit_cgroups(NULL, NULL), 0);
}

static void bad_rules_are_named(void **state)
{
    (void)state;
    const char *const bad[] = {"",           "!",
                               "nginx",      "cgroup:",
                               "!comm:",     "pid:-1",
                               "pid:0",      "pid:1x",
                               "pid: 1",     "pid:99999999999",
                               "Cgroup:/",   "cgroup:a/b",
                               "cgroup:*",   "uid:0",
                               "!!pid:1",    ":x",
                               "cgroup :/a", "user:no such user here",
                               "user:-1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct target_rules *rules = NULL;
        struct error err = {0};
        const char *const texts[] = {"cgroup:/fine", bad[i]};
        assert_int_equal(target_rules_parse(&rules, texts, 2, &err), -EINVAL);
        assert_null(rules);
        assert_non_null(strstr(err.text, bad[i]));
        assert_null(strstr(err.text, "fine"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(globs_respect_components),
        cmocka_unit_test(hostile_names_do_not_take_forever),
        cmocka_unit_test(the_last_match_wins),
        cmocka_unit_test(only_excluding_starts_from_everything),
        cmocka_unit_test(no_rule_selects_everything),
        cmocka_unit_test(processes_by_command_pid_user_and_cgroup),
        cmocka_unit_test(rules_about_processes_do_not_fit_cgroups),
        cmocka_unit_test(bad_rules_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
