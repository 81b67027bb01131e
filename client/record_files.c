/* SPDX-License-Identifier: MIT */
/* pairs.csv is quoted as RFC 4180, section 2, says. */
#include "client/record_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/units.h"

enum { MAGIC_BYTES = 4 };

struct record_files {
    char *path; /* owned */
    int directory_fd;
    size_t n;
    struct recorded items[RECORDED_MAX];
};

static int file_fault(const struct record_files *files, const char *what, const char *file,
                      struct fault *fault) {
    return fault_set(fault, -EIO, "cannot %s %s/%s: %s", what, files->path, file, strerror(errno));
}

/* SENSOR.part; what a file name cannot hold becomes `_`. */
static void name_file(const char *sensor, const char *suffix, char ret[RECORDED_FILE_BYTES]) {
    (void) snprintf(ret, RECORDED_FILE_BYTES, "%.80s%s", sensor, suffix); /* suffixes are short */
    for (char *c = ret; *c; c++)
        if (*c == '/' || (unsigned char) *c < ' ' || (c == ret && *c == '.'))
            *c = '_';
}

static int create_files(struct record_files *files, const char *const *sensors, size_t n,
                        struct fault *fault) {
    for (size_t i = 0; i < n; i++) {
        struct recorded *item = &files->items[i];
        *item = (struct recorded){ .sensor = sensors[i], .fd = -1 };
        name_file(sensors[i], ".part", item->file);
        item->fd =
            openat(files->directory_fd, item->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (item->fd < 0)
            return file_fault(files, "create", item->file, fault);
        files->n++;
    }
    return 0;
}

int record_files_new(const char *path, const char *const *sensors, size_t n,
                     struct record_files **ret, struct fault *fault) {
    _cleanup_(record_files_freep) struct record_files *files = calloc(1, sizeof(*files));
    int r;

    if (files)
        files->directory_fd = -1;
    if (!files || !(files->path = strdup(path)))
        return fault_set(fault, -EIO, "out of memory");
    if (mkdir(path, 0700) < 0) {
        if (errno == EEXIST)
            return fault_set(fault, -EEXIST, "%s exists already; name a new directory", path);
        return fault_set(fault, -EIO, "cannot make the directory %s: %s", path, strerror(errno));
    }
    files->directory_fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    if (files->directory_fd < 0)
        r = fault_set(fault, -EIO, "cannot open the directory %s: %s", path, strerror(errno));
    else
        r = create_files(files, sensors, n, fault);
    if (r < 0) {
        record_files_remove(files);
        return r;
    }
    *ret = files;
    files = NULL; /* now the caller's */
    return 0;
}

struct record_files *record_files_free(struct record_files *files) {
    if (!files)
        return NULL;
    for (size_t i = 0; i < files->n; i++)
        closep(&files->items[i].fd);
    closep(&files->directory_fd);
    free(files->path);
    free(files);
    return NULL;
}

void record_files_remove(struct record_files *files) {
    for (size_t i = 0; i < files->n; i++)
        (void) unlinkat(files->directory_fd, files->items[i].file, 0); /* what stays, stays empty */
    (void) rmdir(files->path);
}

struct recorded *record_files_at(struct record_files *files, size_t i) {
    return i < files->n ? &files->items[i] : NULL;
}

struct recorded *record_files_find(struct record_files *files, const char *sensor) {
    for (size_t i = 0; i < files->n; i++)
        if (strcmp(files->items[i].sensor, sensor) == 0)
            return &files->items[i];
    return NULL;
}

/* What lies in @fd: WAV begins with RIFF, a JPEG with its start-of-image marker. */
static enum recorded_data look_at(int fd) {
    unsigned char magic[MAGIC_BYTES] = { 0 };

    if (pread(fd, magic, sizeof(magic), 0) != sizeof(magic))
        return RECORDED_NOTHING;
    if (memcmp(magic, "RIFF", sizeof(magic)) == 0)
        return RECORDED_SOUND;
    return magic[0] == 0xff && magic[1] == 0xd8 ? RECORDED_PICTURE : RECORDED_NOTHING;
}

/* Give the whole files their names; what is none of these keeps .part, what is empty goes. */
static int name_whole(const struct record_files *files, struct recorded *item,
                      struct fault *fault) {
    char name[RECORDED_FILE_BYTES];

    item->data = look_at(item->fd);
    if (item->data == RECORDED_NOTHING && lseek(item->fd, 0, SEEK_END) == 0) {
        (void) unlinkat(files->directory_fd, item->file, 0); /* else it stays, empty */
        item->file[0] = '\0';
    }
    if (item->data == RECORDED_NOTHING)
        return 0;
    name_file(item->sensor, item->data == RECORDED_SOUND ? ".wav" : ".mjpeg", name);
    if (renameat2(files->directory_fd, item->file, files->directory_fd, name, RENAME_NOREPLACE) < 0)
        return file_fault(files, "rename to", name, fault);
    (void) strcpy(item->file, name); /* of the same size */
    return 0;
}

static FILE *create_text(const struct record_files *files, const char *name) {
    const int fd = openat(files->directory_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    return fd < 0 ? NULL : fdopen(fd, "w"); /* fdopen fails without memory only */
}

/* Flush, close, and tell whether all was written. */
static int close_text(const struct record_files *files, FILE *file, const char *name,
                      struct fault *fault) {
    const bool failed = ferror(file);

    return fclose(file) == EOF || failed ? file_fault(files, "write", name, fault) : 0;
}

static void write_quoted(FILE *file, const char *text) {
    if (!strpbrk(text, ",\"\r\n")) {
        (void) fputs(text, file); /* close_text() looks at ferror(), here and below */
        return;
    }
    (void) fputc('"', file);
    for (; *text; text++)
        (void) fprintf(file, *text == '"' ? "\"\"" : "%c", *text);
    (void) fputc('"', file);
}

/* "gate.mjpeg,120": the file and where in it the pair begins; "," for none. */
static void write_side(FILE *file, const struct recorded *item, int64_t start_ns) {
    if (item)
        write_quoted(file, item->file);
    (void) fputc(',', file);
    if (item)
        (void) fprintf(file, "%" PRId64, (start_ns - item->first_ns) / NS_PER_MS);
    (void) fputc(',', file);
}

/* One row: the time both were recorded. Either may be NULL. */
static void write_pair(FILE *file, const char *name, const struct recorded *sound,
                       const struct recorded *picture) {
    const struct recorded *one = sound ? sound : picture, *other = picture ? picture : sound;
    const int64_t start_ns = one->first_ns > other->first_ns ? one->first_ns : other->first_ns;
    const int64_t end_ns = one->last_ns < other->last_ns ? one->last_ns : other->last_ns;

    if (end_ns < start_ns)
        return; /* never at the same time */
    write_quoted(file, name);
    (void) fputc(',', file);
    write_side(file, sound, start_ns);
    write_side(file, picture, start_ns);
    (void) fprintf(file, "%" PRId64 ",,\n", (end_ns - start_ns) / NS_PER_MS);
}

/* The first recorded item of @data from @i on; NULL if there is none. */
static const struct recorded *next_of(const struct record_files *files, enum recorded_data data,
                                      size_t *i) {
    while (*i < files->n)
        if (files->items[(*i)++].data == data)
            return &files->items[*i - 1];
    return NULL;
}

/* Each sound with each picture; what has no partner stands alone. */
static void write_pairs(FILE *file, const struct record_files *files, const char *name) {
    const struct recorded *sound, *picture;
    size_t s = 0, p = 0;

    (void) fputs(
        "recording,sound,sound_start_ms,picture,picture_start_ms,duration_ms,label,split\n", file);
    if (!next_of(files, RECORDED_SOUND, &s))
        while ((picture = next_of(files, RECORDED_PICTURE, &p)))
            write_pair(file, name, NULL, picture);
    for (s = 0; (sound = next_of(files, RECORDED_SOUND, &s));) {
        p = 0;
        picture = next_of(files, RECORDED_PICTURE, &p);
        do
            write_pair(file, name, sound, picture);
        while (picture && (picture = next_of(files, RECORDED_PICTURE, &p)));
    }
}

static int64_t first_of_all(const struct record_files *files) {
    int64_t first_ns = INT64_MAX;

    for (size_t i = 0; i < files->n; i++)
        if (files->items[i].data != RECORDED_NOTHING && files->items[i].first_ns < first_ns)
            first_ns = files->items[i].first_ns;
    return first_ns;
}

static void write_replay(FILE *file, const struct record_files *files, const char *when) {
    const int64_t first_ns = first_of_all(files);

    (void) fprintf(
        file,
        "# Plays back what `lookoutctl record` wrote on %s.\n"
        "# Add the tasks that shall judge it, for instance\n"
        "#   [task yard]\n#   bundle = yard\n"
        "# and run: lookoutd --config replay.ini --socket ./replay.sock --state ./replay-state\n",
        when);
    for (size_t i = 0; i < files->n; i++) {
        const struct recorded *item = &files->items[i];
        if (item->data == RECORDED_NOTHING)
            continue;
        (void) fprintf(file, "\n[recording %s]\ndata = %s\nfile = %s\noffset_ms = %.3f\n",
                       item->sensor, item->data == RECORDED_SOUND ? "sound" : "picture", item->file,
                       (double) (item->first_ns - first_ns) / (double) NS_PER_MS);
    }
}

int record_files_finish(struct record_files *files, const char *when, struct fault *fault) {
    const char *slash = strrchr(files->path, '/'),
               *name = slash && slash[1] ? slash + 1 : files->path;
    FILE *file;
    int r = 0;

    for (size_t i = 0; r == 0 && i < files->n; i++)
        r = name_whole(files, &files->items[i], fault);
    if (r < 0)
        return r;

    file = create_text(files, "pairs.csv");
    if (!file)
        return file_fault(files, "create", "pairs.csv", fault);
    write_pairs(file, files, name);
    r = close_text(files, file, "pairs.csv", fault);
    if (r < 0)
        return r;

    file = create_text(files, "replay.ini");
    if (!file)
        return file_fault(files, "create", "replay.ini", fault);
    write_replay(file, files, when);
    return close_text(files, file, "replay.ini", fault);
}
