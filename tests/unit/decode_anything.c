/* SPDX-License-Identifier: BSD-3-Clause */
/* Hostile documents on every path a record takes. */
#include "tests/unit/decode_anything.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/host_record.h"
#include "common/json_text.h"
#include "common/power_record.h"
#include "common/powerapi.h"
#include "common/report.h"
#include "common/target_record.h"

static int emit_nowhere(const struct document *document, void *context)
{
    (void)document;
    (void)context;
    return 0;
}

/* What was decoded must also encode, in both schemas, or be refused. */
static int decode_report(const struct document *document, bson_t *scratch)
{
    struct error err;
    struct report report;
    report_init(&report);
    int r = report_decode(document, &report, &err);
    if (r == 0) {
        (void)report_encode(&report, scratch, emit_nowhere, NULL, &err);
        (void)report_encode_powerapi(&report, scratch, emit_nowhere, NULL, &err);
    }
    report_deinit(&report);
    return r == 0;
}

static int decode_power(const struct document *document, bson_t *scratch)
{
    struct error err;
    struct power_record power;
    power_record_init(&power);
    int r = power_record_decode(document, &power, &err);
    if (r == 0) {
        (void)power_record_encode(&power, scratch, emit_nowhere, NULL, &err);
        (void)power_record_encode_powerapi(&power, true, scratch, emit_nowhere, NULL, &err);
    }
    power_record_deinit(&power);
    return r == 0;
}

static int decode_host(const struct document *document, bson_t *scratch)
{
    struct error err;
    struct document again;
    struct host_record host;
    host_record_init(&host);
    int r = host_record_decode(document, &host, &err);
    if (r == 0)
        (void)host_record_encode(&host, scratch, &again, &err);
    host_record_deinit(&host);
    return r == 0;
}

static int decode_target(const struct document *document, bson_t *scratch)
{
    struct error err;
    struct document again;
    struct target_record target;
    int r = target_record_decode(document, &target, &err);
    if (r == 0)
        (void)target_record_encode(&target, scratch, &again, &err);
    return r == 0;
}

static int decode_hwpc(const struct document *document, bson_t *scratch)
{
    struct error err;
    struct document again;
    struct hwpc_report hwpc;
    struct report report;
    hwpc_report_init(&hwpc);
    report_init(&report);
    int r = hwpc_report_decode(document, &hwpc, &err);
    if (r == 0) {
        (void)hwpc_report_encode(&hwpc, scratch, &again, &err);
        if (hwpc_to_report(&hwpc, false, &report, &err) == 0)
            (void)report_encode_powerapi(&report, scratch, emit_nowhere, NULL, &err);
    }
    report_deinit(&report);
    hwpc_report_deinit(&hwpc);
    return r == 0;
}

static int decode_power_report(const struct document *document, bson_t *scratch)
{
    struct error err;
    struct document again;
    struct power_report report;
    int r = power_report_decode(document, &report, &err);
    if (r == 0)
        (void)power_report_encode(&report, scratch, &again, &err);
    return r == 0;
}

static void write_text(const uint8_t *bytes, size_t size)
{
    struct error err;
    bson_t bson;
    char *text = NULL;
    size_t text_size = 0;
    FILE *stream = open_memstream(&text, &text_size);
    if (!stream)
        abort();
    if (bson_init_static(&bson, bytes, size))
        (void)json_write(stream, &bson, &err);
    (void)fclose(stream);
    free(text);
}

int decode_anything(const uint8_t *bytes, size_t size)
{
    struct error err;
    struct document document;
    write_text(bytes, size);
    if (document_describe(bytes, size, &document, &err) < 0) {
        /* The decoders may not rely on it for their safety. */
        document = (struct document){.bytes = bytes, .size_bytes = size};
        memcpy(document.key.sensor, "x", 2);
    }
    bson_t scratch = BSON_INITIALIZER;
    int taken = decode_report(&document, &scratch);
    taken |= decode_power(&document, &scratch);
    taken |= decode_host(&document, &scratch);
    taken |= decode_target(&document, &scratch);
    taken |= decode_hwpc(&document, &scratch);
    taken |= decode_power_report(&document, &scratch);
    bson_destroy(&scratch);
    return taken;
}

int decode_any_text(const char *text, size_t size)
{
    struct error err;
    bson_t bson;
    if (json_parse(text, size, &bson, &err) < 0)
        return 0;
    int taken = decode_anything(bson_get_data(&bson), bson.len);
    bson_destroy(&bson);
    return taken;
}
