/* SPDX-License-Identifier: MIT */
/*
 * look: the daemon streams what a sensor shows, we draw it. The page is drawn over itself on the
 * terminal's second screen (xterm's private mode 1049), so that what stood there comes back.
 */
#include <errno.h>
#include <string.h>

#include "client/command.h"
#include "client/field.h"
#include "client/look.h"

static const double patience_s = 5; /* for the first data, and for what the networks get */

struct looking {
    struct client *client;
    struct connection *connection;
    int64_t end_ns; /* INT64_MAX: none */
    bool live;      /* the second screen is up */
};

static void looking_clear(struct looking *looking) {
    if (looking->live) /* the cursor and the first screen again */
        (void) fputs("\033[?25h\033[?1049l", looking->client->screen.out);
    looking->connection = connection_free(looking->connection);
}

static int subscribe(struct looking *looking, struct fault *fault) {
    const struct options *options = &looking->client->options;
    const char *word = options->words[1];
    /* Names of sensors have neither: those of devices have. */
    _cleanup_(json_decrefp) json_t *parameters =
        json_pack("{s:s}", strpbrk(word, "/:") ? "device" : "sensor", word);
    const struct call call = { .method = "Look", .parameters = parameters, .more = true };
    int r;

    if (!parameters)
        return fault_set(fault, -EINVAL, "`%s` is no name", word);
    r = connection_new(options->socket, &looking->connection, fault);
    return r < 0 ? r : connection_send(looking->connection, &call, fault);
}

/* Take one answer. As connection_receive(). */
static int receive(struct looking *looking, struct reply *ret, struct fault *fault) {
    int r = connection_receive(looking->connection, looking->end_ns, looking->client->stop_fd, ret,
                               fault);

    return r > 0 && ret->error ? reply_fault(ret, fault) : r;
}

static int write_png(const struct looking *looking, const json_t *look, struct fault *fault) {
    const char *path = looking->client->options.png;
    _cleanup_(image_freep) struct image *image = NULL;
    int r = look_image(look, &image);

    if (r == -ENODATA)
        return fault_set(fault, r, "no task listens to this microphone, so there is no picture");
    if (r < 0)
        return fault_set(fault, r, "lookoutd sent a picture that is none");
    return image_write_png(image, path, fault);
}

static int show(const struct looking *looking, const json_t *look, struct fault *fault) {
    int r;

    if (looking->client->options.json) {
        client_json(looking->client, look);
        return 0;
    }
    r = look_write(&looking->client->screen, look);
    return r < 0 ? fault_set(fault, r, "lookoutd sent a picture that is none") : 0;
}

/* Nothing came of the sensor: it is lost, or needs longer. */
static int nothing_came(double for_s, const json_t *look, struct fault *fault) {
    const json_t *sensor = json_object_get(look, "sensor");

    if (!sensor)
        return fault_set(fault, -ENODATA, "nothing came within %g s", for_s);
    return fault_set(fault, -ENODATA, "nothing came within %g s, it is %s%s%s", for_s,
                     field_text(sensor, "state"), *field_text(sensor, "reason") ? ": " : "",
                     field_text(sensor, "reason"));
}

/* The first answer that has everything, or the last there is in time. */
static int look_once(struct looking *looking, double for_s, struct fault *fault) {
    _cleanup_(reply_clear) struct reply last = { 0 };
    int r;

    do {
        struct reply reply = { 0 };

        r = receive(looking, &reply, fault);
        if (r > 0) {
            reply_clear(&last);
            last = reply;
        } else {
            reply_clear(&reply);
        }
    } while (r > 0 && !look_is_whole(last.parameters));
    if (r < 0)
        return r == -EINTR ? 0 : r;
    if (!look_has_data(last.parameters))
        return nothing_came(for_s, last.parameters, fault);
    return looking->client->options.png ? write_png(looking, last.parameters, fault)
                                        : show(looking, last.parameters, fault);
}

/* Draw the page over the last one: each line to its end, then what is below it. */
static int draw(struct looking *looking, const json_t *look, struct fault *fault) {
    struct screen *const screen = &looking->client->screen;
    _cleanup_(freep) char *text = NULL;
    size_t n_bytes = 0;
    struct screen page;
    int r;

    screen_measure(screen);
    page = *screen;
    page.out = open_memstream(&text, &n_bytes);
    if (!page.out)
        return fault_set(fault, -ENOMEM, "out of memory");
    r = look_write(&page, look);
    if (fclose(page.out) != 0 || r < 0)
        return fault_set(fault, r < 0 ? r : -ENOMEM, "lookoutd sent a picture that is none");
    (void) fputs(looking->live ? "\033[H" : "\033[?1049h\033[?25l\033[H", screen->out);
    looking->live = true;
    for (const char *line = text; *line;) {
        const size_t n = strcspn(line, "\n");

        (void) fprintf(screen->out, "%.*s\033[K\n", (int) n, line);
        line += n + (line[n] == '\n'); /* a last line may have no end */
    }
    (void) fputs("\033[J^C ends", screen->out);
    (void) fflush(screen->out); /* ferror() is looked at by main() */
    return 0;
}

static int look_on(struct looking *looking, struct fault *fault) {
    for (;;) {
        _cleanup_(reply_clear) struct reply reply = { 0 };
        int r = receive(looking, &reply, fault);

        if (r <= 0)
            return r == -EINTR ? 0 : r;
        r = looking->client->options.json ? show(looking, reply.parameters, fault)
                                          : draw(looking, reply.parameters, fault);
        if (r < 0)
            return r;
    }
}

int cmd_look(struct client *client, struct fault *fault) {
    const struct options *options = &client->options;
    const bool is_terminal = client->screen.columns > 0,
               once = options->once || options->png || (!is_terminal && !options->json);
    const double for_s = once && options->for_s <= 0 ? patience_s : options->for_s;
    _cleanup_(looking_clear) struct looking looking = { .client = client, .end_ns = INT64_MAX };
    int r = client_catch_stop(client, fault);

    if (r == 0)
        r = subscribe(&looking, fault);
    if (r < 0)
        return r;
    if (for_s > 0)
        looking.end_ns = now_ns() + (int64_t) (for_s * (double) NS_PER_S);
    return once ? look_once(&looking, for_s, fault) : look_on(&looking, fault);
}
