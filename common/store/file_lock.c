/* SPDX-License-Identifier: BSD-3-Clause */
/* Open-file-description locks: unlike POSIX record locks they hold between two handles of one
 * process too and do not vanish when some other descriptor of the file is closed. They do not tell
 * who holds them, hence the pid as text. */
#include "common/store/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/scope.h"

/* 0, -EBUSY or another errno. */
static int try_lock(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

int file_lock(int fd, const char *path, struct error *err)
{
    int r = try_lock(fd);
    if (r == -EBUSY)
        return error_set(
            err, r, "%s: another program is writing it: stop that one or choose another", path);
    return r < 0 ? error_set(err, r, "%s: cannot be locked: %s", path, strerror(-r)) : 0;
}

static void read_holder(int fd, char pid[static 16])
{
    ssize_t n = pread(fd, pid, 15, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
}

static int refuse(int fd, const char *path, struct error *err)
{
    char pid[16];
    read_holder(fd, pid);
    return error_set(err, -EBUSY, "%s: %s%s is writing it: stop that one or choose another folder",
                     path, pid[0] ? "process " : "another program", pid);
}

int file_lock_open(const char *lock_path, const char *path, int *ret_fd, struct error *err)
{
    SCOPED(scope_close)
    int fd = open(lock_path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0)
        return error_set(err, -errno, "%s: %s: check the folder's owner and permissions", lock_path,
                         strerror(errno));
    int r = try_lock(fd);
    if (r == -EBUSY)
        return refuse(fd, path, err);
    if (r < 0)
        return error_set(err, r, "%s: cannot be locked: %s", lock_path, strerror(-r));
    char pid[16];
    int length = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    /* On a full disk the lock still holds, only its holder stays unnamed. */
    if (ftruncate(fd, 0) == 0)
        (void)!pwrite(fd, pid, (size_t)length, 0);
    *ret_fd = STEAL_FD(fd);
    return 0;
}

/* The pid of a holder before stands there until the new one has written its own. */
bool file_lock_is_held(const char *lock_path, pid_t *ret_pid)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char text[16];
    SCOPED(scope_close) int fd = open(lock_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
        return false;
    read_holder(fd, text);
    pid_t pid = (pid_t)strtol(text, NULL, 10);
    if (pid <= 0 || (kill(pid, 0) < 0 && errno == ESRCH))
        return false;
    *ret_pid = pid;
    return true;
}

void file_lock_await(const char *lock_path)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    SCOPED(scope_close) int fd = open(lock_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    while (fd >= 0 && fcntl(fd, F_OFD_SETLKW, &lock) < 0 && errno == EINTR)
        ;
}
