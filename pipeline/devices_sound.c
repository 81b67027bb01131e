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

/* "Device" of "Device_1": how long it is. */
static size_t id_base(const char *id) {
    const char *end = strrchr(id, '_');

    return end && end[1] && strspn(end + 1, "0123456789") == strlen(end + 1) ? (size_t) (end - id)
                                                                             : strlen(id);
}

/*
 * ALSA calls USB cards of one make Device, Device_1 ... in the order in which they come. One that
 * an udev rule gave a name of its own is not meant. Returns the port of another such card in @ret.
 */
static bool has_twin(int card, const struct usb_place *place, struct usb_place *ret) {
    char id[CARD_ID_BYTES], other[CARD_ID_BYTES];

    if (card_id(card, id) < 0)
        return false;
    for (int i = 0; i < CARDS_MAX; i++)
        if (i != card && card_id(i, other) == 0 && id_base(id) == id_base(other) &&
            strncmp(id, other, id_base(id)) == 0 && card_place(i, ret) == 0 &&
            strcmp(ret->port, place->port) != 0)
            return true;
    return false;
}

static void name_for_alsa(const char *id, int device, char ret[SOURCE_PATH_BYTES]) {
    (void) snprintf(ret, SOURCE_PATH_BYTES, "hw:CARD=%s,DEV=%d", id, device);
}

static void name_for_ini(const struct found *found, struct device_info *info) {
    struct usb_place place, twin;

    memcpy(info->stable, info->path, sizeof(info->stable)); /* the card's id stays */
    if (card_place(found->card, &place) < 0)
        return;
    (void) snprintf(info->bus, sizeof(info->bus), "usb:%s", place.port);
    if (!has_twin(found->card, &place, &twin))
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
    } else
        (void) devices_holder(info->node, &info->holder); /* it has room for more than one */
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

static int find_port(char device[SOURCE_PATH_BYTES], struct fault *fault) {
    char port[USB_PORT_BYTES], id[CARD_ID_BYTES];
    struct usb_place place;
    int number = 0;

    if (sscanf(device, "usb:%31[^,],DEV=%d", port, &number) < 1)
        return fault_set(fault, -EINVAL, "%.80s: write usb:PORT, such as usb:1-1.2", device);
    for (int i = 0; i < CARDS_MAX; i++)
        if (card_place(i, &place) == 0 && strcmp(place.port, port) == 0 && card_id(i, id) == 0) {
            name_for_alsa(id, number, device);
            return 0;
        }
    return fault_set(fault, -ENODEV,
                     "no sound card is plugged into USB port %s; `lookoutctl devices` shows which "
                     "are where",
                     port);
}

int devices_sound_node(const char *name, char ret[SOURCE_PATH_BYTES]) {
    char alsa[SOURCE_PATH_BYTES], card[64];
    int device, index;

    (void) snprintf(alsa, sizeof(alsa), "%s", name); /* one that is cut is no card's */
    if (strncmp(alsa, "usb:", 4) == 0 && find_port(alsa, NULL) < 0)
        return -ENOENT;
    if (parse_name(alsa, card, &device) < 0)
        return -ENOENT;
    index = card_named(card);
    if (index < 0)
        return -ENOENT;
    (void) snprintf(ret, SOURCE_PATH_BYTES, "/dev/snd/pcmC%dD%dc", index, device);
    return 0;
}

int devices_find_microphone(char device[SOURCE_PATH_BYTES], struct fault *fault) {
    struct usb_place place, twin;
    char card[64], *end;
    int number, index;

    if (strncmp(device, "usb:", 4) == 0)
        return find_port(device, fault);
    if (parse_name(device, card, &number) < 0)
        return 0; /* a name of ALSA's own configuration */
    (void) strtol(card, &end, 10);
    index = card_named(card);
    if (*end == '\0' || index < 0 || card_place(index, &place) < 0 ||
        !has_twin(index, &place, &twin))
        return 0; /* opening it tells whether it is there */
    return fault_set(fault, -ENOTUNIQ,
                     "%.80s: two cards of one make may change their names; write one of `device = "
                     "usb:%s` and `device = usb:%s`",
                     device, place.port, twin.port);
}
