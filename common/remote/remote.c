/* SPDX-License-Identifier: BSD-3-Clause */
/* The remote stores of a build with libmongoc, and the driver's own needs: its messages go through
 * our log. */
#include "common/remote/remote.h"

#include <stdio.h>
#include <unistd.h>
#include <mongoc/mongoc.h>
#include <sys/mman.h>

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

/* The driver keeps statistics for its own tool in a shared memory file per process, made when the
 * library is loaded where it was built so. A killed process would leave it behind, so it loses its
 * name at once. */
static void forget_statistics(void)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "/mongoc-%u", (unsigned)getpid());
    (void)shm_unlink(name);
}

void remote_init(const struct log *log)
{
    mongoc_init();
    forget_statistics();
    mongoc_log_set_handler(driver_talks, (void *)log);
}

void remote_cleanup(void)
{
    mongoc_log_set_handler(NULL, NULL);
    mongoc_cleanup();
}
