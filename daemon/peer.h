/* SPDX-License-Identifier: MIT */
/* peer - who is at the other end of a connection, as the kernel says. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#define ADMIN_GROUP "lookout-admin"

struct peer {
    pid_t pid;
    uid_t uid;
    bool is_admin; /* root, the daemon's own user, or in the group lookout-admin */
};

/** Ask the kernel who connected to @fd. Returns 0, -errno of getsockopt(2). */
int peer_read(int fd, struct peer *ret);

/** Whether @uid with the groups @groups may change things. */
bool peer_is_admin(uid_t uid, const gid_t *groups, size_t n_groups);

/** What a peer that is not allowed needs, for NotAllowed. */
extern const char peer_needs[];
