/* SPDX-License-Identifier: MIT */
/* options - the command line of lookoutd. */
#pragma once

#include "common/fault.h"
#include "daemon/daemon.h"

enum action {
    ACTION_RUN,
    ACTION_CHECK,
    ACTION_REPLAY,
    ACTION_PRINT_INI,
    ACTION_PRINT_MAN,
    ACTION_HELP,
    ACTION_VERSION
};

struct options {
    enum action action;
    struct daemon_options daemon;
};

/** Read the arguments. Returns 0, -EINVAL with @fault. Strings are borrowed from @argv. */
int options_read(int argc, char **argv, struct options *ret, struct fault *fault);

/** What --help prints. */
extern const char options_help[];
