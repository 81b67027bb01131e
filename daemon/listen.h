/* SPDX-License-Identifier: MIT */
/* listen - the socket that clients connect to: handed over by systemd, or made here. */
#pragma once

#include "common/fault.h"

/**
 * Make and listen on the UNIX stream socket @path, mode 0660. A socket file nobody
 * listens on any more is replaced; a live one is not.
 * Returns the descriptor (non-blocking, owned by the caller), -EADDRINUSE, -ENAMETOOLONG, other
 * -errno.
 */
int listen_on_path(const char *path, struct fault *fault);

/**
 * Take the listening UNIX stream socket that systemd hands over (sd_listen_fds(3)).
 * Returns the descriptor (non-blocking, owned by the caller), -ENOENT if there
 * is none, -EINVAL if what was handed over is something else.
 */
int listen_from_systemd(struct fault *fault);
