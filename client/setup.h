/* SPDX-License-Identifier: MIT */
/* setup - the parts of `setup`: who is asked, what can be chosen, what is written. */
#pragma once

#include <jansson.h>

#include "client/command.h"

enum { ANSWER_BYTES = 128, SETUP_BUNDLES_MAX = OPTION_NAMES_MAX };

/** What was chosen. Borrowed from what the daemon listed. */
struct setup_choice {
    const json_t *camera, *microphone; /* Devices; NULL: none */
    size_t n_bundles;
    const json_t *bundles[SETUP_BUNDLES_MAX];
};

/** Called five times a second while a person thinks. */
typedef void setup_tick_fn(void *user);

/**
 * Ask, and wait for a line from the terminal.
 * @tick  NULL: nothing happens meanwhile
 * @ret   the line without its end and the blanks around it
 * Returns 0, -ECANCELED (^C, or the terminal's end).
 */
int setup_ask(struct client *client, const char *question, setup_tick_fn *tick, void *user,
              char ret[ANSWER_BYTES], struct fault *fault);

/** "yes" unless it begins with n or N. Returns 1, 0, -ECANCELED. */
int setup_confirm(struct client *client, const char *question, struct fault *fault);

/**
 * Choose one of @devices of @kind, "camera" or "microphone".
 * @wanted  what the command line says: a name, or "none"; NULL: it says nothing
 * @ret     NULL: none
 * Returns 0, -ENODEV (there is no such one, or it cannot be used), -ECANCELED ...
 */
int setup_device(struct client *client, const json_t *devices, const char *kind, const char *wanted,
                 const json_t **ret, struct fault *fault);

/** Choose bundles among @list, the answer to ListBundles. Returns 0, -ENOENT, -ECANCELED ... */
int setup_bundles(struct client *client, const json_t *list, struct setup_choice *choice,
                  struct fault *fault);

/** The drop-in for @choice, the caller's. Returns 0, -EINVAL (a bundle that none of the devices is
 * for), -ENOMEM. */
int setup_text(const struct setup_choice *choice, char **ret, struct fault *fault);
