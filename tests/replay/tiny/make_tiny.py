#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the bundle `tiny` and a scene for it, the same bytes each time.

    make_tiny.py DIRECTORY

Three int8 networks of one FULLY_CONNECTED layer each, whose weights are chosen by hand, so
that a test knows what must come out:

    sound    log-mel rows -> [loudness: mean of all log energies, 0, 0, 0]
    picture  8x8 rgb      -> [10 x mean red, 10 x mean green, 10 x mean blue, 0]
    head     logits of quiet = 0, noise = loudness + 7, red = red - green - 3
             (the constants ride on the presence mask: a missing modality says nothing)

Scene, 12 s: hiss, loud noise in 3..6 s and 8..10 s; grey pictures, red ones in 5..9 s.
"""
import hashlib
import struct
import sys
import wave
from pathlib import Path

RATE_HZ, SECONDS, FRAMES_HZ = 16000, 12, 10
NOISE_S, RED_S = ((3, 6), (8, 10)), ((5, 9),)
ROWS, BANDS, SIDE_PX, EMBEDDING = 98, 8, 8, 4
LABELS = ('quiet', 'noise', 'red')
WIDTH_PX, HEIGHT_PX = 16, 12

INT8, INT32 = 9, 2  # TensorType
CONCATENATION, FULLY_CONNECTED = 2, 9  # BuiltinOperator
CONCATENATION_OPTIONS, FULLY_CONNECTED_OPTIONS = 10, 8
SCALE = 0.125  # of embeddings, mask and logits; zero point 0


class Vector(list):
    """A FlatBuffers vector: of scalars (`code` as in struct) or of tables and strings (None)."""

    def __init__(self, code, items):
        super().__init__(items)
        self.code = code


class FlatBuffer:
    """Writes a tree of {slot: value} tables front to back, children behind their parents."""

    def __init__(self, root, identifier):
        self.data = bytearray(4) + identifier
        self.patch(0, self.table(root))

    def align(self, n, ahead=0):
        while (len(self.data) + ahead) % n:
            self.data.append(0)

    def patch(self, at, target):
        struct.pack_into('<I', self.data, at, target - at)

    def table(self, fields):
        codes = {slot: value[0] if isinstance(value, tuple) else 'I' for slot, value in fields.items()}
        layout, size = {}, 4
        for slot, code in sorted(codes.items(), key=lambda item: -struct.calcsize(item[1])):
            width = struct.calcsize(code)
            size += -size % width
            layout[slot] = size
            size += width
        n_slots = max(fields, default=-1) + 1
        self.align(2)
        vtable = len(self.data)
        self.data += struct.pack('<HH', 4 + 2 * n_slots, size)
        for slot in range(n_slots):
            self.data += struct.pack('<H', layout.get(slot, 0))
        self.align(8)
        start = len(self.data)
        self.data += struct.pack('<i', start - vtable) + bytes(size - 4)
        for slot, value in fields.items():
            if isinstance(value, tuple):
                struct.pack_into('<' + value[0], self.data, start + layout[slot], value[1])
        for slot, value in fields.items():
            if not isinstance(value, tuple):
                self.patch(start + layout[slot], self.child(value))
        return start

    def child(self, value):
        if isinstance(value, dict):
            return self.table(value)
        if isinstance(value, str):
            self.align(4)
            start = len(self.data)
            self.data += struct.pack('<I', len(value)) + value.encode() + b'\0'
            return start
        if value.code:
            self.align(16, ahead=4)
            start = len(self.data)
            self.data += struct.pack('<I', len(value)) + struct.pack(f'<{len(value)}{value.code}', *value)
            return start
        self.align(4)
        start = len(self.data)
        self.data += struct.pack('<I', len(value)) + bytes(4 * len(value))
        for i, item in enumerate(value):
            self.patch(start + 4 + 4 * i, self.child(item))
        return start


def tensor(name, shape, kind, buffer, scale, zero_point=0):
    return {0: Vector('i', shape), 1: ('b', kind), 2: ('I', buffer), 3: name,
            4: {2: Vector('f', [scale]), 3: Vector('q', [zero_point])}}


def model(codes, tensors, inputs, outputs, operators, buffers):
    """Bytes of a .tflite. operators: (code index, inputs, outputs, options type, options)."""
    return bytes(FlatBuffer({
        0: ('I', 3),
        1: Vector(None, [{0: ('b', code), 2: ('i', 1), 3: ('i', code)} for code in codes]),
        2: Vector(None, [{
            0: Vector(None, tensors), 1: Vector('i', inputs), 2: Vector('i', outputs),
            3: Vector(None, [{0: ('I', code), 1: Vector('i', ins), 2: Vector('i', outs), 3: ('B', kind),
                              4: options} for code, ins, outs, kind, options in operators]),
            4: 'main'}]),
        3: 'tiny',
        4: Vector(None, [{0: Vector('B', data)} if data else {} for data in buffers]),
    }, b'TFL3').data)


def quantised(rows):
    """[out][in] real weights -> (int8 bytes, scale)."""
    scale = max(abs(w) for row in rows for w in row) / 127
    return [round(w / scale) & 0xff for row in rows for w in row], scale


def encoder(shape, scale, zero_point, rows):
    weights, weight_scale = quantised(rows)
    n_inputs = len(rows[0])
    return model([FULLY_CONNECTED], [
        tensor('features', shape, INT8, 0, scale, zero_point),
        tensor('weights', [len(rows), n_inputs], INT8, 1, weight_scale),
        tensor('embedding', [1, len(rows)], INT8, 0, SCALE),
    ], [0], [2], [(0, [0, 1, -1], [2], FULLY_CONNECTED_OPTIONS, {})], [b'', weights])


def head():
    # inputs: loudness 0 0 0 | red green blue 0 | sound there, picture there
    weights, weight_scale = quantised([
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0, 0, 0, 7, 0],
        [0, 0, 0, 0, 1, -1, 0, 0, 0, -3],
    ])
    n = 2 * EMBEDDING + 2
    return model([CONCATENATION, FULLY_CONNECTED], [
        tensor('sound', [1, EMBEDDING], INT8, 0, SCALE),
        tensor('picture', [1, EMBEDDING], INT8, 0, SCALE),
        tensor('mask', [1, 2], INT8, 0, SCALE),
        tensor('all', [1, n], INT8, 0, SCALE),
        tensor('weights', [len(LABELS), n], INT8, 1, weight_scale),
        tensor('logits', [1, len(LABELS)], INT8, 0, SCALE),
    ], [0, 1, 2], [5], [
        (0, [0, 1, 2], [3], CONCATENATION_OPTIONS, {0: ('i', 1)}),
        (1, [3, 4, -1], [5], FULLY_CONNECTED_OPTIONS, {}),
    ], [b'', weights])


def sound_encoder():
    n = ROWS * BANDS
    return encoder([1, ROWS, BANDS, 1], 0.2, 0, [[1 / n] * n] + [[0] * n] * (EMBEDDING - 1))


def picture_encoder():
    n = SIDE_PX * SIDE_PX
    rows = [[10 / n if i % 3 == channel else 0 for i in range(3 * n)] for channel in range(3)]
    return encoder([1, SIDE_PX, SIDE_PX, 3], 1 / 255, -128, rows + [[0] * 3 * n])


MANIFEST = """[bundle]
format = 1
name = tiny
version = 1.0
licence = MIT
description = hand-made networks for tests: loud noise, red pictures
[modality sound]
kind = sound
encoder = sound.tflite
window_ms = 1000
hop_ms = 500
features = logmel
bands = 8
[modality picture]
kind = picture
encoder = picture.tflite
size_px = 8x8
[head]
file = head.tflite
unknown = 0.4
[detector]
on = 0.7
off = 0.5
hold_ms = 1000
update_ms = 2000
[detector quiet]
report = no
"""


def noise(state):
    """32-bit LCG of Numerical Recipes; the high half as -32768..32767."""
    while True:
        state = (1664525 * state + 1013904223) & 0xffffffff
        yield (state >> 16) - 32768


def within(t, spans):
    return any(begin <= t < end for begin, end in spans)


def scene_sound():
    values = noise(1)
    for i in range(RATE_HZ * SECONDS):
        yield next(values) // (4 if within(i / RATE_HZ, NOISE_S) else 2000)


def scene_pictures():
    values = noise(2)
    for i in range(FRAMES_HZ * SECONDS):
        colour = (200, 30, 30) if within(i / FRAMES_HZ, RED_S) else (100, 100, 100)
        yield bytes(c + next(values) % 16 for _ in range(WIDTH_PX * HEIGHT_PX) for c in colour)


def main():
    root = Path(sys.argv[1])
    root.mkdir(parents=True, exist_ok=True)
    files = {
        'bundle.ini': MANIFEST.encode(),
        'labels.txt': ''.join(label + '\n' for label in LABELS).encode(),
        'sound.tflite': sound_encoder(),
        'picture.tflite': picture_encoder(),
        'head.tflite': head(),
    }
    for name, data in files.items():
        (root / name).write_bytes(data)
    (root / 'SHA256SUMS').write_text(''.join(
        f'{hashlib.sha256(data).hexdigest()}  {name}\n' for name, data in sorted(files.items())))
    with wave.open(str(root / 'scene.wav'), 'wb') as scene:
        scene.setparams((1, 2, RATE_HZ, 0, 'NONE', ''))
        scene.writeframes(b''.join(struct.pack('<h', s) for s in scene_sound()))
    (root / 'scene.rgb').write_bytes(b''.join(scene_pictures()))


main()
