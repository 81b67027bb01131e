/* SPDX-License-Identifier: MIT */
/* Questions on the terminal. The terminal itself gathers the line and lets it be corrected. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "client/setup.h"

enum { TICK_MS = 200 };

static int canceled(struct fault *fault) {
    return fault_set(fault, -ECANCELED, "ended; nothing was changed");
}

/* Without its end and the blanks around it. */
static void trim(const char *line, size_t n, char ret[ANSWER_BYTES]) {
    while (n > 0 && strchr(" \t\r\n", line[n - 1]))
        n--;
    while (n > 0 && strchr(" \t", *line))
        line++, n--;
    (void) snprintf(ret, ANSWER_BYTES, "%.*s", (int) n, line); /* cut is fine */
}

int setup_ask(struct client *client, const char *question, setup_tick_fn *tick, void *user,
              char ret[ANSWER_BYTES], struct fault *fault) {
    struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
                            { .fd = client->stop_fd, .events = POLLIN } };
    char line[512];
    ssize_t n;

    (void) fprintf(client->screen.out, "%s ", question); /* ferror() is looked at by main() */
    do {
        if (tick)
            tick(user);
        (void) fflush(client->screen.out);
        fds[0].revents = fds[1].revents = 0;
        (void) poll(fds, 2, tick ? TICK_MS : -1); /* interrupted: once more */
        if (fds[1].revents)
            return canceled(fault);
    } while (!fds[0].revents);
    n = read(STDIN_FILENO, line, sizeof(line));
    if (n <= 0)
        return canceled(fault);
    trim(line, (size_t) n, ret);
    return 0;
}

int setup_confirm(struct client *client, const char *question, struct fault *fault) {
    char answer[ANSWER_BYTES];
    const int r = setup_ask(client, question, NULL, NULL, answer, fault);

    return r < 0 ? r : !(answer[0] == 'n' || answer[0] == 'N');
}
