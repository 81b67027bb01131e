/* SPDX-License-Identifier: MIT */
/*
 * UTF-8 is decoded by hand (RFC 3629, section 3), so that the same bytes render
 * the same under every locale; column widths are wcwidth(3)'s.
 */
#include "client/render.h"

#include <langinfo.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

enum { COLUMNS_DEFAULT = 80, ROWS_DEFAULT = 24 }; /* of a serial console */

/* One character on the screen. */
struct glyph {
    char bytes[5];
    size_t columns;
};

/* SGR sequences (ECMA-48, 8.3.117), indexed by enum colour. */
static const char *const sequences[] = {
    [COLOUR_NONE] = "",         [COLOUR_BOLD] = "\033[1m",  [COLOUR_DIM] = "\033[2m",
    [COLOUR_GOOD] = "\033[32m", [COLOUR_WARN] = "\033[33m", [COLOUR_BAD] = "\033[31m",
};

/* As the terminal's own documentation has it: COLORTERM for 24 bits, TERM for 256. */
static enum depth depth_of(const char *term) {
    const char *colorterm = getenv("COLORTERM");

    if (colorterm && (strcmp(colorterm, "truecolor") == 0 || strcmp(colorterm, "24bit") == 0))
        return DEPTH_TRUE;
    return term && strstr(term, "256color") ? DEPTH_256 : DEPTH_FEW;
}

struct screen screen_of(FILE *out) {
    struct screen screen = { .out = out, .now_ns = now_ns() };
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    boot_id(screen.boot_id);
    screen.unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (!isatty(fileno(out)))
        return screen;
    screen.colour = (!no_color || !*no_color) && term && strcmp(term, "dumb") != 0;
    screen.depth = depth_of(term);
    screen.columns = COLUMNS_DEFAULT;
    screen.rows = ROWS_DEFAULT;
    screen_measure(&screen);
    return screen;
}

void screen_measure(struct screen *screen) {
    struct winsize size;

    if (screen->columns == 0 || ioctl(fileno(screen->out), TIOCGWINSZ, &size) < 0 ||
        size.ws_col == 0)
        return;
    screen->columns = size.ws_col;
    screen->rows = size.ws_row > 0 ? size.ws_row : ROWS_DEFAULT;
}

/* Bytes of the sequence that @lead begins, 0 if none can. */
static size_t sequence_bytes(unsigned char lead) {
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef)
        return 3;
    if (lead >= 0xf0 && lead <= 0xf4)
        return 4;
    return 0;
}

/* Decode one code point of @text into @ret; returns its bytes, 0 if they are not UTF-8. */
static size_t decode(const char *text, uint32_t *ret) {
    static const uint8_t lead_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    const size_t n = sequence_bytes((unsigned char) text[0]);
    uint32_t code = n ? (unsigned char) text[0] & lead_bits[n] : 0;

    for (size_t i = 1; i < n; i++) {
        const unsigned char byte =
            (unsigned char) text[i]; /* NUL ends the loop: it is no continuation */
        if ((byte & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (byte & 0x3f);
    }
    *ret = code;
    return n;
}

/* Characters a terminal would obey instead of showing. */
static bool is_harmful(uint32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || /* C0, DEL, C1 */
           (code >= 0x200b && code <= 0x200f) ||           /* zero width, direction marks */
           (code >= 0x2028 && code <= 0x202e) ||           /* separators, direction overrides */
           (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

static struct glyph substitute(const struct screen *screen) {
    struct glyph glyph = { .columns = 1 };

    (void) strcpy(glyph.bytes, screen->unicode ? "\xef\xbf\xbd" : "?"); /* U+FFFD; fits */
    return glyph;
}

/* Take one glyph off @text. Returns false at its end. */
static bool next_glyph(const struct screen *screen, const char **text, struct glyph *ret) {
    uint32_t code = 0;
    size_t n;
    int columns;

    if (!**text)
        return false;
    n = decode(*text, &code);
    if (n == 0 || is_harmful(code) || (code >= 0x80 && !screen->unicode)) {
        *ret = substitute(screen);
        *text += n ? n : 1;
        return true;
    }
    columns = wcwidth((wchar_t) code);
    *ret = (struct glyph){ .columns = columns >= 0 ? (size_t) columns : 1 };
    (void) memcpy(ret->bytes, *text, n);
    *text += n;
    return true;
}

size_t screen_columns(const struct screen *screen, const char *text) {
    struct glyph glyph;
    size_t columns = 0;

    while (next_glyph(screen, &text, &glyph))
        columns += glyph.columns;
    return columns;
}

size_t screen_text(const struct screen *screen, enum colour colour, const char *text,
                   size_t columns_max) {
    const bool colours = screen->colour && colour != COLOUR_NONE && *text;
    const bool cut = screen_columns(screen, text) > columns_max;
    const size_t room = cut && columns_max > 0 ? columns_max - 1 : columns_max;
    struct glyph glyph;
    size_t columns = 0;

    if (colours)
        (void) fputs(sequences[colour],
                     screen->out); /* ferror() is looked at when the program ends */
    while (next_glyph(screen, &text, &glyph) && columns + glyph.columns <= room) {
        (void) fputs(glyph.bytes, screen->out);
        columns += glyph.columns;
    }
    if (cut && columns_max > 0) {
        (void) fputs(screen->unicode ? "\xe2\x80\xa6" : "~", screen->out); /* U+2026 */
        columns++;
    }
    if (colours)
        (void) fputs("\033[0m", screen->out);
    return columns;
}

void screen_space(const struct screen *screen, size_t n) {
    (void) fprintf(screen->out, "%*s", (int) n, "");
}

void screen_cell(const struct screen *screen, enum colour colour, const char *text,
                 size_t columns) {
    screen_space(screen, columns - screen_text(screen, colour, text, columns));
}

void screen_bar(const struct screen *screen, double fraction, size_t columns) {
    const char *full = screen->unicode ? "\xe2\x96\x88" : "#";  /* U+2588 */
    const char *empty = screen->unicode ? "\xe2\x96\x91" : "."; /* U+2591 */
    const double cells = isnan(fraction) ? 0 : fmin(fmax(fraction, 0), 1) * (double) columns;

    for (size_t i = 0; i < columns; i++)
        (void) fputs((double) i + 0.5 <= cells ? full : empty, screen->out);
}
