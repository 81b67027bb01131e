/* SPDX-License-Identifier: MIT */
/* Cards and their capture devices by the control interface; a PCM is opened only if no one has it.
 */
#include <alsa/asoundlib.h>
#include <errno.h>
#include <string.h>

#include "pipeline/devices_kinds.h"
#include "pipeline/pcm_setup.h"

/* One capture device of a card. */
struct found {
    const char *card_id, *card_name, *driver;
    int card, device;
    const char *name; /* of the device */
};

/* Called for each; returns false to end the search. */
typedef bool found_fn(const struct found *found, void *user);

/* All capture devices of one card. Returns false if @fn ended the search. */
static bool each_device(snd_ctl_t *ctl, struct found *found, found_fn *fn, void *user) {
    snd_pcm_info_t *info;

    snd_pcm_info_alloca(&info);
    for (found->device = -1;
         snd_ctl_pcm_next_device(ctl, &found->device) == 0 && found->device >= 0;) {
        snd_pcm_info_set_device(info, (unsigned) found->device);
        snd_pcm_info_set_subdevice(info, 0);
        snd_pcm_info_set_stream(info, SND_PCM_STREAM_CAPTURE);
        if (snd_ctl_pcm_info(ctl, info) < 0)
            continue; /* it only plays */
        found->name = snd_pcm_info_get_name(info);
        if (!fn(found, user))
            return false;
    }
    return true;
}

static void each(found_fn *fn, void *user) {
    struct found found = { .card = -1 };
    snd_ctl_card_info_t *card;
    bool more = true;

    pcm_keep_quiet();
    snd_ctl_card_info_alloca(&card);
    while (more && snd_card_next(&found.card) == 0 && found.card >= 0) {
        char name[32];
        snd_ctl_t *ctl = NULL;

        (void) snprintf(name, sizeof(name), "hw:%d", found.card);
        if (snd_ctl_open(&ctl, name, SND_CTL_NONBLOCK) < 0)
            continue; /* unplugged meanwhile, or not ours to open */
        if (snd_ctl_card_info(ctl, card) == 0) {
            found.card_id = snd_ctl_card_info_get_id(card);
            found.card_name = snd_ctl_card_info_get_name(card);
            found.driver = snd_ctl_card_info_get_driver(card);
            more = each_device(ctl, &found, fn, user);
        }
        (void) snd_ctl_close(ctl); /* nothing to save */
    }
}

static void name_for_alsa(const struct found *found, char ret[SOURCE_PATH_BYTES]) {
    (void) snprintf(ret, SOURCE_PATH_BYTES, "hw:CARD=%s,DEV=%d", found->card_id, found->device);
}

static bool take_first(const struct found *found, void *user) {
    name_for_alsa(found, user);
    return false;
}

void devices_first_microphone(char ret[SOURCE_PATH_BYTES]) {
    (void) strcpy(ret, "default"); /* it is longer */
    each(take_first, ret);
}

struct list {
    struct device_info *infos;
    size_t n, n_max;
};

static bool take(const struct found *found, void *user) {
    struct list *list = user;
    struct device_info *info;
    char node[SOURCE_PATH_BYTES];

    if (list->n == list->n_max)
        return false;
    info = &list->infos[list->n++];
    *info = (struct device_info){ .kind = SOURCE_ALSA };
    name_for_alsa(found, info->path);
    memcpy(info->stable, info->path, sizeof(info->stable)); /* the card's id stays */
    (void) snprintf(info->name, sizeof(info->name), "%s: %s", found->card_name, found->name);
    (void) snprintf(info->driver, sizeof(info->driver), "%s", found->driver);
    (void) snprintf(node, sizeof(node), "/dev/snd/pcmC%dD%dc", found->card, found->device);
    if (devices_holder(node, info->holder) < 0) /* none, or not to be seen */
        pcm_describe(info->path, info->formats, sizeof(info->formats));
    return true;
}

size_t devices_list_microphones(struct device_info *ret, size_t n_max) {
    struct list list = { .infos = ret, .n_max = n_max };

    each(take, &list);
    return list.n;
}

/* "hw:CARD=Device,DEV=0", "hw:Device,0", "hw:1" ... to card and device. */
static int parse_name(const char *name, char card[64], int *ret_device) {
    const char *rest = strncmp(name, "plug", 4) == 0 ? name + 4 : name, *device;
    size_t n;

    if (strncmp(rest, "hw:", 3) != 0)
        return -ENOENT;
    rest += 3;
    rest += strncmp(rest, "CARD=", 5) == 0 ? 5 : 0;
    n = strcspn(rest, ",");
    if (n == 0 || n >= 64)
        return -ENOENT;
    memcpy(card, rest, n);
    card[n] = '\0';
    device = rest[n] == ',' ? rest + n + 1 : "0";
    device += strncmp(device, "DEV=", 4) == 0 ? 4 : 0;
    *ret_device = atoi(device);
    return 0;
}

int devices_sound_node(const char *name, char ret[SOURCE_PATH_BYTES]) {
    char card[64];
    int device, index;

    if (parse_name(name, card, &device) < 0)
        return -ENOENT;
    index = snd_card_get_index(card);
    if (index < 0)
        return -ENOENT;
    (void) snprintf(ret, SOURCE_PATH_BYTES, "/dev/snd/pcmC%dD%dc", index, device);
    return 0;
}
