/* SPDX-License-Identifier: MIT */
/* Which bundles, and the drop-in that comes of it all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/field.h"
#include "client/setup.h"

static bool needs(const json_t *bundle, const char *modality) {
    const json_t *modalities = json_object_get(bundle, "modalities");

    for (size_t i = 0; i < json_array_size(modalities); i++) {
        const char *one = json_string_value(json_array_get(modalities, i));

        if (one && strcmp(one, modality) == 0)
            return true;
    }
    return false;
}

static void show(const struct screen *screen, const json_t *list) {
    const json_t *bundles = json_object_get(list, "bundles"),
                 *broken = json_object_get(list, "broken");

    (void) fputs("\nBundles: what to detect\n", screen->out); /* ferror() is looked at by main() */
    for (size_t i = 0; i < json_array_size(bundles); i++) {
        const json_t *bundle = json_array_get(bundles, i);

        (void) fprintf(screen->out, "  %zu  ", i + 1);
        screen_cell(screen, COLOUR_BOLD, field_text(bundle, "name"), 12);
        (void) fprintf(screen->out, "%s%s%s", needs(bundle, "picture") ? "camera" : "",
                       needs(bundle, "picture") && needs(bundle, "sound") ? ", " : "",
                       needs(bundle, "sound") ? "microphone" : "");
        (void) fputs("; ", screen->out);
        (void) screen_text(screen, COLOUR_NONE, field_text(bundle, "licence"), 40);
        if (field_true(bundle, "non_commercial"))
            (void) screen_text(screen, COLOUR_WARN, ", not for commercial use", SIZE_MAX);
        (void) fputs("\n     ", screen->out);
        (void) screen_text(screen, COLOUR_DIM, field_text(bundle, "description"), SIZE_MAX);
        (void) fputc('\n', screen->out);
    }
    for (size_t i = 0; i < json_array_size(broken); i++) {
        (void) fputs("  -  ", screen->out);
        (void) screen_text(screen, COLOUR_DIM, field_text(json_array_get(broken, i), "why"),
                           SIZE_MAX);
        (void) fputc('\n', screen->out);
    }
}

static void add(struct setup_choice *choice, const json_t *bundle) {
    for (size_t i = 0; i < choice->n_bundles; i++)
        if (choice->bundles[i] == bundle)
            return; /* named twice */
    if (choice->n_bundles < SETUP_BUNDLES_MAX)
        choice->bundles[choice->n_bundles++] = bundle;
}

/* "1", "1 3", "1,3". Returns 0, -EAGAIN. */
static int take_numbers(const json_t *bundles, char *answer, struct setup_choice *choice) {
    char *rest = NULL;

    choice->n_bundles = 0;
    for (char *word = strtok_r(answer, " ,", &rest); word; word = strtok_r(NULL, " ,", &rest)) {
        char *end;
        const unsigned long number = strtoul(word, &end, 10);

        if (*end || number < 1 || number > json_array_size(bundles))
            return -EAGAIN;
        add(choice, json_array_get(bundles, number - 1));
    }
    if (choice->n_bundles == 0)
        add(choice, json_array_get(bundles, 0));
    return 0;
}

static int ask(struct client *client, const json_t *list, struct setup_choice *choice,
               struct fault *fault) {
    char answer[ANSWER_BYTES];
    int r;

    show(&client->screen, list);
    do {
        r = setup_ask(client, "Which? A number, or several [1]:", NULL, NULL, answer, fault);
        if (r == 0)
            r = take_numbers(json_object_get(list, "bundles"), answer, choice);
    } while (r == -EAGAIN);
    return r;
}

/* The installed bundle called @name. */
static int find(const json_t *list, const char *name, const json_t **ret, struct fault *fault) {
    const json_t *bundles = json_object_get(list, "bundles"),
                 *broken = json_object_get(list, "broken");

    for (size_t i = 0; i < json_array_size(bundles); i++)
        if (strcmp(field_text(json_array_get(bundles, i), "name"), name) == 0) {
            *ret = json_array_get(bundles, i);
            return 0;
        }
    for (size_t i = 0; i < json_array_size(broken); i++) {
        const char *path = field_text(json_array_get(broken, i), "path");
        const char *slash = strrchr(path, '/');

        if (strcmp(slash ? slash + 1 : path, name) == 0)
            return fault_set(fault, -ENOENT, "the bundle %s cannot be used: %s", name,
                             field_text(json_array_get(broken, i), "why"));
    }
    return fault_set(fault, -ENOENT,
                     "no bundle %s is installed; `sudo lookoutctl call ListBundles "
                     "'{\"installed\":true}'` lists them",
                     name);
}

int setup_bundles(struct client *client, const json_t *list, struct setup_choice *choice,
                  struct fault *fault) {
    const struct names *const wanted = &client->options.bundles;
    const json_t *bundles = json_object_get(list, "bundles"), *bundle = NULL;

    for (size_t i = 0; i < wanted->n; i++) {
        const int r = find(list, wanted->items[i], &bundle, fault);

        if (r < 0)
            return r;
        add(choice, bundle);
    }
    if (wanted->n > 0)
        return 0;
    if (json_array_size(bundles) == 0)
        return fault_set(fault, -ENOENT,
                         "no bundle that can be used is installed; apt install "
                         "lookout-demo-bundles, or see bundle.md to bring your own");
    if (!client->options.yes)
        return ask(client, list, choice, fault);
    if (json_array_size(bundles) > 1)
        return fault_set(fault, -EINVAL,
                         "several bundles are installed; choose with --bundle NAME");
    add(choice, json_array_get(bundles, 0));
    return 0;
}

static int write_task(FILE *out, const struct setup_choice *choice, const json_t *bundle,
                      struct fault *fault) {
    const bool sees = choice->camera && needs(bundle, "picture"),
               hears = choice->microphone && needs(bundle, "sound");
    const char *name = field_text(bundle, "name");

    if (!sees && !hears)
        return fault_set(fault, -EINVAL, "the bundle %s needs a %s%s%s, and none was chosen", name,
                         needs(bundle, "picture") ? "camera" : "",
                         needs(bundle, "picture") && needs(bundle, "sound") ? " or a " : "",
                         needs(bundle, "sound") ? "microphone" : "");
    (void) fprintf(out, "\n[task %s]\nbundle = %s\nsensors = %s%s%s\n", name, name,
                   sees ? "camera" : "", sees && hears ? ", " : "", hears ? "microphone" : "");
    return 0;
}

int setup_text(const struct setup_choice *choice, char **ret, struct fault *fault) {
    _cleanup_(freep) char *text = NULL;
    size_t n_bytes;
    FILE *out = open_memstream(&text, &n_bytes);
    int r = 0;

    if (!out)
        return fault_set(fault, -ENOMEM, "out of memory");
    (void) fputs("# Written by `lookoutctl setup`. Run it again, or change this and then\n"
                 "# `sudo lookoutctl reload`. See lookoutd.ini(5).\n",
                 out); /* fclose() tells */
    if (choice->camera)
        (void) fprintf(out, "\n[camera camera]\ndevice = %s\n",
                       field_text(choice->camera, "stable"));
    if (choice->microphone)
        (void) fprintf(out, "\n[microphone microphone]\ndevice = %s\n",
                       field_text(choice->microphone, "stable"));
    for (size_t i = 0; i < choice->n_bundles && r == 0; i++)
        r = write_task(out, choice, choice->bundles[i], fault);
    if (fclose(out) != 0 && r == 0)
        r = fault_set(fault, -ENOMEM, "out of memory");
    if (r < 0)
        return r;
    *ret = text;
    text = NULL; /* now the caller's */
    return 0;
}
