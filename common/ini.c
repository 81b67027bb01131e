/* SPDX-License-Identifier: MIT */
#include "common/ini.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"

enum { SECTION_BYTES_MAX = 256 };

/* Some editors write it in front of UTF-8; nobody sees it. */
static const char BYTE_ORDER_MARK[] = "\xef\xbb\xbf";

static bool is_space(char c) {
    return isspace((unsigned char) c) != 0;
}

/* Cut white space from both ends of the string at @text, in place. */
static char *trim(char *text) {
    char *end;

    while (is_space(*text))
        text++;
    end = text + strlen(text);
    while (end > text && is_space(end[-1]))
        end--;
    *end = '\0';
    return text;
}

/* A comment starts the line, or stands behind white space. */
static void cut_comment(char *text) {
    for (char *c = text; *c; c++)
        if ((*c == ';' || *c == '#') && (c == text || is_space(c[-1]))) {
            *c = '\0';
            return;
        }
}

/* "[ camera   gate ]" -> "camera gate" in @section. Returns what is wrong, or NULL. */
static const char *read_header(char *text, char section[SECTION_BYTES_MAX]) {
    char *close_bracket = strchr(text, ']');
    size_t n = 0;

    if (!close_bracket)
        return "the section header has no closing ']'";
    if (close_bracket[1] != '\0')
        return "something stands behind the ']' of a section header";
    *close_bracket = '\0';
    text = trim(text + 1);
    if (*text == '\0')
        return "the section header is empty; write for instance [camera gate]";
    if (strlen(text) >= SECTION_BYTES_MAX)
        return "the section header is too long (at most 255 characters)";
    for (const char *c = text; *c; c++) /* runs of white space become one blank */
        if (!is_space(*c))
            section[n++] = *c;
        else if (section[n - 1] != ' ')
            section[n++] = ' ';
    section[n] = '\0';
    return NULL;
}

/* One line without its newline, NUL-terminated. */
static int read_line(char *line, struct ini_item *item, char section[SECTION_BYTES_MAX],
                     ini_item_fn *fn, void *user) {
    char *text, *equals;

    item->key = item->value = item->problem = item->text = NULL;
    cut_comment(line);
    text = trim(line);
    if (*text == '\0')
        return 0;

    if (*text == '[') {
        item->problem = read_header(text, section);
        if (item->problem)
            section[0] = '\0'; /* what follows must not count as the section before */
        return fn(item, user);
    }

    equals = strchr(text, '=');
    if (!equals || equals == text) {
        item->problem = "neither a [section], nor `key = value`, nor a comment (# or ;)";
        item->text = text;
        return fn(item, user);
    }
    *equals = '\0';
    item->key = trim(text);
    item->value = trim(equals + 1);
    return fn(item, user);
}

int ini_read_text(const char *name, const char *text, size_t n_bytes, ini_item_fn *fn, void *user) {
    char section[SECTION_BYTES_MAX] = "", line[INI_LINE_BYTES_MAX + 1];
    struct ini_item item = { .file = name, .section = section };
    const char *const end = text + n_bytes;
    int r = 0;

    if (n_bytes >= strlen(BYTE_ORDER_MARK) &&
        memcmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
        text += strlen(BYTE_ORDER_MARK);
    while (text < end && r == 0) {
        const char *const newline = memchr(text, '\n', (size_t) (end - text));
        const size_t n = (size_t) ((newline ? newline : end) - text);

        item.line++;
        if (n > INI_LINE_BYTES_MAX || memchr(text, '\0', n)) {
            item.key = item.value = item.text = NULL;
            item.problem = n > INI_LINE_BYTES_MAX ? "the line is too long (at most 4096 characters)"
                                                  : "the line has a NUL byte; is this a text file?";
            r = fn(&item, user);
        } else {
            memcpy(line, text, n);
            line[n] = '\0';
            r = read_line(line, &item, section, fn, user);
        }
        if (!newline)
            break;
        text = newline + 1;
    }
    return r;
}

int ini_read(const char *path, ini_item_fn *fn, void *user, struct fault *fault) {
    _cleanup_(closep) int fd = -1;
    _cleanup_(freep) char *text = NULL;
    struct stat stat;
    size_t n = 0;

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block us */
    if (fd < 0)
        return fault_set(fault, -errno, "%s: cannot be opened: %s", path, strerror(errno));
    if (fstat(fd, &stat) < 0)
        return fault_set(fault, -errno, "%s: cannot be read: %s", path, strerror(errno));
    if (!S_ISREG(stat.st_mode))
        return fault_set(fault, -EINVAL, "%s: is not a regular file", path);
    if (stat.st_size > INI_FILE_BYTES_MAX)
        return fault_set(fault, -EFBIG, "%s: is larger than 1 MiB; is this a configuration file?",
                         path);

    text = malloc((size_t) stat.st_size + 1);
    if (!text)
        return -ENOMEM;
    while (n < (size_t) stat.st_size) {
        const ssize_t got = read(fd, text + n, (size_t) stat.st_size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fault_set(fault, -errno, "%s: cannot be read: %s", path, strerror(errno));
        if (got == 0)
            break; /* it shrank while we read */
        n += (size_t) got;
    }
    return ini_read_text(path, text, n, fn, user);
}
