/* SPDX-License-Identifier: MIT */
/*
 * Method: the order of systemd's own configuration files, see
 * systemd-system.conf(5), "Configuration directories and precedence".
 */
#include "config/files.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

void ini_files_clear(struct ini_files *files) {
    for (size_t i = 0; i < files->n; i++)
        free(files->paths[i]);
    files->n = 0;
}

/* Takes @path over. A drop-in of the same name, from index @first on, is replaced. */
static int add(struct ini_files *files, size_t first, char *path, struct problems *problems) {
    for (size_t i = first; i < files->n; i++)
        if (strcmp(file_name(files->paths[i]), file_name(path)) == 0) {
            free(files->paths[i]);
            files->paths[i] = path;
            return 0;
        }
    if (files->n == INI_FILES_MAX) {
        problems_add(problems, "%s: more than %d configuration files", path, INI_FILES_MAX);
        free(path);
        return 0;
    }
    files->paths[files->n++] = path;
    return 0;
}

bool is_drop_in(const char *name) {
    const size_t n = strlen(name);

    return name[0] != '.' && n > 4 && n <= NAME_MAX && strcmp(name + n - 4, ".ini") == 0 &&
           !strchr(name, '/');
}

static int add_directory(struct ini_files *files, size_t first, const char *directory,
                         struct problems *problems) {
    DIR *stream = opendir(directory);
    const struct dirent *entry;
    int r = 0;

    if (!stream && errno != ENOENT && errno != ENOTDIR)
        problems_add(problems, "%s: cannot be read: %s", directory, strerror(errno));
    if (!stream)
        return 0;
    while (r == 0 && (entry = readdir(stream))) {
        char *path;

        if (!is_drop_in(entry->d_name))
            continue;
        if (asprintf(&path, "%s/%s", directory, entry->d_name) < 0)
            r = -ENOMEM;
        else
            r = add(files, first, path, problems);
    }
    (void) closedir(stream); /* only read from */
    return r;
}

static int by_name(const void *a, const void *b) {
    return strcmp(file_name(*(char *const *) a), file_name(*(char *const *) b));
}

/* `ln -s /dev/null NAME.ini` takes a drop-in away. */
static bool is_dev_null(const char *path) {
    struct stat status;

    return stat(path, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

static void drop_masked(struct ini_files *files) {
    size_t n = 0;

    for (size_t i = 0; i < files->n; i++)
        if (is_dev_null(files->paths[i]))
            free(files->paths[i]);
        else
            files->paths[n++] = files->paths[i];
    files->n = n;
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0 || errno != ENOENT;
}

static int find_main(const struct load_options *options, struct ini_files *files,
                     struct problems *problems) {
    static const char *const places[] = { "/etc/lookout/lookoutd.ini",
                                          "/usr/lib/lookout/lookoutd.ini" };
    char *path;

    if (options->file) {
        path = strdup(options->file);
        return path ? add(files, 0, path, problems) : -ENOMEM;
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (asprintf(&path, "%s%s", options->prefix ? options->prefix : "", places[i]) < 0)
            return -ENOMEM;
        if (exists(path))
            return add(files, 0, path, problems);
        free(path);
    }
    return 0;
}

static int find_drop_ins(const struct load_options *options, struct ini_files *files, size_t first,
                         struct problems *problems) {
    static const char *const places[] = { "/usr/lib/lookout", "/run/lookout", "/etc/lookout" };
    int r = 0;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && r == 0; i++) {
        _cleanup_(freep) char *directory = NULL;

        if (asprintf(&directory, "%s%s/lookoutd.ini.d", options->prefix ? options->prefix : "",
                     places[i]) < 0)
            return -ENOMEM;
        r = add_directory(files, first, directory, problems);
    }
    return r;
}

char *drop_in_path(const struct load_options *options, const char *name) {
    char *path;
    const int n = options->file ? asprintf(&path, "%s.d/%s", options->file, name)
                                : asprintf(&path, "%s/etc/lookout/lookoutd.ini.d/%s",
                                           options->prefix ? options->prefix : "", name);

    return n < 0 ? NULL : path;
}

/* The drop-in that is to be imagined, even where one of its name was masked. */
static int add_imagined(const struct load_options *options, struct ini_files *files, size_t first,
                        struct problems *problems) {
    char *path = options->drop_in ? drop_in_path(options, options->drop_in) : NULL;

    files->imagined = path;
    if (!path)
        return options->drop_in ? -ENOMEM : 0;
    return add(files, first, path, problems);
}

int ini_files_find(const struct load_options *options, struct ini_files *files,
                   struct problems *problems) {
    _cleanup_(freep) char *directory = NULL;
    size_t first;
    int r = find_main(options, files, problems);

    if (r < 0)
        return r;
    first = files->n;
    if (options->file) {
        if (asprintf(&directory, "%s.d", options->file) < 0)
            return -ENOMEM;
        r = add_directory(files, first, directory, problems);
    } else
        r = find_drop_ins(options, files, first, problems);
    if (r < 0)
        return r;
    drop_masked(files);
    r = add_imagined(options, files, first, problems);
    if (r < 0)
        return r;
    qsort(files->paths + first, files->n - first, sizeof(files->paths[0]), by_name);
    return 0;
}
