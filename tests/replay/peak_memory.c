/* SPDX-License-Identifier: BSD-3-Clause */
/* peak_memory FILE COMMAND...: runs it and writes its largest resident set in kB to FILE. A program
 * of its own, because a child's peak begins with the size of what started it. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct rusage usage;
    int status;
    if (argc < 3)
        return 64;
    pid_t pid = fork();
    if (pid == 0) {
        (void)execv(argv[2], argv + 2);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &usage) < 0)
        return 71;
    FILE *file = fopen(argv[1], "we");
    if (!file || fprintf(file, "%ld\n", usage.ru_maxrss) < 0 || fclose(file) != 0)
        return 74;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
