/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into lookoutd: the devices of another machine. What lies below /dev, /sys/class and
 * /proc/asound is looked for below $FAKE_ROOT. A file $FAKE_ROOT/dev/videoN is a video node; the
 * word in it says what its driver does: camera, csi, codec, busy, denied, stuck, lies.
 */
#undef _FILE_OFFSET_BITS /* open() and open64() are two names here */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { FDS_MAX = 1024, WIDTH = 64, HEIGHT = 48, BUFFERS = 4, WORD_BYTES = 16 };

static struct {
    char word[WORD_BYTES], node[32];
    bool streaming;
    unsigned next, sequence, n_queued;
} fakes[FDS_MAX];

#define REAL(type, name) ((type) dlsym(RTLD_NEXT, name))

/* @path as it really is, in @ret or itself. */
static const char *mapped(const char *path, char ret[PATH_MAX]) {
    static const char *const ours[] = { "/dev/video", "/dev/v4l", "/dev/snd", "/sys/class/",
                                        "/proc/asound" };
    const char *const root = getenv("FAKE_ROOT");
    bool is_ours = strcmp(path, "/dev") == 0;

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        is_ours = is_ours || strncmp(path, ours[i], strlen(ours[i])) == 0;
    if (!root || !is_ours)
        return path;
    (void) snprintf(ret, PATH_MAX, "%s%s", root, path);
    return ret;
}

static bool is_fake(int fd) {
    return fd >= 0 && fd < FDS_MAX && fakes[fd].word[0];
}

static int fail(int error) {
    errno = error;
    return -1;
}

/* --- the names --- */

typedef int open_fn(const char *path, int flags, ...);

/* A node: its word decides, and a timer stands for its frames. */
static int open_node(const char *node, const char *real) {
    const struct itimerspec rate = { { 0, 50 * 1000 * 1000 }, { 0, 50 * 1000 * 1000 } };
    char word[WORD_BYTES] = "";
    int fd = REAL(open_fn *, "open64")(real, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return fail(ENOENT);
    (void) !read(fd, word, sizeof(word) - 1);
    (void) close(fd);
    while (strcmp(word, "stuck") == 0)
        (void) pause(); /* for good */
    if (strcmp(word, "denied") == 0)
        return fail(EACCES);
    fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0 || fd >= FDS_MAX || timerfd_settime(fd, 0, &rate, NULL) < 0)
        return fail(EMFILE);
    memset(&fakes[fd], 0, sizeof(fakes[fd]));
    memcpy(fakes[fd].word, word, sizeof(word));
    (void) snprintf(fakes[fd].node, sizeof(fakes[fd].node), "%.31s", node);
    return fd;
}

static int open_any(const char *name, const char *path, int flags, mode_t mode) {
    char real[PATH_MAX], node[PATH_MAX];
    const char *const there = mapped(path, real);

    if (there != path && realpath(path, node) && strncmp(node, "/dev/video", 10) == 0)
        return open_node(node, mapped(node, real));
    return REAL(open_fn *, name)(there, flags, mode);
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...) {                                                   \
        va_list arguments;                                                                         \
        mode_t mode;                                                                               \
                                                                                                   \
        va_start(arguments, flags);                                                                \
        mode = va_arg(arguments, mode_t); /* garbage without O_CREAT, and then not used */         \
        va_end(arguments);                                                                         \
        return open_any(#name, path, flags, mode);                                                 \
    }

OPEN(open)
OPEN(open64)

/* What -D_FORTIFY_SOURCE makes of them, in libsystemd for one. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);

int __open_2(const char *path, int flags) {
    return open_any("open", path, flags, 0);
}

int __open64_2(const char *path, int flags) {
    return open_any("open64", path, flags, 0);
}

int close(int fd) {
    if (is_fake(fd))
        fakes[fd].word[0] = '\0';
    return REAL(int (*)(int), "close")(fd);
}

int access(const char *path, int how) {
    char real[PATH_MAX];

    return REAL(int (*)(const char *, int), "access")(mapped(path, real), how);
}

#define FOPEN(name)                                                                                \
    FILE *name(const char *path, const char *mode) {                                               \
        char real[PATH_MAX];                                                                       \
                                                                                                   \
        return REAL(FILE * (*) (const char *, const char *), #name)(mapped(path, real), mode);     \
    }

FOPEN(fopen)
FOPEN(fopen64)

DIR *opendir(const char *path) {
    char real[PATH_MAX];

    return REAL(DIR * (*) (const char *), "opendir")(mapped(path, real));
}

char *realpath(const char *path, char *ret) {
    const char *const root = getenv("FAKE_ROOT");
    char real[PATH_MAX];
    char *there = REAL(char *(*) (const char *, char *), "realpath")(mapped(path, real), ret);
    const size_t n = root ? strlen(root) : 0;

    if (there && n > 0 && strncmp(there, root, n) == 0 && strncmp(there + n, "/dev/", 5) == 0)
        memmove(there, there + n, strlen(there + n) + 1);
    return there;
}

/* Of our own /proc/PID/fd: such a descriptor leads to its node. */
ssize_t readlinkat(int directory, const char *name, char *ret, size_t n_max) {
    typedef ssize_t readlinkat_fn(int, const char *, char *, size_t);
    const ssize_t n = REAL(readlinkat_fn *, "readlinkat")(directory, name, ret, n_max);
    const int fd = atoi(name);
    char link[64], place[64] = "", own[64];

    (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", directory);
    (void) snprintf(own, sizeof(own), "/proc/%d/fd", (int) getpid());
    (void) !readlink(link, place, sizeof(place) - 1);
    if (n < 0 || !is_fake(fd) || strcmp(place, own) != 0)
        return n;
    return snprintf(ret, n_max, "%s", fakes[fd].node);
}

int inotify_add_watch(int fd, const char *path, uint32_t mask) {
    char real[PATH_MAX];

    return REAL(int (*)(int, const char *, uint32_t), "inotify_add_watch")(fd, mapped(path, real),
                                                                           mask);
}

/* --- the driver --- */

static int query(const char *word, const char *node, struct v4l2_capability *ret) {
    const bool csi = strcmp(word, "csi") == 0, codec = strcmp(word, "codec") == 0;

    memset(ret, 0, sizeof(*ret));
    (void) strcpy((char *) ret->driver, csi ? "unicam" : codec ? "bcm2835-codec" : "uvcvideo");
    (void) snprintf((char *) ret->card, sizeof(ret->card), "Fake %s", word);
    (void) snprintf((char *) ret->bus_info, sizeof(ret->bus_info), "%s%s",
                    csi ? "platform:" : "usb-0000:01:00.0-", node + strlen("/dev/"));
    ret->device_caps = codec ? V4L2_CAP_VIDEO_M2M_MPLANE | V4L2_CAP_STREAMING
                             : V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    ret->capabilities = ret->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

static int list_format(const char *word, struct v4l2_fmtdesc *desc) {
    if (desc->index > 0 || desc->type != V4L2_BUF_TYPE_VIDEO_CAPTURE)
        return fail(EINVAL);
    desc->pixelformat = strcmp(word, "csi") == 0 ? V4L2_PIX_FMT_SRGGB10 : V4L2_PIX_FMT_GREY;
    return 0;
}

static int list_size(struct v4l2_frmsizeenum *size) {
    if (size->index > 0)
        return fail(EINVAL);
    size->type = V4L2_FRMSIZE_TYPE_DISCRETE;
    size->discrete.width = WIDTH;
    size->discrete.height = HEIGHT;
    return 0;
}

static int list_interval(struct v4l2_frmivalenum *interval) {
    if (interval->index > 0)
        return fail(EINVAL);
    interval->type = V4L2_FRMIVAL_TYPE_DISCRETE;
    interval->discrete = (struct v4l2_fract){ 1, 20 };
    return 0;
}

/* One that lies says a line shorter than its pixels. */
static int agree(const char *word, struct v4l2_pix_format *pix) {
    pix->width = WIDTH;
    pix->height = HEIGHT;
    pix->pixelformat = V4L2_PIX_FMT_GREY;
    pix->bytesperline = strcmp(word, "lies") == 0 ? WIDTH / 2 : WIDTH;
    pix->sizeimage = WIDTH * HEIGHT;
    return 0;
}

static int dequeue(int fd, struct v4l2_buffer *buffer) {
    struct timespec now;
    uint64_t n;

    if (!fakes[fd].streaming || fakes[fd].n_queued == 0 || read(fd, &n, sizeof(n)) < 0)
        return fail(EAGAIN);
    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    buffer->index = fakes[fd].next++ % BUFFERS;
    buffer->sequence = fakes[fd].sequence++;
    buffer->bytesused = WIDTH * HEIGHT;
    buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    buffer->timestamp.tv_sec = now.tv_sec;
    buffer->timestamp.tv_usec = now.tv_nsec / 1000;
    fakes[fd].n_queued--;
    return 0;
}

static bool streams_elsewhere(int fd) {
    for (int other = 0; other < FDS_MAX; other++)
        if (other != fd && fakes[other].word[0] && fakes[other].streaming &&
            strcmp(fakes[other].node, fakes[fd].node) == 0)
            return true;
    return false;
}

static int serve(int fd, unsigned long request, void *argument) {
    const char *const word = fakes[fd].word;
    struct v4l2_requestbuffers *const buffers = argument;
    struct v4l2_buffer *const buffer = argument;
    char real[PATH_MAX];

    if (access(mapped(fakes[fd].node, real), F_OK) < 0)
        return fail(ENODEV); /* unplugged */
    switch (request) {
    case VIDIOC_QUERYCAP:
        return query(word, fakes[fd].node, argument);
    case VIDIOC_ENUM_FMT:
        return list_format(word, argument);
    case VIDIOC_ENUM_FRAMESIZES:
        return list_size(argument);
    case VIDIOC_ENUM_FRAMEINTERVALS:
        return list_interval(argument);
    case VIDIOC_TRY_FMT:
    case VIDIOC_S_FMT:
        return agree(word, &((struct v4l2_format *) argument)->fmt.pix);
    case VIDIOC_REQBUFS:
        if (strcmp(word, "busy") == 0 || streams_elsewhere(fd))
            return fail(EBUSY);
        buffers->count = buffers->count ? BUFFERS : 0;
        return 0;
    case VIDIOC_QUERYBUF:
        buffer->length = WIDTH * HEIGHT;
        buffer->m.offset = buffer->index;
        return 0;
    case VIDIOC_QBUF:
        fakes[fd].n_queued++;
        return 0;
    case VIDIOC_DQBUF:
        return dequeue(fd, argument);
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF:
        fakes[fd].streaming = request == VIDIOC_STREAMON;
        return 0;
    default:
        return fail(ENOTTY);
    }
}

int ioctl(int fd, unsigned long request, ...) {
    va_list arguments;
    void *argument;

    va_start(arguments, request);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    if (is_fake(fd))
        return serve(fd, request, argument);
    return REAL(int (*)(int, unsigned long, ...), "ioctl")(fd, request, argument);
}

/* Some pattern, so that the picture is not dark. */
static void *map_any(const char *name, void *at, size_t n, int how, int flags, int fd, off_t from) {
    typedef void *mmap_fn(void *, size_t, int, int, int, off_t);
    unsigned char *bytes;

    if (!is_fake(fd))
        return REAL(mmap_fn *, name)(at, n, how, flags, fd, from);
    bytes =
        REAL(mmap_fn *, name)(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; bytes != MAP_FAILED && i < n; i++)
        bytes[i] = (unsigned char) (i * 37 + (size_t) from * 11);
    return bytes;
}

void *mmap(void *at, size_t n, int how, int flags, int fd, off_t from) {
    return map_any("mmap", at, n, how, flags, fd, from);
}

void *mmap64(void *at, size_t n, int how, int flags, int fd, off_t from) {
    return map_any("mmap64", at, n, how, flags, fd, from);
}
