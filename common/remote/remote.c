/* SPDX-License-Identifier: BSD-3-Clause */
/* The remote stores of a build with libmongoc, and the driver's own needs: its messages go through
 * our log. */
#include "common/remote/remote.h"

#include <stdlib.h>
#include <mongoc/mongoc.h>

#include "common/log.h"
#include "common/remote/mongodb_store.h"

const struct store_ops *const store_table_remote[] = {&store_mongodb, NULL};

/* Called from the driver's own threads too; log_print writes a line with one call. What fails comes
 * back as an error where it matters, so the driver's talk is for the curious. */
static void driver_talks(mongoc_log_level_t level, const char *domain, const char *message,
                         void *context)
{
    if (level <= MONGOC_LOG_LEVEL_CRITICAL)
        log_warning(context, "%s: %s", domain, message);
    else
        log_debug(context, "%s: %s", domain, message);
}

/* The driver would keep statistics in a shared memory file per process, and a killed process leaves
 * its file behind. */
void remote_init(const struct log *log)
{
    (void)setenv("MONGOC_DISABLE_SHM", "1", 0);
    mongoc_init();
    mongoc_log_set_handler(driver_talks, (void *)log);
}

void remote_cleanup(void)
{
    mongoc_log_set_handler(NULL, NULL);
    mongoc_cleanup();
}
