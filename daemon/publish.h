/* SPDX-License-Identifier: MIT */
/* publish - takes the pipeline's notices to the socket, the bus and the journal. Main thread only.
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

/** An sd_event_io_handler_t: publish what the pipeline has to say. @user is the struct daemon. */
int publish_notices(sd_event_source *source, int fd, uint32_t revents, void *user);
