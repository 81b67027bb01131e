/* SPDX-License-Identifier: MIT */
#include "daemon/refusal.h"

#include <stdio.h>

#include "daemon/event_json.h"
#include "daemon/peer.h"
#include "daemon/varlink.h"

struct message *refusal_new(const char *error, const char *key, const char *value) {
    char name[96];

    (void) snprintf(name, sizeof(name), "org.lookoutd.Lookout1.%s", error); /* short names */
    return varlink_error(name, json_pack("{s:o}", key, text_json(value)));
}

struct message *refusal_of_parameter(const char *name) {
    return varlink_error("org.varlink.service.InvalidParameter",
                         json_pack("{s:s}", "parameter", name));
}

struct message *refusal_of_peer(void) {
    return refusal_new("NotAllowed", "needs", peer_needs);
}
