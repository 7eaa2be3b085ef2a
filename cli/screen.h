/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a live view goes: on a terminal the same place again and again, cut to its size; through a pipe one text after the other, without escape codes. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct screen {
    FILE *stream;     /* borrowed */
    bool is_terminal; /* redraws */
    bool has_bold;    /* NO_COLOR is not set */
    bool is_open;     /* the terminal shows our page */
    unsigned rows, columns; /* of the terminal; 0 where it is none */
};

/* TERM=dumb is a pipe. */
void screen_init(struct screen *screen, FILE *stream);
/* After SIGWINCH. */
void screen_measure(struct screen *screen);
/* Shows a text of lines; its first line stands out on a terminal. 0 or -EIO. */
int screen_show(struct screen *screen, const char *text);
/* Gives the terminal back as it was. */
void screen_close(struct screen *screen);
