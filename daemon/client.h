/* SPDX-License-Identifier: MIT */
/* client - what hangs on one connection beyond single calls. */
#pragma once

#include "daemon/daemon.h"
#include "daemon/looks.h"
#include "daemon/publish_socket.h"
#include "daemon/recordings.h"

struct client {
    struct subscription *subscription;
    struct recordings recordings;
    struct looker *looker;
    bool waits_for_devices; /* see device_list.h */
};
