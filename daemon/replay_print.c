/* SPDX-License-Identifier: MIT */
#include "daemon/replay_print.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/load.h"
#include "daemon/event_json.h"
#include "daemon/message.h"
#include "daemon/plan.h"

enum { REPLAY_START_MS = 1000 }; /* of the virtual clock; 0 would mean "now" to a source */

static int print_notice(const struct notice *notice, void *user) {
    const struct event *event = &notice->event;
    json_t *json;

    if (notice->kind != NOTICE_EVENT)
        return 0;
    json = json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:o}", "phase", event_phase_name(event->phase), "task",
        event->task, "label", event->label, "confidence", number_json(event->confidence),
        "began_ms", number_json((double) event->began_ns / (double) NS_PER_MS - REPLAY_START_MS),
        "at_ms", number_json((double) event->at_ns / (double) NS_PER_MS - REPLAY_START_MS));
    {
        _cleanup_(message_unrefp) struct message *line = message_from_json(json);

        if (!line)
            return -ENOMEM;
        return puts(line->text) < 0 ? -EIO : 0;
    }
}

static int load(const char *config, struct settings **ret) {
    const struct load_options options = { .file = config };
    struct problems problems = { 0 };
    const int r = settings_load(&options, ret, &problems);

    for (size_t i = 0; i < problems.n; i++)
        (void) fprintf(stderr, "%s\n", problems.texts[i]);
    problems_clear(&problems);
    return r;
}

/* All sensors as fast as possible; what is no recording cannot be replayed. */
static int make_virtual(struct plan *plan, struct fault *fault) {
    for (size_t i = 0; i < plan->options.n_sensors; i++) {
        struct sensor_options *sensor = &plan->sensors[i];

        if (sensor->source.kind != SOURCE_RECORDING)
            return fault_set(fault, -EINVAL, "sensor %s: only recordings can be replayed",
                             sensor->name);
        sensor->source.as_fast_as_possible = true;
        sensor->source.loop = false; /* it would never end */
    }
    for (size_t i = 0; i < plan->n_all_tasks; i++)
        if (plan->all_tasks[i].reason[0])
            return fault_set(fault, -EINVAL, "task %s: %s", plan->all_tasks[i].name,
                             plan->all_tasks[i].reason);
    return 0;
}

int replay_print(const char *config) {
    _cleanup_(settings_freep) struct settings *settings = NULL;
    _cleanup_(plan_freep) struct plan *plan = NULL;
    struct fault fault = { "" };
    int r = load(config, &settings);

    if (r == 0)
        r = plan_new(settings, NULL, REPLAY_START_MS * NS_PER_MS, &plan);
    if (r == 0)
        r = make_virtual(plan, &fault);
    if (r == 0)
        r = pipeline_replay(&plan->options, print_notice, NULL, &fault);
    if (r < 0)
        (void) fprintf(stderr, "lookoutd: %s\n", fault.text[0] ? fault.text : strerror(-r));
    return r;
}
