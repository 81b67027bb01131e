/* SPDX-License-Identifier: MIT */
/*
 * Method: SO_PEERCRED and SO_PEERGROUPS of unix(7) tell the credentials the peer
 * had when it connected; nothing of it can be forged or changed afterwards.
 */
#include "daemon/peer.h"

#include <errno.h>
#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GROUPS_MAX = 256 };

const char peer_needs[] = "root or the group " ADMIN_GROUP;

/* Looked up each time: it is rare, and the group may be made while we run. */
static bool in_admin_group(const gid_t *groups, size_t n_groups) {
    const struct group *group = n_groups > 0 ? getgrnam(ADMIN_GROUP) : NULL;

    for (size_t i = 0; group && i < n_groups; i++)
        if (groups[i] == group->gr_gid)
            return true;
    return false;
}

bool peer_is_admin(uid_t uid, const gid_t *groups, size_t n_groups) {
    return uid == 0 || uid == geteuid() || in_admin_group(groups, n_groups);
}

int peer_read(int fd, struct peer *ret) {
    struct ucred credentials;
    gid_t groups[GROUPS_MAX + 1];
    socklen_t n_bytes = sizeof(credentials), n_group_bytes = GROUPS_MAX * sizeof(groups[0]);
    size_t n_groups = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &n_bytes) < 0)
        return -errno;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n_group_bytes) == 0)
        n_groups = n_group_bytes / sizeof(groups[0]);
    groups[n_groups++] = credentials.gid;
    *ret = (struct peer){
        .pid = credentials.pid,
        .uid = credentials.uid,
        .is_admin = peer_is_admin(credentials.uid, groups, n_groups),
    };
    return 0;
}
