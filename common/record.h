/* SPDX-License-Identifier: BSD-3-Clause */
/* What all records share. A record travels and rests as one BSON document (docs/records.md), encoded once where it is
 * made; stores keep those bytes, JSON lines are their text form (json_text.h), and every reader decodes the same document.
 * Decoding trusts nothing: a wrong type, an absurd number or a missing field is -EBADMSG naming the field, never a crash.
 *
 * A value that is not known is absent in the document. In memory: INT64_MIN (VALUE_ABSENT) for integers, NAN for doubles, -1
 * (PACKAGE_NONE) for package, NULL or "" for text. Encoding leaves absent values out and refuses infinities (-ERANGE). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <bson/bson.h>

struct error;

#define RECORD_VERSION 1
#define VALUE_ABSENT INT64_MIN
#define PACKAGE_NONE (-1)
#define SENSOR_NAME_SIZE 64  /* [A-Za-z0-9._-]{1,63} and the NUL */
#define RUN_SIZE 13          /* 12 lower-case hex digits and the NUL */
#define LABEL_SIZE 64        /* as a sensor name */
#define WORD_SIZE 24         /* a reason, a source, a unit: [a-z0-9_]{1,23} */
#define RECORD_ID_SIZE 192
#define REASONS_MAX 8
#define OTHER_TARGET "other" /* what no rule selects; reserved words never begin with '/' */
#define ALL_TARGET "all"     /* PowerAPI's machine-wide target */

/* How the document says what it is: "kind" for ours, the shape for PowerAPI's. */
enum record_kind {
    RECORD_UNKNOWN, /* skipped by readers */
    RECORD_HOST,
    RECORD_TARGET,
    RECORD_RAW,
    RECORD_POWER,
    RECORD_SENSOR,
    RECORD_EVENT,
    RECORD_MODEL,
    RECORD_HWPC,         /* PowerAPI HWPCReport: "groups" */
    RECORD_POWER_REPORT, /* PowerAPI PowerReport: "power" and "target" */
    RECORD_KIND_COUNT,
};

/* "raw", "power", ...; NULL for UNKNOWN; "hwpc" and "power_report" for PowerAPI's (names of ours, not in the documents). */
const char *record_kind_name(enum record_kind kind);

enum domain {
    DOMAIN_PACKAGE, /* package, dram, gpu, machine: attributed and balanced */
    DOMAIN_DRAM,
    DOMAIN_GPU,
    DOMAIN_MACHINE,
    DOMAIN_CORE, /* core, uncore, psys, wall: measurements only; they overlap the others */
    DOMAIN_UNCORE,
    DOMAIN_PSYS,
    DOMAIN_WALL,
    DOMAIN_COUNT,
};

const char *domain_name(enum domain domain);
/* -EINVAL for an unknown name. */
int domain_parse(const char *name, enum domain *ret_domain);
/* True for the domains that are attributed to targets. */
bool domain_is_attributed(enum domain domain);

/* Which tick of which sensor. */
struct record_key {
    char sensor[SENSOR_NAME_SIZE];
    char run[RUN_SIZE];   /* start of the sensor's run, ms since 1970 in hex; "" in PowerAPI's reports */
    uint64_t seq;         /* dense from 0 within a run; 0 in PowerAPI's reports */
    int64_t timestamp_ms; /* end of the interval, 1970 UTC */
};

bool sensor_name_is_valid(const char *name); /* also for labels */
bool word_is_valid(const char *word);
/* What fits of it. */
void word_copy(char to[static WORD_SIZE], const char *word);
bool run_is_valid(const char *run);

/* Order of ticks within one sensor: by run, seq, then timestamp. <0, 0, >0. */
int record_key_compare(const struct record_key *a, const struct record_key *b);

/* Why something is not as it should be: a set of words, in order of arrival, at most REASONS_MAX. */
struct reasons {
    char words[REASONS_MAX][WORD_SIZE];
    size_t n_words;
};

/* Adds a word once; a ninth is dropped. */
void reasons_add(struct reasons *reasons, const char *word);
bool reasons_have(const struct reasons *reasons, const char *word);

/* An encoded record with what stores need to know of it. Everything is borrowed. */
struct document {
    enum record_kind kind;
    struct record_key key;
    char id[RECORD_ID_SIZE]; /* an ObjectId as hex; "" where the document has no _id (PowerAPI's may lack it) */
    char label[LABEL_SIZE];  /* power records: the attribution's name; else "" */
    const uint8_t *bytes;    /* the BSON document */
    size_t size_bytes;
};

/* Fills *ret_document from the bytes of any document: one pass over the top-level fields, bytes checked to be well-formed BSON
 * with valid UTF-8 first (the decoders rely on that, and take the key from here). Unknown documents come back as RECORD_UNKNOWN.
 * A document with timestamp, sensor and target but no kind, power or metadata is an HWPCReport that lost its groups. -EBADMSG when
 * the bytes are no BSON or a key field of a known kind is missing or has the wrong type. */
int document_describe(const uint8_t *bytes, size_t size_bytes, struct document *ret_document, struct error *err);

/* ---- for the codecs: common/report.c, power_record.c, host_record.c, target_record.c, hwpc_report.c, power_report.c ---- */

#define AMOUNT_MAX (INT64_C(1) << 62) /* no count, energy or span is larger */
#define TIMESTAMP_MAX_MS INT64_C(253402300799999) /* the end of year 9999; none is before 1970 */
#define RECORD_PART_BYTES (2000 * 1000) /* above this a record is split */
#define RECORD_PARTS_MAX 9999

/* "sensor:run:seq" and "sensor:run:seq:suffix" (suffix NULL: none). Power records made from PowerAPI's reports have no run and no seq: theirs is
 * "sensor:stamp:suffix", the stamp in ms as 12 hex digits. */
void record_id(const struct record_key *key, const char *suffix, char id[static RECORD_ID_SIZE]);

/* Empties the document and begins it: kind, v, _id, sensor, run, seq, timestamp. -EINVAL: a name, run, seq or timestamp that
 * decoding would refuse. */
int record_begin(bson_t *document, enum record_kind kind, const struct record_key *key, const char *id, struct error *err);

/* Describes the finished bytes of a document that record_begin began. */
void record_end(const bson_t *document, enum record_kind kind, const struct record_key *key, const char *id,
                struct document *ret_document);

/* True for valid UTF-8 of size bytes; NUL bytes count as valid. */
bool text_is_utf8(const char *text, size_t size);

/* Field readers: the iterator stands on the field. They accept int32, int64, and doubles without fraction; Date, int64 ms and
 * text for stamps (timestamp.h), so that a document that went through JSON reads the same. On a wrong type or a value out of
 * range: -EBADMSG, err names the field. Null reads as absent (VALUE_ABSENT, NAN). */
int field_int64(const bson_iter_t *field, int64_t *ret_value, struct error *err);
int field_double(const bson_iter_t *field, double *ret_value, struct error *err); /* refuses infinities and NaN */
int field_amount(const bson_iter_t *field, int64_t *ret_value, struct error *err);  /* refuses what is not in 0..AMOUNT_MAX */
int field_package(const bson_iter_t *field, int32_t *ret_package, struct error *err); /* refuses negative ones */
int field_domain(const bson_iter_t *field, enum domain *ret_domain, struct error *err);
int field_part(const bson_iter_t *field, int32_t *ret_number, struct error *err); /* 1 to RECORD_PARTS_MAX */
int field_bool(const bson_iter_t *field, bool *ret_value, struct error *err);
int field_timestamp(const bson_iter_t *field, int64_t *ret_timestamp_ms, struct error *err);
/* Copies; -EBADMSG when it does not fit in size or is not what is_valid (may be NULL) accepts. */
int field_text(const bson_iter_t *field, char *text, size_t size, bool (*is_valid)(const char *), struct error *err);
/* Borrows from the document: valid while its bytes are. */
int field_string(const bson_iter_t *field, const char **ret_text, struct error *err);
int field_reasons(const bson_iter_t *field, struct reasons *ret_reasons, struct error *err);
/* Steps into a document or array; null is an empty one. */
int field_enter(const bson_iter_t *field, bool is_array, bson_iter_t *ret_child, struct error *err);

/* Calls read with the fields of each document in the array; an error is wrapped with "array.index". */
int field_elements(const bson_iter_t *array, int (*read)(bson_iter_t *fields, void *record, struct error *err),
                   void *record, struct error *err);

/* Field writers that leave absent values out. They can only fail when a document passes 2 GB, which no record comes near. */
void append_int64(bson_t *document, const char *name, int64_t value);
void append_double(bson_t *document, const char *name, double value);
void append_text(bson_t *document, const char *name, const char *text); /* NULL and "" are absent */
void append_package(bson_t *document, int32_t package);
/* Begins the document at an index of an array; bson_append_document_end ends it. */
void append_element(bson_t *array, uint32_t index, bson_t *ret_element);
void append_reasons(bson_t *document, const char *name, const struct reasons *reasons);
