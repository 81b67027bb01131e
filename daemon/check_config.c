/* SPDX-License-Identifier: MIT */
#include "daemon/check_config.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "daemon/event_json.h"
#include "daemon/refusal.h"
#include "daemon/status.h"
#include "daemon/varlink.h"

/* Task to why it would not run. */
static json_t *stopped_json(const struct plan *plan) {
    json_t *stopped = json_object();

    for (size_t i = 0; stopped && i < plan->n_all_tasks; i++)
        if (plan->all_tasks[i].reason[0])
            (void) json_object_set_new(stopped, plan->all_tasks[i].name,
                                       text_json(plan->all_tasks[i].reason));
    return stopped;
}

static struct message *refusal_of(struct problems *problems) {
    json_t *errors = problems_json(problems);

    problems_clear(problems);
    return varlink_error("org.lookoutd.Lookout1.BadConfig", json_pack("{s:o}", "errors", errors));
}

/* @path for one who may be in another folder: `--config my.ini` goes by ours. NULL without memory.
 */
static json_t *whole_path(const char *path) {
    char folder[PATH_MAX];

    if (path[0] == '/' || !getcwd(folder, sizeof(folder)))
        return text_json(path);
    return json_sprintf("%s/%s", folder, path);
}

struct message *check_config(const struct daemon *daemon, const json_t *parameters) {
    const char *const name = json_string_value(json_object_get(parameters, "name"));
    const char *const text = json_string_value(json_object_get(parameters, "text"));
    struct load_options load = daemon->load;
    _cleanup_(settings_freep) struct settings *settings = NULL;
    _cleanup_(plan_freep) struct plan *plan = NULL;
    _cleanup_(freep) char *path = NULL;
    struct problems problems = { 0 };
    int r;

    if (!text)
        return refusal_of_parameter("text");
    if (!name || !is_drop_in(name))
        return refusal_of_parameter("name");
    load.drop_in = name;
    load.drop_in_text = text;
    r = settings_load(&load, &settings, &problems);
    if (r == -EBADMSG)
        return refusal_of(&problems);
    if (r == 0)
        r = plan_new(settings, daemon->plan, now_ns(), &plan);
    path = drop_in_path(&load, name);
    if (r < 0 || !path)
        return NULL;
    return varlink_reply(
        json_pack("{s:o, s:o}", "path", whole_path(path), "stopped", stopped_json(plan)), false);
}
