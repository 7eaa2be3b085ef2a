/* SPDX-License-Identifier: BSD-3-Clause */
/* Trees are built once; after each round the files that were broken are put back. Counters grow at
 * a constant power where they are not broken. */
#include "tests/hwsim/broken_machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/array.h"
#include "common/error.h"
#include "common/scope.h"
#include "sensor/host_description.h"
#include "tests/hwsim/recorded.h"

#define MACHINES_MAX 64
#define TICKS 5
#define BROKEN_MAX 8
#define HUGE_SIZE 70000
#define COUNTER_W 40.0
#define LATE_UPDATE_NS 10e6 /* energy_meter.c */
#define BOUND_OF_UNKNOWN_W 200e3

struct file {
    char path[200]; /* below the root */
    char *bytes;    /* a link's target */
    size_t size;
    bool is_link, is_zone, is_msr;
    bool is_broken;
};

struct machine_tree {
    struct recorded recorded;
    struct file *files;
    size_t n_files, capacity;
    size_t n_few; /* those that are not one per CPU: they come first */
};

struct broken_machines {
    struct machine_tree trees[MACHINES_MAX];
    size_t n_trees;
    char huge[HUGE_SIZE];
};

/* What a round reads its decisions from; zeros once the bytes are used up. */
struct decisions {
    const uint8_t *bytes;
    size_t size, used;
};

static uint64_t now_ns;

static uint64_t fake_ns(void *context)
{
    (void)context;
    return now_ns;
}

static const struct clock fake_clock = {fake_ns, fake_ns, fake_ns, NULL};

static uint8_t decide(struct decisions *decisions)
{
    return decisions->used < decisions->size ? decisions->bytes[decisions->used++] : 0;
}

/* ---- the trees ---- */

static void put_counters(const struct recorded *recorded)
{
    static const struct {
        uint64_t address, value;
    } registers[] = {
        {0x606, 0xa0e03}, {0x611, 1000}, {0x614, 0x3e8}, {0x619, 1000},
        {0x639, 1000},    {0x641, 1000}, {0x64d, 1000},  {0xc0010299, 0xa1003},
    };
    char name[200], path[PATH_MAX];
    for (size_t i = 0; i < recorded->n_zones; i++) {
        (void)snprintf(name, sizeof(name), "%s/energy_uj", recorded->zones[i].path);
        made_tree_write(&recorded->tree, name, "1000000\n");
    }
    for (size_t i = 0; i < recorded->n_cpus && recorded->simulate; i++) {
        (void)snprintf(name, sizeof(name), "dev/cpu/%d/msr", recorded->cpus[i].cpu);
        made_tree_write(&recorded->tree, name, "");
        made_tree_path(&recorded->tree, name, path);
        SCOPED(scope_close) int fd = open(path, O_WRONLY | O_CLOEXEC);
        for (size_t r = 0; r < ARRAY_SIZE(registers) && fd >= 0; r++)
            (void)!pwrite(fd, &registers[r].value, sizeof(uint64_t), (off_t)registers[r].address);
    }
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static void keep_file(struct machine_tree *tree, const char *path)
{
    char full[PATH_MAX], bytes[65536];
    struct stat status;
    made_tree_path(&tree->recorded.tree, path, full);
    if (lstat(full, &status) < 0 ||
        array_reserve(&tree->files, &tree->capacity, tree->n_files + 1, sizeof(struct file)) < 0)
        abort();
    struct file *file = &tree->files[tree->n_files++];
    *file = (struct file){.is_link = S_ISLNK(status.st_mode)};
    (void)snprintf(file->path, sizeof(file->path), "%s", path);
    file->is_zone = ends_with(path, "/energy_uj");
    file->is_msr = ends_with(path, "/msr");
    if (file->is_msr)
        return;
    ssize_t size = -1;
    if (file->is_link) {
        size = readlink(full, bytes, sizeof(bytes));
    } else {
        SCOPED(scope_close) int fd = open(full, O_RDONLY | O_CLOEXEC);
        size = read(fd, bytes, sizeof(bytes));
    }
    file->bytes = size < 0 ? NULL : calloc(1, (size_t)size + 1);
    if (!file->bytes)
        abort();
    memcpy(file->bytes, bytes, (size_t)size);
    file->size = (size_t)size;
}

static bool is_per_cpu(const struct file *file)
{
    return file->is_msr || strstr(file->path, "/topology/");
}

static int compare_files(const void *a, const void *b)
{
    const struct file *one = a, *other = b;
    if (is_per_cpu(one) != is_per_cpu(other))
        return is_per_cpu(one) - is_per_cpu(other);
    return strcmp(one->path, other->path);
}

static void keep_folder(struct machine_tree *tree, const char *folder)
{
    char full[PATH_MAX], path[200];
    made_tree_path(&tree->recorded.tree, folder, full);
    DIR *directory = opendir(full);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s%s%s", folder, *folder ? "/" : "", entry->d_name);
        if (entry->d_type == DT_DIR)
            keep_folder(tree, path);
        else
            keep_file(tree, path);
    }
    if (directory)
        (void)closedir(directory);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct broken_machines *broken_machines_new(const char *folder)
{
    char *paths[MACHINES_MAX];
    size_t n = 0;
    struct broken_machines *machines = calloc(1, sizeof(*machines));
    DIR *directory = opendir(folder);
    if (!machines || !directory)
        abort();
    for (struct dirent *entry; (entry = readdir(directory)) && n < MACHINES_MAX;)
        if (ends_with(entry->d_name, ".machine") &&
            asprintf(&paths[n], "%s/%s", folder, entry->d_name) > 0)
            n++;
    (void)closedir(directory);
    qsort(paths, n, sizeof(paths[0]), compare_texts);
    for (size_t i = 0; i < n; i++) {
        struct machine_tree *tree = &machines->trees[machines->n_trees++];
        recorded_read(&tree->recorded, paths[i]);
        free(paths[i]);
        put_counters(&tree->recorded);
        made_tree_write(&tree->recorded.tree, "proc/stat", "cpu  100 0 0 300 0 0 0 0 0 0\n");
        keep_folder(tree, "");
        qsort(tree->files, tree->n_files, sizeof(struct file), compare_files);
        while (tree->n_few < tree->n_files && !is_per_cpu(&tree->files[tree->n_few]))
            tree->n_few++;
    }
    memset(machines->huge, '9', sizeof(machines->huge));
    return machines;
}

void broken_machines_free(struct broken_machines *machines)
{
    for (size_t i = 0; i < machines->n_trees; i++) {
        struct machine_tree *tree = &machines->trees[i];
        for (size_t f = 0; f < tree->n_files; f++)
            free(tree->files[f].bytes);
        free(tree->files);
        recorded_free(&tree->recorded);
    }
    free(machines);
}

/* ---- breaking files ---- */

/* What numbers, scales, lists and names must survive. */
static const char *const nonsense[] = {
    "",
    "\n",
    "0",
    "0\n",
    "-1\n",
    "-9223372036854775808",
    "9223372036854775807",
    "18446744073709551616",
    "4294967295\n",
    "1e400",
    "nan\n",
    "inf",
    "-inf\n",
    "0x10\n",
    " 5\n",
    "5 5\n",
    "1.5\n",
    "0-",
    "5-3\n",
    "0,,1",
    "0-999999999",
    "65535\n",
    "0-511\n",
    "a\n",
    "%s%n\n",
    "package--1\n",
    "package-99999999999",
    "psys-\n",
    "event=\n",
    "event=0xffffffffffffffff\n",
    "config:63-0\n",
    "Watts\n",
    "\xff\xfe\x80\n",
    "\x01\x02",
    "Discharging",
    "1\n2\n3\n",
    "1000000000000\n",
    "100000000\n",
    "2147483648\n",
};

/* It may be gone already. */
static void remove_file(const struct recorded *recorded, const struct file *file)
{
    char path[PATH_MAX];
    struct stat status;
    made_tree_path(&recorded->tree, file->path, path);
    if (lstat(path, &status) == 0)
        made_tree_remove(&recorded->tree, file->path);
}

/* The folders on the way are there. */
static void write_file(const struct recorded *recorded, const struct file *file, const char *bytes,
                       size_t size)
{
    char path[PATH_MAX];
    made_tree_path(&recorded->tree, file->path, path);
    SCOPED(scope_close)
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
}

static void replace(const struct recorded *recorded, const struct file *file, const char *bytes,
                    size_t size)
{
    remove_file(recorded, file);
    write_file(recorded, file, bytes, size);
}

static void replace_by_link(const struct recorded *recorded, const struct file *file,
                            const char *target)
{
    char path[PATH_MAX];
    remove_file(recorded, file);
    made_tree_path(&recorded->tree, file->path, path);
    if (symlink(target, path) < 0)
        abort();
}

static void flip_bytes(const struct recorded *recorded, const struct file *file,
                       struct decisions *decisions)
{
    char bytes[65536];
    size_t size = file->size;
    if (size > 0)
        memcpy(bytes, file->bytes, size);
    for (int i = 0; i < 3 && size > 0; i++)
        bytes[decide(decisions) % size] = (char)decide(decisions);
    replace(recorded, file, bytes, size);
}

/* A register's bytes, where the sensor looks for energy, unit or power. */
static void break_msr(const struct recorded *recorded, const struct file *file,
                      struct decisions *decisions)
{
    static const uint64_t addresses[] = {0x606, 0x611, 0x614,      0x619,     0x639,
                                         0x641, 0x64d, 0xc0010299, 0xc001029b};
    char path[PATH_MAX];
    uint64_t value = 0;
    made_tree_path(&recorded->tree, file->path, path);
    uint64_t address = addresses[decide(decisions) % ARRAY_SIZE(addresses)];
    for (int i = 0; i < 8; i++)
        value = value << 8 | decide(decisions);
    if (decide(decisions) % 8 == 0) {
        if (truncate(path, (off_t)(address % 0x10000)) < 0)
            abort();
        return;
    }
    SCOPED(scope_close) int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)!pwrite(fd, &value, sizeof(value), (off_t)address);
}

static void break_file(struct broken_machines *machines, struct machine_tree *tree,
                       struct file *file, struct decisions *decisions)
{
    const struct recorded *recorded = &tree->recorded;
    uint8_t kind = decide(decisions) % 16;
    file->is_broken = true;
    if (file->is_msr && kind < 12) {
        break_msr(recorded, file, decisions);
        return;
    }
    const struct file *other = &tree->files[decide(decisions) % tree->n_files];
    const char *text = nonsense[decide(decisions) % ARRAY_SIZE(nonsense)];
    switch (kind) {
    case 0:
        replace(recorded, file, machines->huge, HUGE_SIZE);
        break;
    case 1: /* without its newline, or cut */
        replace(recorded, file, file->bytes, file->size ? decide(decisions) % file->size : 0);
        break;
    case 2:
        flip_bytes(recorded, file, decisions);
        break;
    case 3:
        replace(recorded, file, other->bytes, other->size);
        break;
    case 4:
        remove_file(recorded, file);
        made_tree_mkdir(&recorded->tree, file->path);
        break;
    case 5: /* a loop */
        replace_by_link(recorded, file, strrchr(file->path, '/') + 1);
        break;
    case 6:
        replace_by_link(recorded, file, "/proc/self/mem"); /* a read error */
        break;
    case 7:
        remove_file(recorded, file);
        break;
    default:
        replace(recorded, file, text, strlen(text));
    }
}

static void mend_file(const struct recorded *recorded, const struct file *file)
{
    char path[PATH_MAX];
    made_tree_path(&recorded->tree, file->path, path);
    remove_file(recorded, file);
    if (!file->is_link)
        write_file(recorded, file, file->bytes, file->size);
    else if (symlink(file->bytes, path) < 0)
        abort();
}

static void mend(struct machine_tree *tree)
{
    bool has_msr = false;
    for (size_t i = 0; i < tree->n_files; i++) {
        struct file *file = &tree->files[i];
        if (file->is_msr && file->is_broken)
            has_msr = true;
        else if (file->is_broken)
            mend_file(&tree->recorded, file);
        else if (file->is_zone)
            write_file(&tree->recorded, file, file->bytes, file->size);
        if (file->is_msr && file->is_broken)
            remove_file(&tree->recorded, file);
        file->is_broken = false;
    }
    if (has_msr)
        put_counters(&tree->recorded);
}

/* ---- time ---- */

static void advance(struct machine_tree *tree, uint64_t dt_ns, int64_t *energy_uj)
{
    char text[64];
    *energy_uj += (int64_t)(COUNTER_W * (double)dt_ns / 1e3);
    (void)snprintf(text, sizeof(text), "%" PRId64 "\n", *energy_uj);
    for (size_t i = 0; i < tree->n_files; i++) {
        const struct file *file = &tree->files[i];
        if (file->is_zone && !file->is_broken)
            write_file(&tree->recorded, file, text, strlen(text));
    }
    now_ns += dt_ns;
}

static uint64_t decide_dt_ns(struct decisions *decisions)
{
    static const uint64_t spans_ns[] = {NS_PER_S,      NS_PER_S, NS_PER_MS,     100 * NS_PER_MS,
                                        10 * NS_PER_S, 0,        600 * NS_PER_S};
    return spans_ns[decide(decisions) % ARRAY_SIZE(spans_ns)];
}

/* ---- what may not come out ---- */

static double bound_uj(const struct energy_sample *sample, const struct host_record *record)
{
    for (size_t i = 0; i < record->n_sources; i++) {
        const struct host_source *row = &record->sources[i];
        if (row->domain == sample->domain && row->package == sample->package &&
            strcmp(row->source, sample->source) == 0 && !isnan(row->peak_w)) {
            double slack_uj = isnan(row->unit_uj) ? 16 : row->unit_uj;
            return row->peak_w * ((double)sample->dt_ns + LATE_UPDATE_NS) / 1e3 + slack_uj + 1;
        }
    }
    return BOUND_OF_UNKNOWN_W * ((double)sample->dt_ns + LATE_UPDATE_NS) / 1e3;
}

static int check_sample(const struct energy_sample *sample, const struct host_record *record,
                        char why[static 400])
{
    const char *wrong = NULL;
    if (!sample->valid)
        wrong = sample->energy_uj != VALUE_ABSENT ? "invalid, and yet an energy"
                : !word_is_valid(sample->reason)  ? "invalid without a reason"
                                                  : NULL;
    else if (sample->energy_uj < 0 || sample->dt_ns < 0)
        wrong = "less than nothing";
    else if ((double)sample->energy_uj > bound_uj(sample, record))
        wrong = "more than its source can draw";
    else if (sample->estimate &&
             (sample->low_uj > sample->energy_uj || sample->energy_uj > sample->high_uj))
        wrong = "outside its bounds";
    if (!wrong)
        return 0;
    (void)snprintf(why, 400, "%s %s-%d: %s: %" PRId64 " uJ in %" PRId64 " ns (%s)", sample->source,
                   domain_name(sample->domain), sample->package, wrong, sample->energy_uj,
                   sample->dt_ns, sample->reason);
    return -1;
}

static void name_record(struct record_key *key)
{
    (void)snprintf(key->sensor, sizeof(key->sensor), "broken");
    (void)snprintf(key->run, sizeof(key->run), "000000000001");
    key->timestamp_ms = 1;
}

static int take_document(const struct document *document, void *context)
{
    (void)document, (void)context;
    return 0;
}

/* What a sensor would write must be records that readers take. */
static int check_records(struct report *report, struct host_record *record, char why[static 400])
{
    struct error err = {0};
    struct document document;
    bson_t scratch = BSON_INITIALIZER;
    name_record(&report->key);
    name_record(&record->key);
    report->valid = true;
    report->dt_ns = 1;
    int r = report_encode(report, &scratch, take_document, NULL, &err);
    if (r == 0)
        r = host_record_encode(record, &scratch, &document, &err);
    struct host_record decoded;
    host_record_init(&decoded);
    if (r == 0)
        r = host_record_decode(&document, &decoded, &err);
    host_record_deinit(&decoded);
    bson_destroy(&scratch);
    if (r < 0)
        (void)snprintf(why, 400, "%.390s", err.text);
    return r < 0 ? -1 : 0;
}

/* ---- a round ---- */

struct round {
    struct broken_machines *machines;
    struct machine_tree *tree;
    struct decisions decisions;
    struct host host;
    struct topology topology;
    struct ladder ladder;
    struct report report;
    struct host_record record;
    int64_t energy_uj;
    int n_valid;
};

static void break_some(struct round *round, int n_most)
{
    int n = decide(&round->decisions) % (n_most + 1);
    for (int i = 0; i < n; i++) {
        size_t number = (size_t)decide(&round->decisions) << 8 | decide(&round->decisions);
        size_t limit = number % 4 == 0 ? round->tree->n_files : round->tree->n_few;
        break_file(round->machines, round->tree, &round->tree->files[number / 4 % limit],
                   &round->decisions);
    }
}

static int look(struct round *round, char why[static 400])
{
    const struct measuring measuring = {
        .ladder = &round->ladder, .granularity = GRANULARITY_CGROUP, .interval_ns = NS_PER_S};
    host_record_clear(&round->record);
    if (host_description_fill(&round->record, &round->host, &round->topology, &measuring) < 0)
        return -1;
    for (size_t i = 0; i < round->report.n_energy; i++) {
        if (check_sample(&round->report.energy[i], &round->record, why) < 0)
            return -1;
        round->n_valid += round->report.energy[i].valid;
    }
    return check_records(&round->report, &round->record, why);
}

static int tick(struct round *round, char why[static 400])
{
    struct topology topology;
    break_some(round, 2);
    advance(round->tree, decide_dt_ns(&round->decisions), &round->energy_uj);
    if (topology_has_changed(&round->topology, &round->host) == 1 &&
        topology_read(&topology, &round->host, NULL) == 0) {
        topology_deinit(&round->topology);
        round->topology = topology;
    }
    report_clear(&round->report);
    if (ladder_read(&round->ladder, &round->topology, &round->report) < 0)
        return -1;
    return look(round, why);
}

/* All sources by themselves too, where the ladder would stop at the first. */
static const char *decide_source(struct decisions *decisions)
{
    size_t n = 0;
    while (source_table[n])
        n++;
    size_t choice = decide(decisions) % (2 * n);
    return choice < n ? source_table[choice]->name : "auto";
}

static int measure(struct round *round, char why[static 400])
{
    struct ladder_settings settings = {.energy = decide_source(&round->decisions)};
    int r = 0;
    for (size_t i = 0; source_table[i]; i++) {
        struct source_probe probe = {0};
        source_table[i]->probe(&round->host, &round->topology, NULL, &probe);
    }
    if (ladder_open(&round->ladder, &settings, &round->host, &round->topology, NULL) < 0)
        return 0; /* that one source does not open: so be it */
    for (int i = 0; i < TICKS && r == 0; i++)
        r = tick(round, why);
    ladder_close(&round->ladder);
    return r;
}

int broken_machines_measure(struct broken_machines *machines, const uint8_t *bytes, size_t size,
                            char why[static 400])
{
    struct round round = {
        .machines = machines, .decisions = {bytes, size, 0}, .energy_uj = 1000000};
    round.tree = &machines->trees[decide(&round.decisions) % machines->n_trees];
    const struct recorded *recorded = &round.tree->recorded;
    round.host = (struct host){.sysfs = recorded->sysfs,
                               .procfs = recorded->procfs,
                               .devfs = recorded->devfs,
                               .clock = &fake_clock};
    (void)snprintf(why, 400, "out of memory");
    now_ns = 1000 * NS_PER_S;
    report_init(&round.report);
    host_record_init(&round.record);
    break_some(&round, BROKEN_MAX);
    int r = topology_read(&round.topology, &round.host, NULL);
    if (r == 0) {
        r = measure(&round, why);
        topology_deinit(&round.topology);
    }
    report_deinit(&round.report);
    host_record_deinit(&round.record);
    mend(round.tree);
    return r < 0 ? -1 : round.n_valid;
}
