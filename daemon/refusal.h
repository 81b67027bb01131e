/* SPDX-License-Identifier: MIT */
/* refusal - the errors that more than one method answers with. Each is NULL without memory. */
#pragma once

#include "daemon/message.h"

/** @error of org.lookoutd.Lookout1, "NoSuchSensor", whose only parameter @key is @value. */
struct message *refusal_new(const char *error, const char *key, const char *value);

/** InvalidParameter: the one called @name. */
struct message *refusal_of_parameter(const char *name);

/** NotAllowed, to one who is no admin. */
struct message *refusal_of_peer(void);
