/* SPDX-License-Identifier: MIT */
/* check_config - CheckConfig: what a drop-in would do, before it is put in place. Main thread only.
 */
#pragma once

#include <jansson.h>

#include "daemon/daemon.h"
#include "daemon/message.h"

/** The answer for the @parameters name and text, or the refusal; NULL without memory. */
struct message *check_config(const struct daemon *daemon, const json_t *parameters);
