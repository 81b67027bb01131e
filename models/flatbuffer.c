/* SPDX-License-Identifier: MIT */
/*
 * Method: the binary layout of FlatBuffers (flatbuffers.dev, "FlatBuffer Internals"), verified
 * table by table. Every place and sum is a 64-bit number below 2^33, so none can wrap.
 */
#include "models/flatbuffer.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "FlatBuffers are little-endian and so are the machines this runs on"
#endif

static_assert(sizeof(size_t) == 8, "places are summed in 64 bits");

enum { OFFSET_BYTES = 4, HEAD_BYTES = 8 };

static uint16_t read_u16(const struct fb_file *file, size_t place) {
    uint16_t value;

    (void) memcpy(&value, file->bytes + place, sizeof(value));
    return value;
}

static uint32_t read_u32(const struct fb_file *file, size_t place) {
    uint32_t value;

    (void) memcpy(&value, file->bytes + place, sizeof(value));
    return value;
}

static uint64_t read_u64(const struct fb_file *file, size_t place) {
    uint64_t value;

    (void) memcpy(&value, file->bytes + place, sizeof(value));
    return value;
}

static size_t field_bytes(enum fb_kind kind) {
    switch (kind) {
    case FB_8:
        return 1;
    case FB_64:
        return 8;
    case FB_32:
    case FB_TABLE:
    case FB_BYTES:
    case FB_VECTOR:
    case FB_LONGS:
        return 4;
    }
    return 0;
}

/* Bytes of a vector's item; 0: not a vector. */
static size_t item_bytes(enum fb_kind kind) {
    switch (kind) {
    case FB_BYTES:
        return 1;
    case FB_VECTOR:
        return 4;
    case FB_LONGS:
        return 8;
    case FB_8:
    case FB_32:
    case FB_64:
    case FB_TABLE:
        return 0;
    }
    return 0;
}

/* The place of field @id from the start of the file; 0: absent. */
static size_t field_place(const struct fb_table *table, size_t id) {
    const size_t entry = 4 + 2 * id;
    size_t place;

    if (entry + 2 > table->vtable_bytes)
        return 0;
    place = read_u16(table->file, table->vtable + entry);
    return place ? table->place + place : 0;
}

/* What an offset at @place points to; 0: out of the file. */
static size_t follow(const struct fb_file *file, size_t place) {
    const size_t offset = read_u32(file, place), target = place + offset;

    return offset != 0 && target + OFFSET_BYTES <= file->n_bytes && target % 4 == 0 ? target : 0;
}

static int verify_field(const struct fb_table *table, size_t id, size_t table_bytes,
                        struct fault *fault) {
    const struct fb_file *file = table->file;
    const enum fb_kind kind = table->schema->fields[id];
    const size_t place = field_place(table, id), width = item_bytes(kind);
    size_t target, room;

    if (place == 0)
        return 0;
    if (place - table->place < OFFSET_BYTES ||
        place - table->place + field_bytes(kind) > table_bytes)
        return fault_set(fault, -EBADMSG,
                         "%s: field %zu of the %s table at byte %zu lies outside it", file->name,
                         id, table->schema->name, table->place);
    if (kind != FB_TABLE && width == 0)
        return 0;

    target = follow(file, place);
    if (target == 0)
        return fault_set(
            fault, -EBADMSG,
            "%s: field %zu of the %s table at byte %zu points out of the file or to an "
            "odd place",
            file->name, id, table->schema->name, table->place);
    if (kind == FB_TABLE)
        return 0;

    room = file->n_bytes - target - OFFSET_BYTES;
    if (read_u32(file, target) > room / width)
        return fault_set(fault, -EBADMSG,
                         "%s: field %zu of the %s table at byte %zu says %" PRIu32
                         " items, more than the file has",
                         file->name, id, table->schema->name, table->place, read_u32(file, target));
    return 0;
}

static int table_open(const struct fb_file *file, size_t place, const struct fb_schema *schema,
                      struct fb_table *ret, struct fault *fault) {
    struct fb_table table = { .file = file, .schema = schema, .place = place };
    int64_t vtable;
    size_t table_bytes;

    vtable = (int64_t) place - (int32_t) read_u32(file, place);
    if (vtable < 0 || vtable % 2 != 0 || (size_t) vtable + 4 > file->n_bytes)
        return fault_set(fault, -EBADMSG, "%s: the %s table at byte %zu has no vtable in the file",
                         file->name, schema->name, place);

    table.vtable = (size_t) vtable;
    table.vtable_bytes = read_u16(file, table.vtable);
    table_bytes = read_u16(file, table.vtable + 2);
    if (table.vtable_bytes < 4 || table.vtable_bytes % 2 != 0 ||
        table.vtable + table.vtable_bytes > file->n_bytes || table_bytes < OFFSET_BYTES ||
        place + table_bytes > file->n_bytes)
        return fault_set(fault, -EBADMSG, "%s: the %s table at byte %zu reaches out of the file",
                         file->name, schema->name, place);

    for (size_t id = 0; id < schema->n_fields; id++) {
        const int r = verify_field(&table, id, table_bytes, fault);

        if (r < 0)
            return r;
    }
    *ret = table;
    return 0;
}

int fb_root_open(const struct fb_file *file, const char *identifier, const struct fb_schema *schema,
                 struct fb_table *ret, struct fault *fault) {
    size_t place;

    if (file->n_bytes >= (size_t) 1 << 31)
        return fault_set(fault, -EFBIG, "%s: has %zu bytes; 2 GiB and more are not supported",
                         file->name, file->n_bytes);
    if (file->n_bytes < HEAD_BYTES)
        return fault_set(fault, -EBADMSG, "%s: has %zu bytes, too few for any model", file->name,
                         file->n_bytes);
    if (memcmp(file->bytes + 4, identifier, 4) != 0)
        return fault_set(fault, -EBADMSG, "%s: is not a TensorFlow Lite model (no '%s' at byte 4)",
                         file->name, identifier);
    place = follow(file, 0);
    if (place == 0)
        return fault_set(fault, -EBADMSG, "%s: the root table is not in the file", file->name);
    return table_open(file, place, schema, ret, fault);
}

int fb_item_open(const struct fb_vector *tables, size_t i, const struct fb_schema *schema,
                 struct fb_table *ret, struct fault *fault) {
    size_t place;

    assert(i < tables->n_items);
    place = follow(tables->file, tables->place + i * OFFSET_BYTES);
    if (place == 0)
        return fault_set(fault, -EBADMSG, "%s: %s %zu is not in the file or at an odd place",
                         tables->file->name, schema->name, i);
    return table_open(tables->file, place, schema, ret, fault);
}

int fb_field_open(const struct fb_table *table, size_t id, const struct fb_schema *schema,
                  struct fb_table *ret, struct fault *fault) {
    const size_t place = field_place(table, id);
    int r;

    assert(id < table->schema->n_fields && table->schema->fields[id] == FB_TABLE);
    if (place == 0)
        return 0;
    r = table_open(table->file, follow(table->file, place), schema, ret, fault);
    return r < 0 ? r : 1;
}

bool fb_has(const struct fb_table *table, size_t id) {
    return field_place(table, id) != 0;
}

/* The place of a scalar field of a table's schema; 0: absent. */
static size_t scalar_place(const struct fb_table *table, size_t id, enum fb_kind kind) {
    assert(id < table->schema->n_fields && table->schema->fields[id] == kind);
    return field_place(table, id);
}

uint8_t fb_u8(const struct fb_table *table, size_t id, uint8_t absent) {
    const size_t place = scalar_place(table, id, FB_8);

    return place ? table->file->bytes[place] : absent;
}

int8_t fb_i8(const struct fb_table *table, size_t id, int8_t absent) {
    return (int8_t) fb_u8(table, id, (uint8_t) absent);
}

uint32_t fb_u32(const struct fb_table *table, size_t id, uint32_t absent) {
    const size_t place = scalar_place(table, id, FB_32);

    return place ? read_u32(table->file, place) : absent;
}

int32_t fb_i32(const struct fb_table *table, size_t id, int32_t absent) {
    return (int32_t) fb_u32(table, id, (uint32_t) absent);
}

uint64_t fb_u64(const struct fb_table *table, size_t id, uint64_t absent) {
    const size_t place = scalar_place(table, id, FB_64);

    return place ? read_u64(table->file, place) : absent;
}

static float float_of(uint32_t bits) {
    float value;

    (void) memcpy(&value, &bits, sizeof(value));
    return value;
}

float fb_f32(const struct fb_table *table, size_t id, float absent) {
    const size_t place = scalar_place(table, id, FB_32);

    return place ? float_of(read_u32(table->file, place)) : absent;
}

struct fb_vector fb_vector(const struct fb_table *table, size_t id) {
    struct fb_vector vector = { .file = table->file };
    const size_t place = field_place(table, id);
    size_t target;

    assert(id < table->schema->n_fields && item_bytes(table->schema->fields[id]) != 0);
    if (place == 0)
        return vector;
    target = follow(table->file, place);
    vector.place = target + OFFSET_BYTES;
    vector.n_items = read_u32(table->file, target);
    return vector;
}

int32_t fb_item_i32(const struct fb_vector *vector, size_t i) {
    assert(i < vector->n_items);
    return (int32_t) read_u32(vector->file, vector->place + 4 * i);
}

int64_t fb_item_i64(const struct fb_vector *vector, size_t i) {
    assert(i < vector->n_items);
    return (int64_t) read_u64(vector->file, vector->place + 8 * i);
}

float fb_item_f32(const struct fb_vector *vector, size_t i) {
    assert(i < vector->n_items);
    return float_of(read_u32(vector->file, vector->place + 4 * i));
}

const uint8_t *fb_bytes(const struct fb_vector *vector) {
    return vector->n_items ? vector->file->bytes + vector->place : NULL;
}
