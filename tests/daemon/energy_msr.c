/* SPDX-License-Identifier: BSD-3-Clause */
/* AMD's registers through real system calls: a file system in user space serves cpu/N/msr, where
 * the offset is the register's number, as the kernel's device does. (In a plain file AMD's
 * registers, one byte apart, would overlap.) Needs the right to mount FUSE; fails without. The
 * mount is in a folder of the test's own and goes with the process that serves it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define FUSE_USE_VERSION 31
#include <fuse.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>

#include "common/error.h"
#include "sensor/msr_device.h"
#include "sensor/source.h"
#include "tests/unit/made_tree.h"

#define CANNOT_RUN 77
#define N_CPUS 4 /* two cores of two threads */
#define UNIT_BITS 0xa1003

extern const struct source_ops source_msr;

static struct {
    pthread_mutex_t lock; /* of package and core: the server's thread reads them */
    uint32_t package, core[2];
} registers = {.lock = PTHREAD_MUTEX_INITIALIZER, .package = 10, .core = {0xfffffff0, 100}};

/* "/N/msr": N, else -1. */
static int cpu_of(const char *path)
{
    int cpu, end = 0;
    if (sscanf(path, "/%d/msr%n", &cpu, &end) != 1 || end == 0 || path[end] || cpu < 0 ||
        cpu >= N_CPUS)
        return -1;
    return cpu;
}

static int serve_getattr(const char *path, struct stat *status, struct fuse_file_info *file)
{
    int cpu, end = 0;
    (void)file;
    memset(status, 0, sizeof(*status));
    status->st_nlink = 1;
    status->st_mode = S_IFDIR | 0755;
    if (cpu_of(path) >= 0)
        status->st_mode = S_IFREG | 0600;
    else if (strcmp(path, "/") != 0 &&
             (sscanf(path, "/%d%n", &cpu, &end) != 1 || path[end] || cpu >= N_CPUS))
        return -ENOENT;
    return 0;
}

static int serve_open(const char *path, struct fuse_file_info *file)
{
    (void)path;
    file->direct_io = 1; /* the file has no size: without this nothing would be read */
    return 0;
}

static int serve_read(const char *path, char *bytes, size_t size, off_t offset,
                      struct fuse_file_info *file)
{
    int cpu = cpu_of(path);
    uint64_t value = UINT64_C(0xabcdef0100000000);
    (void)file;
    if (size != sizeof(value))
        return -EINVAL;
    (void)pthread_mutex_lock(&registers.lock);
    if (offset == 0xc0010299)
        value |= UNIT_BITS;
    else if (offset == 0xc001029a)
        value |= registers.core[cpu / 2];
    else if (offset == 0xc001029b)
        value |= registers.package;
    else
        value = 0;
    (void)pthread_mutex_unlock(&registers.lock);
    if (value == 0)
        return -EIO; /* no such register */
    memcpy(bytes, &value, sizeof(value));
    return sizeof(value);
}

static const struct fuse_operations operations = {
    .getattr = serve_getattr, .open = serve_open, .read = serve_read};

static struct made_tree tree;
static char mount_point[PATH_MAX];
static struct fuse *fuse;
static pthread_t server;

static void *serve(void *context)
{
    (void)context;
    (void)fuse_loop(fuse);
    return NULL;
}

static bool mount_devices(void)
{
    char *words[] = {"energy_msr", NULL};
    struct fuse_args arguments = FUSE_ARGS_INIT(1, words);
    made_tree_mkdir(&tree, "dev/cpu");
    made_tree_path(&tree, "dev/cpu", mount_point);
    if (access("/dev/fuse", R_OK | W_OK) < 0 || unshare(CLONE_NEWNS) < 0)
        return false;
    /* EINVAL: "/" is no mount but a folder, in a chroot; what is mounted here is unmounted here. */
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 && errno != EINVAL)
        return false;
    fuse = fuse_new(&arguments, &operations, sizeof(operations), NULL);
    fuse_opt_free_args(&arguments);
    if (fuse && fuse_mount(fuse, mount_point) == 0) {
        if (pthread_create(&server, NULL, serve, NULL) == 0)
            return true;
        fuse_unmount(fuse);
    }
    if (fuse)
        fuse_destroy(fuse);
    return false;
}

static void unmount_devices(void)
{
    fuse_exit(fuse);
    fuse_unmount(fuse); /* wakes the loop, too */
    (void)pthread_join(server, NULL);
    fuse_destroy(fuse);
}

static void put_machine(void)
{
    made_tree_write(&tree, "proc/cpuinfo",
                    "processor : 0\nvendor_id : AuthenticAMD\ncpu family : 25\nmodel : 17\n");
    made_tree_write(&tree, "sys/devices/system/cpu/online", "0-3\n");
    for (int cpu = 0; cpu < N_CPUS; cpu++) {
        char path[96];
        (void)snprintf(path, sizeof(path),
                       "sys/devices/system/cpu/cpu%d/topology/physical_package_id", cpu);
        made_tree_write(&tree, path, "0\n");
        (void)snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/topology/core_id", cpu);
        made_tree_write(&tree, path, cpu < 2 ? "0\n" : "1\n");
    }
}

static void count(uint32_t package, uint32_t core)
{
    (void)pthread_mutex_lock(&registers.lock);
    registers.package += package;
    registers.core[0] += core;
    registers.core[1] += core;
    (void)pthread_mutex_unlock(&registers.lock);
}

static const struct energy_sample *sample_of(const struct report *report, enum domain domain)
{
    for (size_t i = 0; i < report->n_energy; i++) {
        if (report->energy[i].domain == domain)
            return &report->energy[i];
    }
    fail_msg("no sample of %s", domain_name(domain));
    return NULL;
}

static void registers_are_read_through_the_device(void **state)
{
    (void)state;
    char sysfs[96], procfs[96], devfs[96];
    struct host host = {.sysfs = sysfs, .procfs = procfs, .devfs = devfs, .clock = &clock_system};
    struct topology topology;
    struct source *source = NULL;
    struct source_probe probe;
    struct report report;
    struct error err = {0};
    (void)snprintf(sysfs, sizeof(sysfs), "%s/sys", tree.root);
    (void)snprintf(procfs, sizeof(procfs), "%s/proc", tree.root);
    (void)snprintf(devfs, sizeof(devfs), "%s/dev", tree.root);
    put_machine();
    assert_int_equal(topology_read(&topology, &host, &err), 0);
    source_msr.probe(&host, &topology, NULL, &probe);
    if (probe.availability != SOURCE_USABLE)
        fail_msg("%s", probe.reason);
    assert_int_equal(probe.domains, DOMAIN_BIT(DOMAIN_PACKAGE) | DOMAIN_BIT(DOMAIN_CORE));
    if (source_msr.open(&source, &host, &topology, NULL, &err) < 0)
        fail_msg("%s", err.text);
    report_init(&report);
    for (int i = 0; i < 3; i++) {
        uint64_t end_ns = clock_monotonic_ns(&clock_system) + 20 * NS_PER_MS;
        count(65536, 32768); /* 1 J, and 0.5 J in each core */
        while (clock_monotonic_ns(&clock_system) < end_ns)
            ;
        report_clear(&report);
        assert_int_equal(source_msr.read(source, &topology, &report), 0);
        assert_int_equal(report.n_energy, 2);
        assert_int_equal(sample_of(&report, DOMAIN_PACKAGE)->energy_uj, 1000000);
        assert_int_equal(sample_of(&report, DOMAIN_CORE)->energy_uj, 1000000);
    }
    source_msr.close(source);
    report_deinit(&report);
    topology_deinit(&topology);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_are_read_through_the_device),
    };
    made_tree_new(&tree);
    if (!mount_devices()) {
        (void)fprintf(stderr, "cannot run: FUSE cannot be mounted here\n");
        made_tree_remove(&tree, "");
        return CANNOT_RUN;
    }
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    unmount_devices();
    made_tree_remove(&tree, "");
    return n_failed;
}
