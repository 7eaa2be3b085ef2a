/* SPDX-License-Identifier: BSD-3-Clause */
/* Labels stand in a column of their own and texts are broken between words beside it. */
#include "cli/doctor_view.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "common/scope.h"

#define INDENT 2
#define NAME_WIDTH 13
#define LABEL_WIDTH 12
#define TEXT_WIDTH_MIN 20
#define NEAR 1.5 /* changes as often as it was read: it may change more often */

struct page {
    FILE *stream;
    size_t width, column;
};

static void put_spaces(struct page *page, size_t until)
{
    for (; page->column < until; page->column++)
        (void)fputc(' ', page->stream);
}

/* Characters, not bytes; what drives a terminal becomes '?'. */
static void put_word(struct page *page, const char *word, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)word[i];
        bool is_c1 = byte == 0xc2 && i + 1 < length && (unsigned char)word[i + 1] < 0xa0;
        (void)fputc(byte < 0x20 || byte == 0x7f || is_c1 ? '?' : byte, page->stream);
        page->column += (byte & 0xc0) != 0x80;
        i += is_c1;
    }
}

static size_t width_of(const char *word, size_t length)
{
    size_t width = 0;
    for (size_t i = 0; i < length; i++)
        width += ((unsigned char)word[i] & 0xc0) != 0x80;
    return width;
}

static void end_line(struct page *page)
{
    (void)fputc('\n', page->stream);
    page->column = 0;
}

/* The text from a column on, with a line's end behind it. */
static void put_text(struct page *page, size_t column, const char *text)
{
    bool is_first = true;
    while (*text) {
        size_t length = strcspn(text, " ");
        if (length > 0) {
            if (!is_first && page->column + 1 + width_of(text, length) > page->width)
                end_line(page);
            else if (!is_first)
                put_spaces(page, page->column + 1);
            if (page->column < column)
                put_spaces(page, column);
            put_word(page, text, length);
            is_first = false;
        }
        text += length + (text[length] == ' ');
    }
    end_line(page);
}

static void put_cell(struct page *page, const char *text, size_t from, size_t width)
{
    put_spaces(page, from);
    put_word(page, text, strlen(text));
    put_spaces(page, from + width);
    if (page->column > from + width)
        put_spaces(page, page->column + 1);
}

/* "  name  label  text"; empty texts are left out. */
static void put_fact(struct page *page, const char **name, const char *label, const char *text)
{
    size_t column = INDENT + NAME_WIDTH + LABEL_WIDTH;
    if (!text || !*text)
        return;
    if (column + TEXT_WIDTH_MIN > page->width)
        column = INDENT * 2;
    if (*name)
        put_cell(page, *name, INDENT, NAME_WIDTH - 1);
    *name = NULL;
    put_cell(page, label, INDENT + NAME_WIDTH, LABEL_WIDTH - 1);
    if (page->column > column)
        end_line(page);
    put_text(page, column, text);
}

/* ---- domains ---- */

static void span_text(double seconds, char *text, size_t size)
{
    if (seconds < 1)
        (void)snprintf(text, size, "%.0f ms", seconds * 1e3);
    else if (seconds < 300)
        (void)snprintf(text, size, "%.0f s", seconds);
    else if (seconds < 7200)
        (void)snprintf(text, size, "%.0f min", seconds / 60);
    else if (seconds < 172800)
        (void)snprintf(text, size, "%.1f h", seconds / 3600);
    else
        (void)snprintf(text, size, "%.0f days", seconds / 86400);
}

static void append(char *text, size_t size, const char *more)
{
    size_t length = strlen(text);
    if (length < size)
        (void)snprintf(text + length, size - length, "%s%s", length ? "; " : "", more);
}

void doctor_counter_text(const struct machine_domain *domain, char *text, size_t size)
{
    char span[32], more[160];
    text[0] = '\0';
    if (domain->is_estimate)
        return;
    if (!isnan(domain->unit_uj)) {
        (void)snprintf(more, sizeof(more), "%.4g uJ a count", domain->unit_uj);
        append(text, size, more);
    }
    if (!isnan(domain->range_j) && !isnan(domain->wrap_s)) {
        span_text(domain->wrap_s, span, sizeof(span));
        (void)snprintf(more, sizeof(more), "full at %.0f J, that is after %s at %.0f W",
                       domain->range_j, span, domain->peak_w);
        append(text, size, more);
    }
    if (!isnan(domain->longest_interval_s)) {
        (void)snprintf(more, sizeof(more), "--interval may be up to %.0f s",
                       floor(domain->longest_interval_s));
        append(text, size, more);
    }
}

void doctor_update_text(const struct machine_domain *domain, char *text, size_t size)
{
    text[0] = '\0';
    if (domain->is_estimate || isnan(domain->reading_ms))
        return;
    if (isnan(domain->update_ms))
        (void)snprintf(text, size, "not seen: it did not change while it was looked at");
    else if (domain->update_ms < NEAR * domain->reading_ms)
        (void)snprintf(text, size, "every %.2f ms or more often: at every look", domain->update_ms);
    else
        (void)snprintf(text, size, "every %.2f ms, as seen", domain->update_ms);
}

void doctor_check_text(const struct machine_domain *domain, char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < domain->n_checks; i++) {
        const struct machine_check *check = &domain->checks[i];
        char more[128];
        if (strcmp(check->state, "differs") == 0)
            (void)snprintf(more, sizeof(more), "%s DIFFERS by %.1f %%", check->source,
                           check->difference * 100);
        else if (strcmp(check->state, "agrees") == 0)
            (void)snprintf(more, sizeof(more), "%s says the same, within %.1f %%", check->source,
                           fmax(check->difference * 100, 0.1));
        else
            (void)snprintf(more, sizeof(more), "too little energy so far to compare with %s",
                           check->source);
        append(text, size, more);
    }
}

static void put_domain(struct page *page, const struct machine_domain *domain)
{
    char text[512];
    const char *name = domain->name;
    (void)snprintf(text, sizeof(text), "%s%s", domain->source,
                   domain->is_estimate     ? " (estimate)"
                   : domain->is_attributed ? ""
                                           : ", a measurement beside the others");
    put_fact(page, &name, "source", text);
    text[0] = '\0';
    if (!isnan(domain->power_w))
        (void)snprintf(text, sizeof(text), "%.2f W just now", domain->power_w);
    else if (domain->reason[0])
        (void)snprintf(text, sizeof(text), "no reading: %s", domain->reason);
    put_fact(page, &name, "power", text);
    doctor_counter_text(domain, text, sizeof(text));
    put_fact(page, &name, "counter", text);
    doctor_update_text(domain, text, sizeof(text));
    put_fact(page, &name, "updated", text);
    doctor_check_text(domain, text, sizeof(text));
    put_fact(page, &name, "compared", text);
    if (domain->is_filtered)
        put_fact(page, &name, "filtered",
                 "the processor adds noise against side channels (PLATYPUS; SGX, or energy "
                 "filtering in its firmware settings): short spans may be far off");
    put_fact(page, &name, "includes", domain->includes);
    put_fact(page, &name, "leaves out", domain->leaves_out);
}

/* ---- the rest ---- */

/* One way per line, and what is typed in one piece, so that it can be copied. */
static void put_advice(struct page *page, const char *advice)
{
    while (*advice) {
        const char *other = strstr(advice, ", or: "), *remark = strstr(advice, "   (");
        size_t length = strlen(advice), skip = 0;
        if (other && (!remark || other < remark)) {
            length = (size_t)(other - advice);
            skip = strlen(", or: ");
        } else if (remark) {
            length = (size_t)(remark - advice);
            skip = strlen("   ");
        }
        put_spaces(page, INDENT + NAME_WIDTH);
        if (*advice == '(') {
            put_text(page, INDENT + NAME_WIDTH + 3, advice);
            return;
        }
        put_word(page, "-> ", 3);
        put_word(page, advice, length);
        end_line(page);
        advice += length + skip;
    }
}

static void put_line(struct page *page, const struct doctor_line *line)
{
    const char *name = line->name;
    const char *state = line->state && *line->state ? line->state : "-";
    char text[1400];
    (void)snprintf(text, sizeof(text), "%s%s%s", state, line->reason && *line->reason ? ": " : "",
                   line->reason ? line->reason : "");
    put_cell(page, name, INDENT, NAME_WIDTH - 1);
    if (page->column > INDENT + NAME_WIDTH)
        end_line(page);
    put_text(page, INDENT + NAME_WIDTH, text);
    if (line->advice)
        put_advice(page, line->advice);
}

static void put_title(struct page *page, const char *kind, const char *granularity)
{
    if (page->column != 0)
        return;
    if (strcmp(kind, "energy") == 0)
        (void)fputs("\nWhere energy can come from\n", page->stream);
    else if (strcmp(kind, "engine") == 0)
        (void)fprintf(page->stream, "\nWhat counts who used it%s%s\n",
                      granularity[0] ? ", per " : "", granularity);
    else
        (void)fputs("\nWhere it is kept\n", page->stream);
}

int doctor_view_write(FILE *stream, unsigned width, const struct machine *machine,
                      const struct doctor_line *lines, size_t n_lines, const char *note)
{
    struct page page = {.stream = stream, .width = width};
    (void)fputs("What is measured here", stream);
    page.column = 21;
    if (machine->cpu[0]) {
        (void)fputs(" (", stream);
        put_word(&page, machine->cpu, strlen(machine->cpu));
        (void)fputc(')', stream);
    }
    end_line(&page);
    for (size_t i = 0; i < machine->n_domains; i++)
        put_domain(&page, &machine->domains[i]);
    if (machine->n_domains == 0)
        put_text(&page, INDENT, "no energy");
    for (size_t i = 0; i < n_lines; i++) {
        if (i == 0 || strcmp(lines[i].kind, lines[i - 1].kind) != 0)
            put_title(&page, lines[i].kind, machine->granularity);
        put_line(&page, &lines[i]);
    }
    if (note) {
        end_line(&page);
        put_text(&page, 0, note);
    }
    return fflush(stream) == 0 && !ferror(stream) ? 0 : -EIO;
}
