/* SPDX-License-Identifier: MIT */
/* Preloaded into lookoutd: its threads never end, as if a driver kept them. */
#include <pthread.h>
#include <unistd.h>

int pthread_join(pthread_t thread, void **ret) {
    for (;;)
        (void) pause(); /* for good */
}
