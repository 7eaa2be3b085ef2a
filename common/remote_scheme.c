/* SPDX-License-Identifier: BSD-3-Clause */
/* Apart from common/remote so that watt-sensor can tell a remote store without linking one. */
#include "common/remote_scheme.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "common/scope.h"

bool uri_is_remote(const char *uri_text)
{
    static const char *const prefixes[] = {"mongodb://", "mongodb+srv://"};
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        if (strncasecmp(uri_text, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

bool uri_has_host(const char *uri_text)
{
    const char *authority = strstr(uri_text, "//");
    if (!authority)
        return false;
    authority += strlen("//");
    size_t length = strcspn(authority, "/?");
    const char *user = memrchr(authority, '@', length);
    return user ? user + 1 < authority + length : length > 0;
}
