/* SPDX-License-Identifier: BSD-3-Clause */
/* A name may hold ':' and '=', so the domain ends at the first ':' only before a name that begins
 * as a cgroup does, and the watts begin behind the last '='. */
#include "cli/solo.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"

static int parse_domain(const char **text, enum domain *ret_domain, struct error *err)
{
    char name[WORD_SIZE];
    size_t size = strcspn(*text, ":/=");
    *ret_domain = DOMAIN_PACKAGE;
    if ((*text)[size] != ':')
        return 0;
    (void)snprintf(name, sizeof(name), "%.*s", (int)(size < sizeof(name) ? size : 0), *text);
    if (domain_parse(name, ret_domain) < 0 || !domain_is_attributed(*ret_domain))
        return error_set(err, -EINVAL, "--solo %s: no domain with targets is called '%.*s'", *text,
                         (int)size, *text);
    *text += size + 1;
    return 0;
}

int solo_parse(const char *text, struct solo *ret_solo, struct error *err)
{
    const char *name = text, *equals = strrchr(text, '=');
    struct solo solo = {0};
    int r = parse_domain(&name, &solo.domain, err);
    if (r < 0)
        return r;
    char *end = NULL;
    solo.watts = equals ? strtod(equals + 1, &end) : NAN;
    if (!equals || equals <= name || end == equals + 1 || *end != '\0' || !isfinite(solo.watts) ||
        solo.watts < 0)
        return error_set(err, -EINVAL,
                         "--solo %s: TARGET=WATTS or DOMAIN:TARGET=WATTS is needed, watts not "
                         "negative",
                         text);
    solo.target = name;
    solo.target_size = (size_t)(equals - name);
    *ret_solo = solo;
    return 0;
}

int solo_add_truth(struct score *score, const struct solo *solos, size_t n,
                   const struct record_key *key, enum domain domain, int32_t package, int64_t dt_ns)
{
    struct power_record truth;
    int r = 0;
    power_record_init(&truth);
    truth.key = *key;
    truth.dt_ns = dt_ns;
    for (size_t i = 0; i < n && r >= 0; i++) {
        struct power_row *row;
        if (solos[i].domain != domain)
            continue;
        r = power_record_add_target(&truth, &row);
        char *name = r < 0 ? NULL : strndup(solos[i].target, solos[i].target_size);
        if (!name) {
            truth.n_targets -= r >= 0;
            r = -ENOMEM;
            break;
        }
        row->target = name;
        row->domain = domain;
        row->package = package;
        row->dynamic_w = solos[i].watts;
    }
    if (r >= 0 && truth.n_targets > 0)
        r = score_add_truth(score, &truth);
    for (size_t i = 0; i < truth.n_targets; i++)
        free((char *)truth.targets[i].target);
    power_record_deinit(&truth);
    return r;
}
