/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "client/command.h"
#include "client/field.h"
#include "client/render_list.h"

/* Whether @wanted is the section, or the kind of section: "camera" for "camera gate". */
static bool is_wanted(const char *section, const char *wanted) {
    const size_t n = strlen(wanted);

    return strncmp(section, wanted, n) == 0 && (section[n] == '\0' || section[n] == ' ');
}

/* The settings of @section alone, or all without one; a new array, NULL without memory. */
static json_t *select_section(const json_t *settings, const char *section) {
    _cleanup_(json_decrefp) json_t *selected = json_array();

    for (size_t i = 0; selected && i < json_array_size(settings); i++) {
        json_t *setting = json_array_get(settings, i);
        if (section && !is_wanted(field_text(setting, "section"), section))
            continue;
        if (json_array_append(selected, setting) < 0)
            return NULL;
    }
    return json_incref(selected);
}

static int show(const struct client *client, const json_t *settings, struct fault *fault) {
    int r;

    if (client->options.json) {
        for (size_t i = 0; i < json_array_size(settings); i++)
            client_json(client, json_array_get(settings, i));
        return 0;
    }
    r = render_settings(&client->screen, settings, 0);
    return r < 0 ? fault_set(fault, r, "out of memory") : 0;
}

int cmd_config(struct client *client, struct fault *fault) {
    const char *section = client->options.n_words > 1 ? client->options.words[1] : NULL;
    _cleanup_(reply_clear) struct reply reply = { 0 };
    _cleanup_(json_decrefp) json_t *selected = NULL;
    int r = client_ask(client, "GetConfig", NULL, &reply, fault);

    if (r < 0)
        return r;
    selected = select_section(json_object_get(reply.parameters, "settings"), section);
    if (!selected)
        return fault_set(fault, -ENOMEM, "out of memory");
    if (section && json_array_size(selected) == 0)
        return fault_set(fault, -ENOENT, "there is no section [%s]; `lookoutctl config` lists all",
                         section);
    return show(client, selected, fault);
}

/* Every mistake in a line of its own; there may be more than a fault has room for. */
static int show_mistakes(const struct client *client, const struct reply *reply,
                         struct fault *fault) {
    const json_t *errors = json_object_get(reply->parameters, "errors");
    const struct screen screen = screen_of(stderr);

    if (strcmp(reply->error, LOOKOUT_INTERFACE ".BadConfig") != 0)
        return reply_fault(reply, fault);
    if (client->options.json)
        client_json(client, reply->parameters);
    for (size_t i = 0; !client->options.json && i < json_array_size(errors); i++) {
        const char *line = json_string_value(json_array_get(errors, i));
        (void) screen_text(&screen, COLOUR_NONE, line ? line : "",
                           SIZE_MAX); /* the terminal wraps */
        (void) fputc('\n', stderr);   /* which has no reader to tell */
    }
    return fault_set(fault, -EREMOTEIO, "the configuration is wrong; the old one goes on");
}

int cmd_reload(struct client *client, struct fault *fault) {
    _cleanup_(reply_clear) struct reply reply = { 0 };
    const json_t *changed;
    int r = client_ask(client, "Reload", NULL, &reply, fault);

    if (r == -EREMOTEIO)
        return show_mistakes(client, &reply, fault);
    if (r < 0)
        return r;
    changed = json_object_get(reply.parameters, "changed");
    if (client->options.json || json_array_size(changed) > 0)
        return show(client, changed, fault);
    (void) fputs("Read again; nothing changed.\n",
                 client->screen.out); /* ferror() is looked at by main() */
    return 0;
}
