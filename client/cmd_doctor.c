/* SPDX-License-Identifier: MIT */
/* doctor: ask the daemon, look at the machine, say what is not as it should be. */
#include <errno.h>

#include "client/command.h"
#include "client/doctor.h"

/* What the daemon answered; all empty if it could not be asked. */
struct answers {
    struct reply status, bundles, settings, diagnosis;
};

static void answers_clear(struct answers *answers) {
    reply_clear(&answers->status);
    reply_clear(&answers->bundles);
    reply_clear(&answers->settings);
    reply_clear(&answers->diagnosis);
}

static int ask(const struct client *client, struct answers *ret, struct fault *fault) {
    int r = client_ask(client, "Status", NULL, &ret->status, fault);

    r = r < 0 ? r : client_ask(client, "ListBundles", NULL, &ret->bundles, fault);
    r = r < 0 ? r : client_ask(client, "GetConfig", NULL, &ret->settings, fault);
    return r < 0 ? r : client_ask(client, "Diagnose", NULL, &ret->diagnosis, fault);
}

static void show(const struct client *client, const struct machine *machine,
                 const json_t *findings) {
    if (client->options.json) {
        for (size_t i = 0; i < json_array_size(findings); i++)
            client_json(client, json_array_get(findings, i));
        return;
    }
    if (machine->model[0]) {
        (void) screen_text(&client->screen, COLOUR_BOLD, machine->model, SIZE_MAX);
        (void) fputc('\n', client->screen.out); /* ferror() is looked at by main() */
    }
    doctor_write(&client->screen, findings);
}

int cmd_doctor(struct client *client, struct fault *fault) {
    _cleanup_(answers_clear) struct answers answers = { 0 };
    struct fault unreachable = { "" };
    struct machine machine;
    const int asked = ask(client, &answers, &unreachable);
    const struct patient patient = {
        .machine = &machine,
        .unreachable = asked < 0 ? unreachable.text : NULL,
        .synchronised = instant_at(client->screen.now_ns, client->screen.boot_id).synchronised,
        .status = answers.status.parameters,
        .bundles = json_object_get(answers.bundles.parameters, "bundles"),
        .settings = json_object_get(answers.settings.parameters, "settings"),
        .diagnosis = answers.diagnosis.parameters,
        .now_ns = now_ns(),
    };
    _cleanup_(json_decrefp) json_t *findings = NULL;
    size_t n;

    machine_read("", &machine);
    findings = doctor_examine(&patient);
    if (!findings)
        return fault_set(fault, -ENOMEM, "out of memory");
    show(client, &machine, findings);
    n = doctor_n_findings(findings);
    if (asked == -EHOSTDOWN)
        return fault_set(fault, asked, "lookoutd could not be asked");
    return n == 0 ? 0
                  : fault_set(fault, -EUCLEAN, "%zu finding%s; good and note need nothing", n,
                              n == 1 ? "" : "s");
}
