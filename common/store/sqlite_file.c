/* SPDX-License-Identifier: BSD-3-Clause */
/* The write-ahead log and its index stay beside the file when it is closed (persist WAL): a reader
 * who may not write to the folder could not make them. Files are created by us before SQLite sees
 * them, because it would make them readable by all; SQLite gives its side files the same mode. */
#include "common/store/sqlite_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/scope.h"
#include "common/store/file_lock.h"

#define WRITER_BUSY_MS \
    50 /* sampling never waits: beyond this the tick stays in the caller's ring */
#define READER_BUSY_MS 1000

static const char schema_sql[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE record("
    " position INTEGER PRIMARY KEY AUTOINCREMENT," /* never used twice, whatever was forgotten */
    " id TEXT UNIQUE,"
    " kind TEXT NOT NULL, sensor TEXT NOT NULL, run TEXT NOT NULL, seq INTEGER NOT NULL,"
    " timestamp_ms INTEGER NOT NULL, label TEXT NOT NULL, body BLOB NOT NULL);"
    "CREATE INDEX record_time ON record(timestamp_ms);"
    "CREATE INDEX record_identity ON record(position) WHERE kind IN ('host', 'target');"
    "CREATE TABLE store(origin TEXT NOT NULL);"
    "INSERT INTO store VALUES (lower(hex(randomblob(8))));"
    "PRAGMA application_id = 1463899220;"
    "PRAGMA user_version = 1;"
    "COMMIT;";
static_assert(SQLITE_APPLICATION_ID == 1463899220 && SQLITE_SCHEMA_VERSION == 1,
              "schema_sql says so");

void sqlite_file_init(struct sqlite_file *file)
{
    *file = (struct sqlite_file){.lock_fd = -1};
}

int sqlite_file_set_path(struct sqlite_file *file, const char *directory, const char *name)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", directory, name) < 0)
        return -ENOMEM;
    free(file->path);
    file->path = path;
    return 0;
}

void sqlite_file_close(struct sqlite_file *file)
{
    if (file->db)
        (void)sqlite3_close_v2(file->db);
    file->db = NULL;
    if (file->lock_fd >= 0)
        (void)close(file->lock_fd);
    file->lock_fd = -1;
}

void sqlite_file_deinit(struct sqlite_file *file)
{
    if (file->db || file->path)
        sqlite_file_close(file);
    free(file->path);
    file->path = NULL;
}

/* The group is looked up in the local file alone: system groups are there, and the name services
 * would open sockets. */
static int find_group(const char *name, gid_t *ret_gid)
{
    SCOPED(scope_fclose) FILE *stream = fopen("/etc/group", "re");
    char text[4096];
    struct group group, *found = NULL;
    while (stream && fgetgrent_r(stream, &group, text, sizeof(text), &found) != ENOENT)
        if (found && strcmp(group.gr_name, name) == 0) {
            *ret_gid = group.gr_gid;
            return 0;
        }
    return -ENOENT;
}

/* Best effort: whoever is not a member of the group keeps his own. */
static void give_to_group(const char *path)
{
    gid_t gid;
    if (find_group("wattribute", &gid) == 0)
        (void)!chown(path, (uid_t)-1, gid);
}

static void give_side_files_to_group(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        char *name = NULL;
        if (asprintf(&name, "%s%s", path, suffixes[i]) < 0)
            return;
        give_to_group(name);
        free(name);
    }
}

static int make_folder(const char *path, struct error *err)
{
    if (mkdir(path, 0750) < 0) {
        if (errno == EEXIST)
            return 0;
        return error_set(err, -errno, "%s: cannot be made: %s", path, strerror(errno));
    }
    give_to_group(path);
    return 0;
}

int sqlite_folder_make(const char *directory, struct error *err)
{
    struct stat status;
    if (stat(directory, &status) == 0)
        return S_ISDIR(status.st_mode)
                   ? 0
                   : error_set(err, -ENOTDIR, "%s: is no folder: name the folder for the files",
                               directory);
    SCOPED(scope_free) char *path = strdup(directory);
    if (!path)
        return error_set(err, -ENOMEM, "%s: out of memory", directory);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int r = make_folder(path, err);
        if (r < 0)
            return r;
        *slash = '/';
    }
    int r = make_folder(path, err);
    if (r == 0)
        (void)!chmod(path, 0750);
    return r;
}

static int full(const struct sqlite_file *file, int code, struct error *err)
{
    return error_set(err, code, "%s: no room (%s): free some space, or set a smaller max-size",
                     file->path, strerror(-code));
}

/* A COMMIT that fails leaves no system error behind in SQLite, only errno. */
static int io_error(const struct sqlite_file *file, int rc, struct error *err)
{
    int errno_now = errno;
    int code = file->db ? -sqlite3_system_errno(file->db) : 0;
    if (code == 0)
        code = -errno_now;
    if (code == -ENOSPC || code == -EFBIG || code == -EDQUOT)
        return full(file, code, err);
    const char *why = code < 0 ? strerror(-code) : sqlite3_errstr(rc);
    return error_set(err, code < 0 ? code : -EIO, "%s: %s: check the disk", file->path, why);
}

static int damaged(const struct sqlite_file *file, int rc, struct error *err)
{
    return error_set(err, -EBADMSG,
                     "%s: damaged (%s): move it away, or rescue what it holds with: "
                     "sqlite3 %s .recover",
                     file->path, sqlite3_errstr(rc), file->path);
}

static int cannot_open(const struct sqlite_file *file, int rc, struct error *err)
{
    int code = file->db ? -sqlite3_system_errno(file->db) : 0;
    if (code == 0 || code == -ENOENT)
        code = -EACCES;
    return error_set(err, code,
                     "%s: %s: check the owner and permissions of the file and its folder",
                     file->path, code < 0 ? strerror(-code) : sqlite3_errstr(rc));
}

int sqlite_file_error(const struct sqlite_file *file, int rc, struct error *err)
{
    switch (rc & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return damaged(file, rc, err);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return error_set(err, -EBUSY, "%s: busy: another program is writing it", file->path);
    case SQLITE_FULL:
        return full(file, -ENOSPC, err);
    case SQLITE_IOERR:
        return io_error(file, rc, err);
    case SQLITE_READONLY:
        return error_set(err, -EROFS, "%s: read-only: check its permissions and the mount",
                         file->path);
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return cannot_open(file, rc, err);
    case SQLITE_NOMEM:
        return error_set(err, -ENOMEM, "%s: out of memory", file->path);
    default:
        return error_set(err, -EIO, "%s: %s", file->path,
                         file->db ? sqlite3_errmsg(file->db) : sqlite3_errstr(rc));
    }
}

int sqlite_file_prepare(const struct sqlite_file *file, const char *sql,
                        sqlite3_stmt **ret_statement, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v3(file->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    if (rc == SQLITE_ERROR) /* our own text against a schema that is not what it says it is */
        return error_set(err, -EBADMSG, "%s: not as we made it (%s): move it away", file->path,
                         sqlite3_errmsg(file->db));
    if (rc != SQLITE_OK)
        return sqlite_file_error(file, rc, err);
    *ret_statement = statement;
    return 0;
}

int sqlite_file_exec(const struct sqlite_file *file, const char *sql, struct error *err)
{
    errno = 0;
    int rc = sqlite3_exec(file->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : sqlite_file_error(file, rc, err);
}

int sqlite_file_run(const struct sqlite_file *file, sqlite3_stmt *statement, struct error *err)
{
    errno = 0;
    int rc = sqlite3_step(statement);
    int r = rc == SQLITE_DONE ? 0 : sqlite_file_error(file, rc, err);
    (void)sqlite3_reset(statement);
    return r;
}

int sqlite_file_int64(const struct sqlite_file *file, sqlite3_stmt *statement, int64_t fallback,
                      int64_t *ret_value, struct error *err)
{
    int rc = sqlite3_step(statement);
    bool has_value = rc == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL;
    int64_t value = has_value ? sqlite3_column_int64(statement, 0) : fallback;
    (void)sqlite3_reset(statement);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return sqlite_file_error(file, rc, err);
    *ret_value = value;
    return 0;
}

static int ask(const struct sqlite_file *file, const char *sql, int64_t *ret_value,
               struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int r = sqlite_file_prepare(file, sql, &statement, err);
    if (r == 0)
        r = sqlite_file_int64(file, statement, 0, ret_value, err);
    (void)sqlite3_finalize(statement);
    return r;
}

struct identity {
    int64_t application_id, version, n_tables;
};

/* In one snapshot: another program may be making the file at this moment. */
static int read_identity(const struct sqlite_file *file, struct identity *identity,
                         struct error *err)
{
    int r = sqlite_file_exec(file, "BEGIN", err);
    if (r == 0)
        r = ask(file, "PRAGMA application_id", &identity->application_id, err);
    if (r == 0)
        r = ask(file, "PRAGMA user_version", &identity->version, err);
    if (r == 0)
        r = ask(file, "SELECT count(*) FROM sqlite_schema", &identity->n_tables, err);
    if (r == 0)
        r = sqlite_file_exec(file, "COMMIT", err);
    return r;
}

/* 0 for a file of ours, SQLITE_FILE_ABSENT for one without any content, an error for all others. */
static int check_identity(const struct sqlite_file *file, struct error *err)
{
    struct identity identity = {0};
    int r = read_identity(file, &identity, err);
    if (r < 0)
        return r;
    if (identity.application_id == 0 && identity.version == 0 && identity.n_tables == 0)
        return SQLITE_FILE_ABSENT;
    if (identity.application_id != SQLITE_APPLICATION_ID)
        return error_set(err, -EBADMSG, "%s: some other program's database: choose another folder",
                         file->path);
    if (identity.version > SQLITE_SCHEMA_VERSION)
        return error_set(err, -EPROTO,
                         "%s: written by a newer version (schema %" PRId64
                         ", known is %d): upgrade this program",
                         file->path, identity.version, SQLITE_SCHEMA_VERSION);
    return 0;
}

static int read_origin(struct sqlite_file *file, struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int r = sqlite_file_prepare(file, "SELECT origin FROM store", &statement, err);
    if (r < 0)
        return r;
    int rc = sqlite3_step(statement);
    const unsigned char *text = rc == SQLITE_ROW ? sqlite3_column_text(statement, 0) : NULL;
    (void)snprintf(file->origin, sizeof(file->origin), "%s", text ? (const char *)text : "");
    (void)sqlite3_finalize(statement);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return sqlite_file_error(file, rc, err);
    if (strlen(file->origin) != ORIGIN_SIZE - 1 ||
        strspn(file->origin, "0123456789abcdef") != ORIGIN_SIZE - 1)
        return damaged(file, SQLITE_CORRUPT, err);
    return 0;
}

static int note_inode(struct sqlite_file *file, struct error *err)
{
    struct stat status;
    if (stat(file->path, &status) < 0)
        return error_set(err, -errno, "%s: %s", file->path, strerror(errno));
    file->device = status.st_dev;
    file->inode = status.st_ino;
    return 0;
}

bool sqlite_file_is_current(const struct sqlite_file *file)
{
    struct stat status;
    return stat(file->path, &status) == 0 && status.st_dev == file->device &&
           status.st_ino == file->inode;
}

static int open_database(struct sqlite_file *file, int flags, int busy_ms, struct error *err)
{
    flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(file->path, &file->db, flags, NULL);
    if (rc != SQLITE_OK)
        return sqlite_file_error(file, rc, err);
    int keep = 1;
    (void)sqlite3_busy_timeout(file->db, busy_ms);
    (void)sqlite3_db_config(file->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(file->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_file_control(file->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
    return 0;
}

int sqlite_file_open_read(struct sqlite_file *file, struct error *err)
{
    struct stat status;
    if (stat(file->path, &status) < 0) {
        if (errno == ENOENT)
            return SQLITE_FILE_ABSENT;
        return error_set(err, -errno, "%s: %s", file->path, strerror(errno));
    }
    if (status.st_size == 0)
        return SQLITE_FILE_ABSENT;
    int r = open_database(file, SQLITE_OPEN_READONLY, READER_BUSY_MS, err);
    if (r == 0)
        r = note_inode(file, err);
    if (r == 0)
        r = check_identity(file, err);
    if (r == 0)
        r = read_origin(file, err);
    if (r != 0)
        sqlite_file_close(file);
    return r;
}

static int create_file(const struct sqlite_file *file, struct error *err)
{
    SCOPED(scope_close) int fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0 && errno != EEXIST)
        return error_set(err, -errno, "%s: cannot be made: %s: check the folder's owner and mode",
                         file->path, strerror(errno));
    if (fd >= 0)
        (void)!fchmod(fd, 0640); /* whatever the umask: the group is meant to read */
    return 0;
}

static int lock_for_writing(struct sqlite_file *file, struct error *err)
{
    SCOPED(scope_free) char *lock_path = NULL;
    size_t stem = strlen(file->path) - strlen(".db");
    if (asprintf(&lock_path, "%.*s.lock", (int)stem, file->path) < 0) {
        lock_path = NULL;
        return error_set(err, -ENOMEM, "%s: out of memory", file->path);
    }
    int r = file_lock_open(lock_path, file->path, &file->lock_fd, err);
    if (r == 0)
        give_to_group(lock_path);
    return r;
}

static int prepare_for_writing(struct sqlite_file *file, struct error *err)
{
    int r = check_identity(file, err);
    if (r < 0)
        return r;
    bool is_new = r == SQLITE_FILE_ABSENT;
    r = sqlite_file_exec(file,
                         "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                         "PRAGMA secure_delete = OFF; PRAGMA journal_size_limit = 16777216;",
                         err);
    if (r == 0 && is_new)
        r = sqlite_file_exec(file, schema_sql, err);
    return r;
}

int sqlite_file_open_write(struct sqlite_file *file, struct error *err)
{
    int r = lock_for_writing(file, err);
    if (r == 0)
        r = create_file(file, err);
    if (r == 0)
        r = open_database(file, SQLITE_OPEN_READWRITE, WRITER_BUSY_MS, err);
    if (r == 0)
        r = prepare_for_writing(file, err);
    if (r == 0)
        r = note_inode(file, err);
    if (r == 0)
        r = read_origin(file, err);
    if (r < 0) {
        sqlite_file_close(file);
        return r;
    }
    give_side_files_to_group(file->path);
    return 0;
}
