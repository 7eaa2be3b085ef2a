/* SPDX-License-Identifier: BSD-3-Clause */
/* The alternate page of the terminal, drawn over from the top: no library is needed for a table
 * that is only read. Every line is cut to the width in characters, so that a long name never wraps
 * and pushes the rest off the page. */
#include "cli/screen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void screen_measure(struct screen *screen)
{
    struct winsize size = {0};
    if (!screen->is_terminal)
        return;
    if (ioctl(fileno(screen->stream), TIOCGWINSZ, &size) < 0)
        size = (struct winsize){0};
    screen->rows = size.ws_row ? size.ws_row : 24;
    screen->columns = size.ws_col ? size.ws_col : 80;
}

void screen_init(struct screen *screen, FILE *stream)
{
    const char *term = getenv("TERM");
    const char *no_color = getenv("NO_COLOR");
    *screen = (struct screen){.stream = stream};
    screen->is_terminal = isatty(fileno(stream)) && term && *term && strcmp(term, "dumb") != 0;
    screen->has_bold = !no_color || !*no_color;
    screen_measure(screen);
}

/* Bytes of line that fill at most n_columns characters. */
static size_t fitting_bytes(const char *line, size_t size, unsigned n_columns)
{
    size_t bytes = 0;
    for (unsigned n = 0; bytes < size; bytes++) {
        bool begins_character = ((unsigned char)line[bytes] & 0xc0) != 0x80;
        if (begins_character && n++ == n_columns)
            break;
    }
    return bytes;
}

static void draw(const struct screen *screen, const char *text)
{
    (void)fputs("\033[H", screen->stream);
    for (unsigned row = 0; row < screen->rows && *text; row++) {
        size_t size = strcspn(text, "\n");
        bool is_bold = row == 0 && screen->has_bold;
        if (row > 0)
            (void)fputs("\r\n", screen->stream);
        (void)fputs(is_bold ? "\033[1m" : "", screen->stream);
        (void)fwrite(text, 1, fitting_bytes(text, size, screen->columns), screen->stream);
        (void)fputs(is_bold ? "\033[0m\033[K" : "\033[K", screen->stream);
        text += size + (text[size] == '\n');
    }
    (void)fputs("\033[J", screen->stream);
}

int screen_show(struct screen *screen, const char *text)
{
    if (screen->is_terminal) {
        if (!screen->is_open)
            (void)fputs("\033[?1049h\033[?25l", screen->stream);
        screen->is_open = true;
        draw(screen, text);
    } else {
        (void)fputs(text, screen->stream);
    }
    return fflush(screen->stream) != 0 || ferror(screen->stream) ? -EIO : 0;
}

void screen_close(struct screen *screen)
{
    if (!screen->is_open)
        return;
    (void)fputs("\033[?25h\033[?1049l", screen->stream);
    (void)fflush(screen->stream);
    screen->is_open = false;
}
