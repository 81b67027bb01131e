/* SPDX-License-Identifier: MIT */
/*
 * Cards by /sys, so that one we may not open is seen too; their names by the control interface; a
 * PCM is opened only if no one has it.
 */
#include <alsa/asoundlib.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "pipeline/device_place.h"
#include "pipeline/devices_kinds.h"
#include "pipeline/pcm_setup.h"

#define SYS_SOUND "/sys/class/sound"

enum {
    CARDS_MAX = 32,
    CARD_ID_BYTES = 16 + 1, /* the kernel's limit is 16 with NUL */
};

/* A capture device: card and device number. */
struct found {
    int card, device;
};

struct found_list {
    size_t n;
    struct found items[DEVICES_MAX / 2];
};

static int compare(const void *a, const void *b) {
    const struct found *x = a, *y = b;

    return x->card != y->card ? x->card - y->card : x->device - y->device;
}

static void find_all(struct found_list *ret) {
    const struct dirent *entry;
    DIR *sound = opendir(SYS_SOUND);
    char end;

    ret->n = 0;
    while (sound && ret->n < sizeof(ret->items) / sizeof(ret->items[0]) &&
           (entry = readdir(sound))) {
        struct found *found = &ret->items[ret->n];

        ret->n += sscanf(entry->d_name, "pcmC%dD%d%c", &found->card, &found->device, &end) == 3 &&
                  end == 'c';
    }
    if (sound)
        (void) closedir(sound); /* only read from */
    qsort(ret->items, ret->n, sizeof(ret->items[0]), compare);
}

static int card_id(int card, char ret[CARD_ID_BYTES]) {
    char directory[64];

    (void) snprintf(directory, sizeof(directory), SYS_SOUND "/card%d", card); /* fits */
    return device_attribute(directory, "id", ret, CARD_ID_BYTES);
}

static int card_place(int card, struct usb_place *ret) {
    char directory[64];

    (void) snprintf(directory, sizeof(directory), SYS_SOUND "/card%d/device", card); /* fits */
    return device_usb_place(directory, ret);
}

/* ALSA calls cards of one make Device, Device_1 ... in the order in which they come. */
static bool has_twin(int card, const struct usb_place *place) {
    struct usb_place other;

    for (int i = 0; i < CARDS_MAX; i++)
        if (i != card && card_place(i, &other) == 0 && strcmp(other.port, place->port) != 0 &&
            strcmp(other.vendor, place->vendor) == 0 && strcmp(other.product, place->product) == 0)
            return true;
    return false;
}

static void name_for_alsa(const char *id, int device, char ret[SOURCE_PATH_BYTES]) {
    (void) snprintf(ret, SOURCE_PATH_BYTES, "hw:CARD=%s,DEV=%d", id, device);
}

void devices_first_microphone(char ret[SOURCE_PATH_BYTES]) {
    char id[CARD_ID_BYTES];
    struct found_list list;

    find_all(&list);
    if (list.n > 0 && card_id(list.items[0].card, id) == 0)
        name_for_alsa(id, list.items[0].device, ret);
    else
        (void) strcpy(ret, "default"); /* it is longer */
}

static void name_for_ini(const struct found *found, struct device_info *info) {
    struct usb_place place;

    memcpy(info->stable, info->path, sizeof(info->stable)); /* the card's id stays */
    if (card_place(found->card, &place) < 0)
        return;
    (void) snprintf(info->bus, sizeof(info->bus), "usb:%s", place.port);
    if (!has_twin(found->card, &place))
        return;
    if (found->device == 0)
        (void) snprintf(info->stable, sizeof(info->stable), "usb:%s", place.port);
    else
        (void) snprintf(info->stable, sizeof(info->stable), "usb:%s,DEV=%d", place.port,
                        found->device);
}

static void name_for_person(const struct found *found, const char *id, struct device_info *info) {
    snd_ctl_card_info_t *card;
    snd_pcm_info_t *pcm;
    snd_ctl_t *ctl = NULL;
    char name[32];

    snd_ctl_card_info_alloca(&card);
    snd_pcm_info_alloca(&pcm);
    (void) snprintf(info->name, sizeof(info->name), "%s", id);
    (void) snprintf(name, sizeof(name), "hw:%d", found->card);
    if (snd_ctl_open(&ctl, name, SND_CTL_NONBLOCK) < 0)
        return; /* unplugged meanwhile, or not ours to open: opening the PCM tells */
    snd_pcm_info_set_device(pcm, (unsigned) found->device);
    snd_pcm_info_set_stream(pcm, SND_PCM_STREAM_CAPTURE);
    if (snd_ctl_card_info(ctl, card) == 0) {
        (void) snprintf(info->driver, sizeof(info->driver), "%s",
                        snd_ctl_card_info_get_driver(card));
        (void) snprintf(
            info->name, sizeof(info->name), "%.40s: %.36s", snd_ctl_card_info_get_name(card),
            snd_ctl_pcm_info(ctl, pcm) == 0 ? snd_pcm_info_get_name(pcm) : ""); /* cut is fine */
    }
    (void) snd_ctl_close(ctl); /* nothing to save */
}

/* Whether it can be used, and what it has. */
static void tell_offer(struct device_info *info) {
    struct pcm_offer offer = { 0 };
    int r;

    info->ours = devices_is_ours(info->node);
    info->usable = info->ours;
    if (info->ours)
        return;
    r = pcm_ask(info->path, &offer);
    info->usable = r == 0 && offer.formats != 0;
    info->sample_formats = offer.formats;
    info->rate_min_hz = offer.rate_min_hz;
    info->rate_max_hz = offer.rate_max_hz;
    info->channels_min = offer.channels_min;
    info->channels_max = offer.channels_max;
    pcm_offer_text(&offer, info->formats, sizeof(info->formats));
    if (r == -EBUSY)
        devices_tell_busy(info);
    else if (r == -EACCES || r == -EPERM)
        devices_tell_denied(info, r);
    else if (r < 0) {
        (void) snprintf(info->why, sizeof(info->why), "cannot be opened: %s", snd_strerror(r));
        (void) snprintf(info->what_to_do, sizeof(info->what_to_do), "unplug it and plug it again");
    } else if (!info->usable) {
        (void) snprintf(info->why, sizeof(info->why),
                        "it has none of the sample formats s16, s24, s24_3, s32");
        (void) snprintf(info->what_to_do, sizeof(info->what_to_do), "choose another device");
    }
}

void devices_each_microphone(device_fn *fn, void *user) {
    struct device_info *info = malloc(sizeof(*info));
    struct found_list list;

    pcm_keep_quiet();
    find_all(&list);
    for (size_t i = 0; info && i < list.n; i++) {
        const struct found *found = &list.items[i];
        char id[CARD_ID_BYTES];

        if (card_id(found->card, id) < 0)
            continue; /* unplugged meanwhile */
        *info = (struct device_info){ .kind = SOURCE_ALSA };
        name_for_alsa(id, found->device, info->path);
        (void) snprintf(info->node, sizeof(info->node), "/dev/snd/pcmC%dD%dc", found->card,
                        found->device);
        name_for_ini(found, info);
        fn(info->path, NULL, user);
        name_for_person(found, id, info);
        tell_offer(info);
        fn(info->path, info, user);
    }
    free(info);
}

/* The number of the card called @name, which may be its number. Returns -ENOENT. */
static int card_named(const char *name) {
    char id[CARD_ID_BYTES], *end;
    const long number = strtol(name, &end, 10);

    if (end != name && *end == '\0')
        return number >= 0 && number < CARDS_MAX ? (int) number : -ENOENT;
    for (int i = 0; i < CARDS_MAX; i++)
        if (card_id(i, id) == 0 && strcmp(id, name) == 0)
            return i;
    return -ENOENT;
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
    index = card_named(card);
    if (index < 0)
        return -ENOENT;
    (void) snprintf(ret, SOURCE_PATH_BYTES, "/dev/snd/pcmC%dD%dc", index, device);
    return 0;
}
