/* SPDX-License-Identifier: BSD-3-Clause */
/* What every record has: a kind, a key, an id. Names are checked against the small alphabets they
 * are allowed, so that ids sort in time and need no quoting anywhere. */
#include "common/record.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/bson_bytes.h"
#include "common/error.h"

#define NAME(text) text, sizeof(text)
#define HEAD_BYTES (160 + RECORD_ID_SIZE + SENSOR_NAME_SIZE + RUN_SIZE) /* at least what it takes */
#define SEQ_MAX ((UINT64_C(1) << 48) - 1) /* 12 hex digits */

static const char *const kind_names[RECORD_KIND_COUNT] = {
    [RECORD_HOST] = "host",   [RECORD_TARGET] = "target", [RECORD_RAW] = "raw",
    [RECORD_POWER] = "power", [RECORD_SENSOR] = "sensor", [RECORD_EVENT] = "event",
    [RECORD_MODEL] = "model", [RECORD_HWPC] = "hwpc",     [RECORD_POWER_REPORT] = "power_report",
};

static const char *const domain_names[DOMAIN_COUNT] = {
    [DOMAIN_PACKAGE] = "package", [DOMAIN_DRAM] = "dram", [DOMAIN_GPU] = "gpu",
    [DOMAIN_MACHINE] = "machine", [DOMAIN_CORE] = "core", [DOMAIN_UNCORE] = "uncore",
    [DOMAIN_PSYS] = "psys",       [DOMAIN_WALL] = "wall",
};

const char *record_kind_name(enum record_kind kind)
{
    assert((unsigned)kind < RECORD_KIND_COUNT);
    return kind_names[kind];
}

const char *domain_name(enum domain domain)
{
    assert((unsigned)domain < DOMAIN_COUNT);
    return domain_names[domain];
}

int domain_parse(const char *name, enum domain *ret_domain)
{
    for (int domain = 0; domain < DOMAIN_COUNT; domain++) {
        if (strcmp(name, domain_names[domain]) == 0) {
            *ret_domain = (enum domain)domain;
            return 0;
        }
    }
    return -EINVAL;
}

bool domain_is_attributed(enum domain domain)
{
    return domain <= DOMAIN_MACHINE;
}

bool sensor_name_is_valid(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789._-");
    return length > 0 && length < SENSOR_NAME_SIZE && name[length] == '\0';
}

bool word_is_valid(const char *word)
{
    size_t length = strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return length > 0 && length < WORD_SIZE && word[length] == '\0';
}

void word_copy(char to[static WORD_SIZE], const char *word)
{
    size_t length = strnlen(word, WORD_SIZE - 1);
    memcpy(to, word, length);
    to[length] = '\0';
}

int record_key_compare(const struct record_key *a, const struct record_key *b)
{
    int order = strcmp(a->run, b->run);
    if (order == 0)
        order = (a->seq > b->seq) - (a->seq < b->seq);
    if (order == 0)
        order = (a->timestamp_ms > b->timestamp_ms) - (a->timestamp_ms < b->timestamp_ms);
    return order;
}

bool reasons_have(const struct reasons *reasons, const char *word)
{
    for (size_t i = 0; i < reasons->n_words; i++) {
        if (strcmp(reasons->words[i], word) == 0)
            return true;
    }
    return false;
}

void reasons_add(struct reasons *reasons, const char *word)
{
    if (reasons->n_words == REASONS_MAX || reasons_have(reasons, word))
        return;
    word_copy(reasons->words[reasons->n_words++], word);
}

/* At least 12 digits. snprintf takes ten times as long, which shows at a thousand ids a second. */
static char *put_hex(char *to, uint64_t number)
{
    int n_digits = 12;
    while (n_digits < 16 && number >> (4 * n_digits))
        n_digits++;
    for (int i = n_digits; i-- > 0; number >>= 4)
        to[i] = "0123456789abcdef"[number & 15];
    return to + n_digits;
}

void record_id(const struct record_key *key, const char *suffix, char id[static RECORD_ID_SIZE])
{
    bool has_run = key->run[0] != '\0';
    char *to = stpcpy(stpcpy(id, key->sensor), ":");
    if (has_run)
        to = stpcpy(stpcpy(to, key->run), ":");
    to = put_hex(to, has_run ? key->seq : (uint64_t)key->timestamp_ms);
    *to = '\0';
    if (suffix)
        (void)snprintf(to, (size_t)(id + RECORD_ID_SIZE - to), ":%s", suffix);
}

bool run_is_valid(const char *run)
{
    return strspn(run, "0123456789abcdef") == RUN_SIZE - 1 && run[RUN_SIZE - 1] == '\0';
}

/* Watts of PowerAPI's reports belong to no run: their ticks are known by their stamps. */
static int check_key(const struct record_key *key, enum record_kind kind, struct error *err)
{
    if (!sensor_name_is_valid(key->sensor))
        return error_set(err, -EINVAL,
                         "sensor: a name of 1 to 63 letters, digits, '.', '_' or '-' is needed");
    bool has_run = key->run[0] != '\0' || kind != RECORD_POWER;
    if (has_run && !run_is_valid(key->run))
        return error_set(err, -EINVAL, "run: 12 lower-case hex digits are needed");
    if (key->seq > SEQ_MAX)
        return error_set(err, -EINVAL, "seq: %" PRIu64 " is above 2^48 - 1", key->seq);
    if (key->timestamp_ms < 0 || key->timestamp_ms > TIMESTAMP_MAX_MS)
        return error_set(err, -EINVAL, "timestamp: %" PRId64 " ms is not in 1970 to 9999",
                         key->timestamp_ms);
    return 0;
}

static uint8_t *write_text(uint8_t *to, const char *key, size_t key_size, const char *text)
{
    return text[0] == '\0' ? to : bson_bytes_text(to, key, key_size, text, strlen(text));
}

static uint8_t *write_head(uint8_t *to, enum record_kind kind, const struct record_key *key,
                           const char *id)
{
    to = write_text(to, NAME("kind"), record_kind_name(kind));
    to = bson_bytes_int64(to, NAME("v"), RECORD_VERSION);
    to = write_text(to, NAME("_id"), id);
    to = write_text(to, NAME("sensor"), key->sensor);
    to = write_text(to, NAME("run"), key->run);
    if (key->run[0] != '\0')
        to = bson_bytes_int64(to, NAME("seq"), (int64_t)key->seq);
    to = bson_bytes_key(to, BSON_TYPE_DATE_TIME, NAME("timestamp"));
    return bson_bytes_word(to, &key->timestamp_ms);
}

int record_begin(bson_t *document, enum record_kind kind, const struct record_key *key,
                 const char *id, struct error *err)
{
    int r = check_key(key, kind, err);
    if (r < 0)
        return r;
    bson_reinit(document);
    uint8_t *to = bson_bytes_open(document, HEAD_BYTES);
    if (!to)
        return error_set(err, -ENOMEM, "out of memory");
    bson_bytes_close(document, write_head(to, kind, key, id));
    return 0;
}

void record_end(const bson_t *document, enum record_kind kind, const struct record_key *key,
                const char *id, struct document *ret_document)
{
    ret_document->kind = kind;
    ret_document->key = *key;
    (void)stpcpy(ret_document->id, id);
    ret_document->label[0] = '\0';
    ret_document->bytes = bson_get_data(document);
    ret_document->size_bytes = document->len;
}
