/* SPDX-License-Identifier: BSD-3-Clause */
/* The shapes of paths that container engines, Kubernetes, systemd, libvirt and others make, and
 * some that only look like them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "sensor/target_name.h"

#define ID "4f5c2a9e1b770123456789abcdef0123456789abcdef0123456789abcdef0123"
#define ID2 "aa11223344556677889900aabbccddeeff00112233445566778899aabbccddee"
#define UID "0a1b2c3d-1111-2222-3333-444455556666"
#define STATIC_UID "0a1b2c3d111122223333444455556666"
#define UID_ "0a1b2c3d_1111_2222_3333_444455556666"

static const struct {
    const char *cgroup, *kind, *name, *container, *unit, *pod;
} cases[] = {
    {"/", "cgroup", "/", "", "", ""},
    {"", "cgroup", "/", "", "", ""},
    {"/a/plain", "cgroup", "plain", "", "", ""},
    {"/docker/" ID, "container", "docker 4f5c2a9e1b77", ID, "", ""},
    {"/docker/" ID "/init", "container", "docker 4f5c2a9e1b77", ID, "", ""},
    {"/system.slice/docker-" ID ".scope", "container", "docker 4f5c2a9e1b77", ID,
     "docker-" ID ".scope", ""},
    {"/system.slice/docker-4f5c.scope", "unit", "docker-4f5c.scope", "", "docker-4f5c.scope", ""},
    {"/user.slice/user-5.slice/user@5.service/user.slice/libpod-" ID ".scope/container",
     "container", "podman 4f5c2a9e1b77", ID, "libpod-" ID ".scope", ""},
    {"/machine.slice/libpod-conmon-" ID ".scope", "unit", "libpod-conmon-" ID ".scope", "",
     "libpod-conmon-" ID ".scope", ""},
    {"/kubepods/burstable/pod" UID "/" ID, "container", "pod 4f5c2a9e1b77", ID, "", UID},
    {"/kubepods/besteffort/pod" UID, "pod", "pod " UID, "", "", UID},
    {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
     ".slice/cri-containerd-" ID ".scope",
     "container", "containerd 4f5c2a9e1b77", ID, "cri-containerd-" ID ".scope", UID},
    {"/kubepods.slice/kubepods-pod" UID_ ".slice", "pod", "pod " UID, "", "", UID},
    {"/kubepods.slice/kubepods-pod123.slice", "slice", "kubepods-pod123.slice", "", "", ""},
    {"/lxc.payload.web1/system.slice/x.service", "container", "lxc web1", "web1", "x.service", ""},
    {"/lxc/104/ns", "container", "lxc 104", "104", "", ""},
    {"/machine.slice/machine-qemu\\x2d3\\x2dmy\\x2dvm.scope/libvirt/vcpu0", "vm", "vm my-vm", "",
     "machine-qemu\\x2d3\\x2dmy\\x2dvm.scope", ""},
    {"/machine/qemu-2-web.libvirt-qemu", "vm", "vm web", "", "", ""},
    {"/machine/qemu--web.libvirt-qemu", "cgroup", "qemu--web.libvirt-qemu", "", "", ""},
    {"/qemu.slice/104.scope", "vm", "vm 104", "", "104.scope", ""},
    {"/qemu.slice/x.scope", "unit", "x.scope", "", "x.scope", ""},
    {"/machine.slice/systemd-nspawn@deb.service/payload", "container", "nspawn deb", "deb",
     "systemd-nspawn@deb.service", ""},
    {"/system.slice/nginx.service", "unit", "nginx.service", "", "nginx.service", ""},
    {"/system.slice/nginx.service/worker", "unit", "nginx.service", "", "nginx.service", ""},
    {"/system.slice", "slice", "system.slice", "", "", ""},
    {"/system.slice/odd", "cgroup", "odd", "", "", ""},
    {"/user.slice/user-1000.slice/session-3.scope", "session", "session 3", "", "session-3.scope",
     ""},
    {"/system.slice/slurmstepd.scope/job_12/step_0/user/task_0", "unit", "slurm job 12 step 0", "",
     "slurmstepd.scope", ""},
    {"/slurm/uid_1000/job_7", "unit", "slurm job 7", "", "", ""},
    {"/mine/job_7", "cgroup", "job_7", "", "", ""},
    {"/.service", "cgroup", ".service", "", "", ""},
    {"/pod", "cgroup", "pod", "", "", ""},
    {"/user.slice/user-7.slice/user@7.service/user.slice/docker-" ID ".scope", "container",
     "docker 4f5c2a9e1b77", ID, "docker-" ID ".scope", ""},
    {"/docker/" ID2 "/kubelet-kubepods.slice/kubelet-kubepods-pod" UID_ ".slice/cri-containerd-" ID
     ".scope",
     "container", "containerd 4f5c2a9e1b77", ID, "cri-containerd-" ID ".scope", UID},
    {"/system.slice/crio-conmon-" ID ".scope", "unit", "crio-conmon-" ID ".scope", "",
     "crio-conmon-" ID ".scope", ""},
    {"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_ ".slice/crio-" ID
     ".scope",
     "container", "cri-o 4f5c2a9e1b77", ID, "crio-" ID ".scope", UID},
    {"/default/redis-7", "container", "containerd redis-7", "redis-7", "", ""},
    {"/k8s.io/" ID, "container", "container 4f5c2a9e1b77", ID, "", ""},
    {"/a/default/redis-7", "cgroup", "redis-7", "", "", ""},
    {"/libpod_parent/libpod-" ID, "container", "podman 4f5c2a9e1b77", ID, "", ""},
    {"/machine.slice/machine-libpod_pod_" ID2 ".slice/libpod-" ID ".scope", "container",
     "podman 4f5c2a9e1b77", ID, "libpod-" ID ".scope", ID2},
    {"/lxc.monitor.web1", "cgroup", "lxc.monitor.web1", "", "", ""},
    {"/libvirt/qemu/web", "vm", "vm web", "", "", ""},
    {"/system/web.qemu.libvirt", "vm", "vm web", "", "", ""},
    {"/nomad.slice/share.slice/5f3a.web.scope", "container", "nomad 5f3a.web", "5f3a.web",
     "5f3a.web.scope", ""},
    {"/ecs/task1/" ID, "container", "container 4f5c2a9e1b77", ID, "", ""},
    {"/ecs/task1/task1-42", "container", "ecs task1-42", "task1-42", "", ""},
    {"/slurm_node3/uid_1000/job_7/step_batch", "unit", "slurm job 7 step batch", "", "", ""},
    {"/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope", "unit", "app-x.scope",
     "", "app-x.scope", ""},
    {"/system.slice/system-getty.slice/getty@tty1.service", "unit", "getty@tty1.service", "",
     "getty@tty1.service", ""},
    {"/bad\xff\n%", "cgroup", "bad%FF%0A%25", "", "", ""},
    /* guaranteed pods have no level of quality, static pods no dashes; a pause container is one as
     * any other */
    {"/kubepods/pod" UID "/" ID, "container", "pod 4f5c2a9e1b77", ID, "", UID},
    {"/kubepods/burstable/pod" STATIC_UID "/" ID2, "container", "pod aa1122334455", ID2, "",
     STATIC_UID},
    {"/kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID2 ".scope", "container",
     "containerd aa1122334455", ID2, "cri-containerd-" ID2 ".scope", UID},
    {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" STATIC_UID
     ".slice/docker-" ID ".scope",
     "container", "docker 4f5c2a9e1b77", ID, "docker-" ID ".scope", STATIC_UID},
    {"/kubepods.slice/kubepods-burstable.slice", "slice", "kubepods-burstable.slice", "", "", ""},
    {"/kubepods/burstable", "cgroup", "burstable", "", "", ""},
    /* a cluster in a container: the last one is the workload, the node is what its own units are in
     */
    {"/docker/" ID2 "/kubelet/kubepods/burstable/pod" UID "/" ID, "container", "pod 4f5c2a9e1b77",
     ID, "", UID},
    {"/docker/" ID2 "/kubepods/besteffort/pod" UID "/" ID, "container", "pod 4f5c2a9e1b77", ID, "",
     UID},
    {"/system.slice/docker-" ID2
     ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
     "kubelet-kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID ".scope",
     "container", "containerd 4f5c2a9e1b77", ID, "cri-containerd-" ID ".scope", UID},
    {"/docker/" ID2 "/system.slice/containerd.service", "container", "docker aa1122334455", ID2,
     "containerd.service", ""},
    {"/moby/" ID, "container", "container 4f5c2a9e1b77", ID, "", ""},
    {"/moby/any name", "container", "containerd any name", "any name", "", ""},
    {"/machine.slice/libpod-" ID ".scope", "container", "podman 4f5c2a9e1b77", ID,
     "libpod-" ID ".scope", ""},
    {"/machine.slice/libpod-" ID ".scope/container", "container", "podman 4f5c2a9e1b77", ID,
     "libpod-" ID ".scope", ""},
    {"/user.slice/user-5.slice/user@5.service/user.slice/user-libpod_pod_" ID2 ".slice/libpod-" ID
     ".scope",
     "container", "podman 4f5c2a9e1b77", ID, "libpod-" ID ".scope", ID2},
    {"/user.slice/user-5.slice/user@5.service/user.slice/libpod-conmon-" ID ".scope", "unit",
     "libpod-conmon-" ID ".scope", "", "libpod-conmon-" ID ".scope", ""},
    {"/machine.slice/machine-libpod_pod_" ID2 ".slice", "pod", "pod " ID2, "", "", ID2},
    {"/lxc.payload.project_web1", "container", "lxc project_web1", "project_web1", "", ""},
    {"/lxc.payload.", "cgroup", "lxc.payload.", "", "", ""},
    {"/lxc/web1", "container", "lxc web1", "web1", "", ""},
    {"/machine.slice/machine-qemu\\x2d12\\x2dubuntu\\x2d22.04.scope", "vm", "vm ubuntu-22.04", "",
     "machine-qemu\\x2d12\\x2dubuntu\\x2d22.04.scope", ""},
    {"/machine.slice/machine-qemu\\x2d12\\x2d7\\x2db.scope/libvirt/emulator", "vm", "vm 7-b", "",
     "machine-qemu\\x2d12\\x2d7\\x2db.scope", ""},
    {"/machine.slice/machine-qemu\\x2d1\\x2dv.scope/libvirt/iothread1", "vm", "vm v", "",
     "machine-qemu\\x2d1\\x2dv.scope", ""},
    {"/machine/qemu-2-web.libvirt-qemu/vcpu0", "vm", "vm web", "", "", ""},
    {"/libvirt/qemu/web/emulator", "vm", "vm web", "", "", ""},
    {"/machine.slice/systemd-nspawn@deb.service", "container", "nspawn deb", "deb",
     "systemd-nspawn@deb.service", ""},
    {"/system.slice/system-serial\\x2dgetty.slice/serial-getty@ttyS0.service", "unit",
     "serial-getty@ttyS0.service", "", "serial-getty@ttyS0.service", ""},
    {"/system.slice/system-serial\\x2dgetty.slice", "slice", "system-serial-getty.slice", "", "",
     ""},
    {"/user.slice/user-1000.slice/user@1000.service/app.slice/x.service", "unit", "x.service", "",
     "x.service", ""},
    {"/user.slice/user-1000.slice", "slice", "user-1000.slice", "", "", ""},
    {"/slurm/uid_1000/job_7/step_0/task_1", "unit", "slurm job 7 step 0", "", "", ""},
    {"/system.slice/slurmstepd.scope/job_12/step_extern/slurm", "unit",
     "slurm job 12 step extern", "", "slurmstepd.scope", ""},
    {"/system.slice/slurmstepd.scope/system", "unit", "slurmstepd.scope", "", "slurmstepd.scope",
     ""},
    /* as seen from another name space of cgroups */
    {"/../../system.slice/nginx.service", "unit", "nginx.service", "", "nginx.service", ""},
    {"/../" ID, "container", "container 4f5c2a9e1b77", ID, "", ""},
};

static void paths_tell_who_lives_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct target_names names;
        target_name_parse(cases[i].cgroup, &names);
        if (strcmp(names.kind, cases[i].kind) || strcmp(names.name, cases[i].name) ||
            strcmp(names.container, cases[i].container) || strcmp(names.unit, cases[i].unit) ||
            strcmp(names.pod, cases[i].pod))
            fail_msg("%s: kind \"%s\" name \"%s\" container \"%s\" unit \"%s\" pod \"%s\"",
                     cases[i].cgroup, names.kind, names.name, names.container, names.unit,
                     names.pod);
    }
}

static void long_names_are_cut_between_characters(void **state)
{
    (void)state;
    char cgroup[300] = "/x";
    for (size_t i = 2; i + 2 < sizeof(cgroup); i += 2)
        memcpy(cgroup + i, "\xc3\xa4", 3);
    struct target_names names;
    target_name_parse(cgroup, &names);
    size_t length = strlen(names.name);
    assert_true(length >= 120 && length < sizeof(names.name));
    assert_int_equal((unsigned char)names.name[length - 1], 0xa4);
    static const char *const words[] = {"/machine.slice/machine-qemu\\x2d1\\x2d", "/lxc.payload.",
                                        "/qemu-1-"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        char path[1200];
        (void)snprintf(path, sizeof(path), "%s", words[i]);
        memset(path + strlen(words[i]), 'y', 1000);
        (void)snprintf(path + strlen(words[i]) + 1000, 20, ".scope");
        target_name_parse(path, &names);
        assert_true(strlen(names.name) < sizeof(names.name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_tell_who_lives_there),
        cmocka_unit_test(long_names_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
