/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/error.h"

int signals_open(const int *wanted, size_t n_wanted, struct error *err)
{
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < n_wanted; i++) {
        struct sigaction action;
        if (sigaction(wanted[i], NULL, &action) == 0 &&
            (wanted[i] != SIGHUP || action.sa_handler != SIG_IGN))
            (void)sigaddset(&set, wanted[i]);
    }
    int signals = -1;
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
        signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return signals < 0 ? error_set(err, -errno, "signalfd: %s", strerror(errno)) : signals;
}

int signals_next(int signals, bool *ret_is_group)
{
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return 0;
    if (ret_is_group)
        *ret_is_group = info.ssi_code == SI_KERNEL;
    return (int)info.ssi_signo;
}
