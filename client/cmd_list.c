/* SPDX-License-Identifier: MIT */
/* sensors, tasks, bundles, devices: one table each. The tables also serve `status`. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "client/command.h"
#include "client/field.h"
#include "client/render_event.h"
#include "client/render_list.h"

typedef int render_fn(const struct screen *screen, const json_t *list, size_t indent);

/* Ask for a list, show it as lines of JSON or with @render, or say that it is empty. */
static int show(struct client *client, const char *method, const char *field, render_fn *render,
                const char *nothing, struct fault *fault) {
    _cleanup_(reply_clear) struct reply reply = { 0 };
    const json_t *list;
    int r = client_ask(client, method, NULL, &reply, fault);

    if (r < 0)
        return r;
    list = json_object_get(reply.parameters, field);
    if (client->options.json) {
        for (size_t i = 0; i < json_array_size(list); i++)
            client_json(client, json_array_get(list, i));
        return 0;
    }
    if (json_array_size(list) == 0) {
        (void) fprintf(client->screen.out, "%s\n", nothing); /* ferror() is looked at by main() */
        return 0;
    }
    r = render(&client->screen, list, 0);
    return r < 0 ? fault_set(fault, r, "out of memory") : 0;
}

int cmd_sensors(struct client *client, struct fault *fault) {
    return show(client, "ListSensors", "sensors", render_sensors,
                "No sensors: none is written down, and no task asks for one (lookoutd.ini(5)).",
                fault);
}

int cmd_tasks(struct client *client, struct fault *fault) {
    return show(client, "ListTasks", "tasks", render_tasks,
                "No tasks; add a [task NAME] section with a bundle (lookoutd.ini(5)).", fault);
}

int cmd_bundles(struct client *client, struct fault *fault) {
    return show(client, "ListBundles", "bundles", render_bundles,
                "No bundles were found; see `lookoutctl config lookoutd`, key bundles.", fault);
}

int cmd_devices(struct client *client, struct fault *fault) {
    return show(client, "ListDevices", "devices", render_devices,
                "No cameras or microphones; is one plugged in, and is lookoutd in the groups video "
                "and audio?",
                fault);
}
