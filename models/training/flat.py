# SPDX-License-Identifier: MIT
"""Write a FlatBuffer: tables, vectors and strings, parents before children.

Source: FlatBuffers internals (flatbuffers.dev/internals), "Format components". A table is preceded by its vtable; what
a table or vector refers to is written behind it, so that every offset points forward, as the format wants.
"""

import dataclasses
import struct

SIZES = {"b": 1, "B": 1, "?": 1, "h": 2, "H": 2, "i": 4, "I": 4, "f": 4, "q": 8}


@dataclasses.dataclass
class Scalar:
    format: str  # as in struct: b i8, B u8, ? bool, i i32, I u32, f float32
    value: object


@dataclasses.dataclass
class Vector:
    """Scalars of one format, as bytes or a sequence of numbers."""

    format: str
    items: object
    alignment: int = 4  # of the first item
    shared: bool = False  # equal ones lie in the file once


@dataclasses.dataclass
class Text:
    value: str


@dataclasses.dataclass
class Tables:
    items: list


@dataclasses.dataclass
class Table:
    fields: dict  # id -> Scalar, Vector, Text, Tables or Table; None: absent


class Writer:
    def __init__(self):
        self.bytes = bytearray()
        self.vtables = {}  # bytes -> place: tables of one layout share theirs
        self.shared = {}  # key -> vector, places of the offsets to it; they lie behind all else, for offsets point forward

    def pad(self, alignment: int, before: int = 0):
        """Go on where, @before bytes later, a multiple of @alignment is reached."""
        while (len(self.bytes) + before) % alignment:
            self.bytes.append(0)

    def refer(self, place: int, thing):
        """Write @thing, now or later, and let the offset at @place point to it."""
        if isinstance(thing, Vector) and thing.shared:
            key = thing.format, bytes(thing.items) if thing.format in "bB" else tuple(thing.items)
            self.shared.setdefault(key, (thing, []))[1].append(place)
            return
        target = self.write(thing)
        struct.pack_into("<I", self.bytes, place, target - place)

    def write_shared(self):
        for vector, places in self.shared.values():
            target = self.vector(vector)
            for place in places:
                struct.pack_into("<I", self.bytes, place, target - place)

    def write(self, thing) -> int:
        """Returns the place that offsets to @thing name."""
        if isinstance(thing, Table):
            return self.table(thing)
        if isinstance(thing, Tables):
            return self.tables(thing)
        if isinstance(thing, Text):
            return self.text(thing)
        return self.vector(thing)

    def vector(self, vector: Vector) -> int:
        size = SIZES[vector.format]
        self.pad(max(4, vector.alignment, size), before=4)
        place = len(self.bytes)
        if isinstance(vector.items, (bytes, bytearray)):
            self.bytes += struct.pack("<I", len(vector.items) // size) + vector.items
        else:
            self.bytes += struct.pack(f"<I{len(vector.items)}{vector.format}", len(vector.items), *vector.items)
        return place

    def text(self, text: Text) -> int:
        place = self.vector(Vector("B", text.value.encode()))
        self.bytes.append(0)
        return place

    def tables(self, tables: Tables) -> int:
        self.pad(4)
        place = len(self.bytes)
        self.bytes += struct.pack("<I", len(tables.items)) + bytes(4 * len(tables.items))
        for i, table in enumerate(tables.items):
            self.refer(place + 4 + 4 * i, table)
        return place

    def table(self, table: Table) -> int:
        fields = {number: field for number, field in sorted(table.fields.items()) if field is not None}
        places, size = {}, 4
        for number, field in sorted(fields.items(), key=lambda item: -self.width(item[1])):
            places[number] = size  # widest first: each lies at a multiple of its width
            size += self.width(field)
        n_ids = max(fields, default=-1) + 1
        vtable = struct.pack(f"<HH{n_ids}H", 4 + 2 * n_ids, size, *[places.get(i, 0) for i in range(n_ids)])
        if vtable not in self.vtables:
            self.pad(4, before=len(vtable))
            self.vtables[vtable] = len(self.bytes)
            self.bytes += vtable
        self.pad(4)
        start = len(self.bytes)
        self.bytes += struct.pack("<i", start - self.vtables[vtable]) + bytes(size - 4)
        for number, field in fields.items():
            if isinstance(field, Scalar):
                struct.pack_into(f"<{field.format}", self.bytes, start + places[number], field.value)
        for number, field in fields.items():
            if not isinstance(field, Scalar):
                self.refer(start + places[number], field)
        return start

    @staticmethod
    def width(field) -> int:
        return SIZES[field.format] if isinstance(field, Scalar) else 4


def file(root: Table, identifier: bytes) -> bytes:
    """The whole file with @root as its root table."""
    writer = Writer()
    writer.bytes += bytes(4) + identifier
    writer.refer(0, root)
    writer.write_shared()
    writer.pad(16)
    return bytes(writer.bytes)
