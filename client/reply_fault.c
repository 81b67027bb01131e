/* SPDX-License-Identifier: MIT */
/* Error replies in words: the interface's own, and those of org.varlink.service. */
#include <errno.h>
#include <string.h>

#include "client/connection.h"
#include "client/field.h"

/* One kind of error: its parameter stands between the two halves of the sentence. */
struct wording {
    const char *error, *parameter, *before, *after;
};

static const struct wording wordings[] = {
    { LOOKOUT_INTERFACE ".NotAllowed", "needs", "not allowed; this needs ", "" },
    { LOOKOUT_INTERFACE ".BadConfig", "", "the configuration is wrong; the old one goes on", "" },
    { LOOKOUT_INTERFACE ".NoSuchSensor", "name", "there is no sensor ",
      "; `lookoutctl sensors` lists them" },
    { LOOKOUT_INTERFACE ".NoSuchTask", "name", "there is no task ",
      "; `lookoutctl tasks` lists them" },
    { LOOKOUT_INTERFACE ".NoSuchLabel", "name", "no task has the label ",
      "; labels.txt in a task's bundle lists its labels" },
    { LOOKOUT_INTERFACE ".BadRequest", "why", "lookoutd refuses: ", "" },
    { "org.varlink.service.MethodNotFound", "method", "lookoutd does not know the method ",
      "; it may be older than this lookoutctl" },
    { "org.varlink.service.MethodNotImplemented", "method", "lookoutd does not offer the method ",
      "" },
    { "org.varlink.service.InterfaceNotFound", "interface", "lookoutd does not know the interface ",
      "" },
    { "org.varlink.service.ExpectedMore", "", "this method streams; ask with --more", "" },
    { "org.varlink.service.InvalidParameter", "parameter", "lookoutd refuses the parameter ", "" },
};

int reply_fault(const struct reply *reply, struct fault *fault) {
    const char *error = reply->error ? reply->error : "";

    if (!fault)
        return -EREMOTEIO;
    if (strcmp(error, LOOKOUT_INTERFACE ".TooSlow") == 0)
        return fault_set(fault, -EREMOTEIO,
                         "lookoutd dropped this subscriber: it read too slowly, %lld lost",
                         (long long) field_integer(reply->parameters, "n_dropped"));
    for (size_t i = 0; i < sizeof(wordings) / sizeof(*wordings); i++)
        if (strcmp(error, wordings[i].error) == 0)
            return fault_set(fault, -EREMOTEIO, "%s%s%s", wordings[i].before,
                             field_text(reply->parameters, wordings[i].parameter),
                             wordings[i].after);
    return fault_set(fault, -EREMOTEIO, "lookoutd answered with the error %s", error);
}
