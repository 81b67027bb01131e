/* SPDX-License-Identifier: MIT */
/*
 * A picture sequence: the PNG and JPEG files of a directory, by their names'
 * extension, in the order of the names' bytes (strcmp(3), no locale). One file
 * alone is a sequence of one.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "pipeline/image_file.h"
#include "pipeline/picture_reader.h"

struct files_reader {
    struct picture_reader reader;
    struct image_file *image;
    struct dirent **entries; /* by scandir(3); NULL: the path itself is the picture */
    int n_files, n_loaded;
    char path[SOURCE_PATH_BYTES];
};

static void files_free(struct picture_reader *reader) {
    struct files_reader *files = (struct files_reader *) reader;

    for (int i = 0; files->entries && i < files->n_files; i++)
        free(files->entries[i]);
    free(files->entries);
    image_file_free(files->image);
    free(files);
}

static int files_load(struct picture_reader *reader, struct fault *fault) {
    struct files_reader *files = (struct files_reader *) reader;

    if (files->n_loaded == files->n_files)
        return 0;
    files->n_loaded++;
    return 1;
}

static int files_decode(struct picture_reader *reader, struct frame *ret, struct fault *fault) {
    const struct files_reader *files = (const struct files_reader *) reader;
    char path[SOURCE_PATH_BYTES + NAME_MAX + 2];

    if (files->entries)
        (void) snprintf(path, sizeof(path), "%s/%s", files->path,
                        files->entries[files->n_loaded - 1]->d_name);
    else
        (void) strcpy(path, files->path); /* it is larger */
    return image_file_read(files->image, path, reader->want_width_px, reader->want_height_px, ret,
                           fault);
}

static int files_rewind(struct picture_reader *reader, struct fault *fault) {
    ((struct files_reader *) reader)->n_loaded = 0;
    return 0;
}

static const struct picture_reader_class files_class = {
    .load = files_load,
    .decode = files_decode,
    .rewind = files_rewind,
    .free = files_free,
};

static int is_picture(const struct dirent *entry) {
    const char *const dot = strrchr(entry->d_name, '.');

    return entry->d_name[0] != '.' && dot &&
           (strcasecmp(dot, ".png") == 0 || strcasecmp(dot, ".jpg") == 0 ||
            strcasecmp(dot, ".jpeg") == 0);
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int list(struct files_reader *files, struct fault *fault) {
    struct stat st;

    if (stat(files->path, &st) < 0)
        return fault_set(fault, -errno, "%s: %s", files->path, strerror(errno));
    if (!S_ISDIR(st.st_mode)) {
        files->n_files = 1;
        return 0;
    }
    files->n_files = scandir(files->path, &files->entries, is_picture, by_bytes);
    if (files->n_files < 0) {
        files->n_files = 0;
        return fault_set(fault, -errno, "%s: %s", files->path, strerror(errno));
    }
    if (files->n_files == 0)
        return fault_set(fault, -EBADMSG, "%s: no .png, .jpg or .jpeg in this directory",
                         files->path);
    return 0;
}

int reader_files_new(const struct source_options *options, struct picture_reader **ret,
                     struct fault *fault) {
    _cleanup_(picture_reader_freep) struct picture_reader *reader = NULL;
    struct files_reader *files = calloc(1, sizeof(*files));
    int r;

    if (!files)
        return -ENOMEM;
    files->reader =
        (struct picture_reader){ .class = &files_class, .marker_ns = -1, .name = "pictures" };
    reader = &files->reader;
    (void) strcpy(files->path, options->device); /* arrays of one size */
    r = image_file_new(&files->image);
    if (r < 0)
        return r;
    r = list(files, fault);
    if (r < 0)
        return r;
    *ret = reader;
    reader = NULL;
    return 0;
}
