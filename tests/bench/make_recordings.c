/* SPDX-License-Identifier: MIT */
/*
 * Makes what the bench plays: the same 40 pictures of 640x480 as raw YUYV and as Motion JPEG, and
 * 20 s of 16 kHz sound. A square wanders over a textured ground; a tone sweeps, then noise, in
 * turn.
 *
 *   make_recordings FOLDER      writes frames.yuyv, frames.mjpeg, sound.raw (S16_LE, mono)
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "common/cleanup.h"

enum {
    WIDTH_PX = 640,
    HEIGHT_PX = 480,
    N_FRAMES = 40, /* 4 s at 10 frames/s, played in a loop */
    SQUARE_PX = 120,
    QUALITY = 80, /* of a webcam's JPEG, about */
    RATE_HZ = 16000,
    N_SAMPLES = 20 * RATE_HZ,
    TURN_SAMPLES = 2 * RATE_HZ, /* sweep and noise take turns */
};

struct pixel {
    uint8_t y, cb, cr;
};

/* Numerical Recipes' LCG; only has to look like noise. */
static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525U + 1013904223U;
    return *state >> 16;
}

static struct pixel pixel_at(int frame, int x, int y, uint32_t *noise) {
    const int left = frame * (WIDTH_PX - SQUARE_PX) / N_FRAMES, top = HEIGHT_PX / 3;
    const int grain = (int) (next_random(noise) % 16);

    if (x >= left && x < left + SQUARE_PX && y >= top && y < top + SQUARE_PX)
        return (struct pixel){ (uint8_t) (180 + grain), 90, 200 };
    return (struct pixel){ (uint8_t) (60 + (x / 8 + y / 8) % 64 + grain), 140, 110 };
}

static void draw(int frame, struct pixel *picture) {
    uint32_t noise = (uint32_t) frame;

    for (int y = 0; y < HEIGHT_PX; y++)
        for (int x = 0; x < WIDTH_PX; x++)
            picture[y * WIDTH_PX + x] = pixel_at(frame, x, y, &noise);
}

static int write_yuyv(const struct pixel *picture, FILE *to) {
    for (int i = 0; i < WIDTH_PX * HEIGHT_PX; i += 2) {
        const uint8_t pair[] = { picture[i].y, picture[i].cb, picture[i + 1].y, picture[i].cr };

        if (fwrite(pair, sizeof(pair), 1, to) != 1)
            return -1;
    }
    return 0;
}

static void write_jpeg(const struct pixel *picture, FILE *to) {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    JSAMPLE row[WIDTH_PX * 3];
    JSAMPROW rows[] = { row };

    jpeg.err = jpeg_std_error(&errors); /* ends the program, which is right here */
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, to);
    jpeg.image_width = WIDTH_PX;
    jpeg.image_height = HEIGHT_PX;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_YCbCr;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, QUALITY, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < HEIGHT_PX; y++) {
        for (int x = 0; x < WIDTH_PX; x++) {
            const struct pixel *const pixel = &picture[y * WIDTH_PX + x];

            row[3 * x] = pixel->y;
            row[3 * x + 1] = pixel->cb;
            row[3 * x + 2] = pixel->cr;
        }
        (void) jpeg_write_scanlines(&jpeg, rows, 1); /* errors end the program */
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
}

/* A siren's sweep from 600 to 1400 Hz and back each second, then noise. */
static int write_sound(FILE *to) {
    uint32_t noise = 1;
    double phase = 0;

    for (int i = 0; i < N_SAMPLES; i++) {
        const double sweep_hz = 1000 + 400 * sin(2 * M_PI * i / RATE_HZ);
        int16_t sample = (int16_t) ((int) (next_random(&noise) % 2048) - 1024);

        phase += 2 * M_PI * sweep_hz / RATE_HZ;
        if (i / TURN_SAMPLES % 2 == 0)
            sample = (int16_t) (sample / 16 + 8000 * sin(phase));
        if (fwrite(&sample, sizeof(sample), 1, to) != 1)
            return -1;
    }
    return 0;
}

static FILE *create(const char *folder, const char *name) {
    char path[4096];
    FILE *file;

    (void) snprintf(path, sizeof(path), "%s/%s", folder, name); /* short names */
    file = fopen(path, "we");
    if (!file)
        perror(path);
    return file;
}

int main(int argc, char **argv) {
    _cleanup_(freep) struct pixel *picture = calloc(WIDTH_PX * HEIGHT_PX, sizeof(*picture));
    FILE *yuyv, *mjpeg, *sound;
    int r = 0;

    if (argc != 2 || !picture)
        return EXIT_FAILURE;
    yuyv = create(argv[1], "frames.yuyv");
    mjpeg = create(argv[1], "frames.mjpeg");
    sound = create(argv[1], "sound.raw");
    if (!yuyv || !mjpeg || !sound)
        return EXIT_FAILURE;
    for (int frame = 0; frame < N_FRAMES && r == 0; frame++) {
        draw(frame, picture);
        r = write_yuyv(picture, yuyv);
        write_jpeg(picture, mjpeg);
    }
    r |= write_sound(sound);
    r |= fclose(yuyv) | fclose(mjpeg) | fclose(sound);
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
