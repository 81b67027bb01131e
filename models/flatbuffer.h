/* SPDX-License-Identifier: MIT */
/*
 * flatbuffer - bounds-checked reading of FlatBuffers.
 *
 * Nothing in the bytes is trusted: a table is verified with all its known
 * fields when it is opened (fb_table_open), a vector's items lie inside the
 * file when it is handed out, and reading a verified field cannot fail.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/fault.h"

/** The bytes of one file, borrowed. */
struct fb_file {
    const char *name; /* for faults */
    const uint8_t *bytes;
    size_t n_bytes; /* below 2^31 */
};

enum fb_kind {
    FB_8,      /* bool, byte, ubyte */
    FB_32,     /* int, uint, float */
    FB_64,     /* long, ulong */
    FB_TABLE,  /* offset of a table */
    FB_BYTES,  /* offset of a string or a vector of bytes */
    FB_VECTOR, /* offset of a vector of 4 byte items: [int], [float], [table] */
    FB_LONGS,  /* offset of a vector of 8 byte items */
};

enum { FB_FIELDS_MAX = 16 };

/** What is known about a table of some type; ids past n_fields are not looked at. */
struct fb_schema {
    const char *name;
    size_t n_fields;
    enum fb_kind fields[FB_FIELDS_MAX];
};

/** A verified table. */
struct fb_table {
    const struct fb_file *file;
    const struct fb_schema *schema;
    size_t place;  /* from the start of the file */
    size_t vtable; /* the same */
    size_t vtable_bytes;
};

/** A vector whose items all lie in the file. Zeros where the field is absent. */
struct fb_vector {
    const struct fb_file *file;
    size_t place; /* of the first item */
    size_t n_items;
};

/**
 * Verify and open the root table.
 * @identifier  four characters at bytes 4..7.
 * Returns 0, -EBADMSG, -EFBIG (2 GiB and more).
 */
int fb_root_open(const struct fb_file *file, const char *identifier, const struct fb_schema *schema,
                 struct fb_table *ret, struct fault *fault);

/** Verify and open the table that item @i of @tables points to. Returns 0, -EBADMSG. */
int fb_item_open(const struct fb_vector *tables, size_t i, const struct fb_schema *schema,
                 struct fb_table *ret, struct fault *fault);

/** Verify and open the table that field @id (FB_TABLE) points to. Returns 1, 0 if absent, -EBADMSG.
 */
int fb_field_open(const struct fb_table *table, size_t id, const struct fb_schema *schema,
                  struct fb_table *ret, struct fault *fault);

/** Is field @id there? */
bool fb_has(const struct fb_table *table, size_t id);

/** Scalar fields; @absent is what an absent field means. */
uint8_t fb_u8(const struct fb_table *table, size_t id, uint8_t absent);
int8_t fb_i8(const struct fb_table *table, size_t id, int8_t absent);
uint32_t fb_u32(const struct fb_table *table, size_t id, uint32_t absent);
int32_t fb_i32(const struct fb_table *table, size_t id, int32_t absent);
uint64_t fb_u64(const struct fb_table *table, size_t id, uint64_t absent);
float fb_f32(const struct fb_table *table, size_t id, float absent);

/** The vector in field @id; n_items is 0 if it is absent. */
struct fb_vector fb_vector(const struct fb_table *table, size_t id);

/** Item @i, below n_items, of a vector of that type. */
int32_t fb_item_i32(const struct fb_vector *vector, size_t i);
int64_t fb_item_i64(const struct fb_vector *vector, size_t i);
float fb_item_f32(const struct fb_vector *vector, size_t i);

/** The first of n_items bytes; NULL if there are none. */
const uint8_t *fb_bytes(const struct fb_vector *vector);
