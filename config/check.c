/* SPDX-License-Identifier: MIT */
#include "config/check.h"

#include <string.h>

#include "config/suggest.h"

/* Where the value of @key stands, or its section if nobody set it. */
static const struct origin *origin_of(const struct section *section, const char *key) {
    size_t n;
    const struct setting *rows = settings_rows(section->kind, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].key, key) == 0 && section->entries[i].origin.file)
            return &section->entries[i].origin;
    return &section->origin;
}

static void check_required(const struct section *section, const char *key, const char *value,
                           const char *example, struct problems *problems) {
    if (value[0] == '\0')
        problems_add(problems, "%s:%u: [%s %s]: `%s` must be set, for instance %s = %s",
                     section->origin.file, section->origin.line, section_kind_name(section->kind),
                     section->name, key, key, example);
}

/* Tasks name sensors without their kind, so no two may have the same name. */
static void check_clash(const struct settings *settings, const struct section *section,
                        struct problems *problems) {
    for (const struct section *other = settings->sections; other < section; other++)
        if (section_is_sensor(other->kind) && strcmp(other->name, section->name) == 0)
            problems_add(
                problems,
                "%s:%u: [%s %s]: the name is taken by [%s %s] at %s:%u; sensors of all kinds "
                "need different names",
                section->origin.file, section->origin.line, section_kind_name(section->kind),
                section->name, section_kind_name(other->kind), other->name, other->origin.file,
                other->origin.line);
}

static bool is_sensor(const struct settings *settings, const char *name) {
    for (size_t i = 0; i < settings->n_sections; i++)
        if (section_is_sensor(settings->sections[i].kind) &&
            strcmp(settings->sections[i].name, name) == 0)
            return true;
    return false;
}

static void check_task_sensor(const struct settings *settings, const struct section *section,
                              size_t i, struct problems *problems) {
    const struct name_list *sensors = &section->task.sensors;
    const struct origin *origin = origin_of(section, "sensors");
    struct suggest suggest = { .word = sensors->names[i] };

    for (size_t j = 0; j < i; j++)
        if (strcmp(sensors->names[i], sensors->names[j]) == 0)
            problems_add(problems, "%s:%u: [task %s] sensors: `%s` is named twice", origin->file,
                         origin->line, section->name, sensors->names[i]);
    if (is_sensor(settings, sensors->names[i]))
        return;
    for (size_t j = 0; j < settings->n_sections; j++)
        if (section_is_sensor(settings->sections[j].kind))
            suggest_offer(&suggest, settings->sections[j].name);
    if (suggest.best)
        problems_add(problems,
                     "%s:%u: [task %s] sensors: no sensor is named `%s`; did you mean `%s`?",
                     origin->file, origin->line, section->name, sensors->names[i], suggest.best);
    else
        problems_add(
            problems,
            "%s:%u: [task %s] sensors: no sensor is named `%s`; it needs a section [camera %s], "
            "[microphone %s] or [recording %s]",
            origin->file, origin->line, section->name, sensors->names[i], sensors->names[i],
            sensors->names[i], sensors->names[i]);
}

static void check_task(const struct settings *settings, const struct section *section,
                       struct problems *problems) {
    const struct task_settings *task = &section->task;
    const struct origin *origin = origin_of(section, "off");

    check_required(section, "bundle", task->bundle, "yard", problems);
    for (size_t i = 0; i < task->sensors.n; i++)
        check_task_sensor(settings, section, i, problems);
    if (task->off > task->on) /* false if either is NAN */
        problems_add(problems, "%s:%u: [task %s] off = %g: must not be above `on`, which is %g",
                     origin->file, origin->line, section->name, task->off, task->on);
}

void settings_check(const struct settings *settings, struct problems *problems) {
    size_t n_sensors = 0, n_tasks = 0;

    for (size_t i = 0; i < settings->n_sections; i++) {
        const struct section *section = &settings->sections[i];

        n_sensors += section_is_sensor(section->kind);
        n_tasks += section->kind == SECTION_TASK;
        if (section_is_sensor(section->kind))
            check_clash(settings, section, problems);
        if (section->kind == SECTION_RECORDING)
            check_required(section, "file", section->recording.file, "scene/sound.flac", problems);
        if (section->kind == SECTION_TASK)
            check_task(settings, section, problems);
        if (section_is_sensor(section->kind) && n_sensors == CHECK_SENSORS_MAX + 1)
            problems_add(problems, "%s:%u: [%s %s]: more than %d sensors", section->origin.file,
                         section->origin.line, section_kind_name(section->kind), section->name,
                         CHECK_SENSORS_MAX);
        if (section->kind == SECTION_TASK && n_tasks == CHECK_TASKS_MAX + 1)
            problems_add(problems, "%s:%u: [task %s]: more than %d tasks", section->origin.file,
                         section->origin.line, section->name, CHECK_TASKS_MAX);
    }
}
