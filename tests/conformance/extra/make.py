#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the models of this folder, their inputs and outputs, and manifest.tsv: what the other groups
leave out. Outputs are computed here from the text of ../README.md. `make.py` in this folder, no arguments."""
import itertools
import math
import random
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
F32, I32, I8 = 0, 2, 9


# ---- a writer of FlatBuffers: parents first, so that every offset points forward ----
class Table(dict):
    """Field id to (kind, value): 'b' byte, 'i' int, 'I' uint, 'f' float, or 'o' something below."""


class Vector:
    def __init__(self, kind, items):
        self.kind, self.items = kind, items  # 'B', 'i', 'f', 'q' or 'o'


WIDTH = {'b': 1, 'B': 1, 'i': 4, 'I': 4, 'f': 4, 'o': 4, 'q': 8}


def write(root):
    out = bytearray(b'\0\0\0\0TFL3')
    todo = [(0, root)]

    def pad(n, before=0):
        out.extend(b'\0' * (-(len(out) + before) % n))

    while todo:
        at, thing = todo.pop(0)
        if isinstance(thing, Vector):
            pad(16 if thing.kind == 'B' else 8, 4)
            struct.pack_into('<I', out, at, len(out) - at)
            out.extend(struct.pack('<I', len(thing.items)))
            for item in thing.items:
                if thing.kind == 'o':
                    todo.append((len(out), item))
                    item = 0
                out.extend(struct.pack('<' + thing.kind.replace('o', 'I'), item))
            continue
        n = max(thing, default=-1) + 1
        places, size = [0] * n, 4
        for i, (kind, _) in sorted(thing.items(), key=lambda f: -WIDTH[f[1][0]]):
            size += -size % WIDTH[kind]
            places[i] = size
            size += WIDTH[kind]
        vtable_bytes = 4 + 2 * n
        pad(4, vtable_bytes)
        vtable = len(out)
        out.extend(struct.pack('<HH%dH' % n, vtable_bytes, size, *places))
        struct.pack_into('<I', out, at, len(out) - at)
        table = len(out)
        out.extend(struct.pack('<i', table - vtable) + bytes(size - 4))
        for i, (kind, value) in thing.items():
            if kind == 'o':
                todo.append((table + places[i], value))
            else:
                struct.pack_into('<' + kind, out, table + places[i], value)
    return bytes(out)


# ---- a model from tensors and operators ----
class Tensor:
    def __init__(self, shape, kind=F32, scale=None, zero=0, data=None):
        self.shape, self.kind, self.scale, self.zero, self.data = shape, kind, scale, zero, data

    def n(self):
        return math.prod(self.shape)


def model(tensors, operators, inputs, outputs):
    buffers, tables = [Table()], []
    for t in tensors:
        fields = Table({0: ('o', Vector('i', t.shape)), 1: ('b', t.kind)})
        if t.data is not None:
            fields[2] = ('I', len(buffers))
            buffers.append(Table({0: ('o', Vector('B', pack(t, t.data)))}))
        if t.scale is not None:
            fields[4] = ('o', Table({2: ('o', Vector('f', [t.scale])), 3: ('o', Vector('q', [t.zero]))}))
        tables.append(fields)
    codes, ops = [], []
    for code, ins, outs, options_type, options in operators:
        codes.append(Table({0: ('b', min(code, 127)), 3: ('i', code)}))
        fields = Table({0: ('I', len(codes) - 1), 1: ('o', Vector('i', ins)), 2: ('o', Vector('i', outs))})
        if options_type:
            fields[3], fields[4] = ('b', options_type), ('o', Table(options))
        ops.append(fields)
    graph = Table({0: ('o', Vector('o', tables)), 1: ('o', Vector('i', inputs)),
                   2: ('o', Vector('i', outputs)), 3: ('o', Vector('o', ops))})
    return write(Table({0: ('I', 3), 1: ('o', Vector('o', codes)), 2: ('o', Vector('o', [graph])),
                        4: ('o', Vector('o', buffers))}))


def pack(tensor, values):
    return struct.pack('<%d%s' % (len(values), {F32: 'f', I32: 'i', I8: 'b'}[tensor.kind]), *values)


def f32(x):
    return struct.unpack('<f', struct.pack('<f', x))[0]


def values_for(tensor, rng):
    if tensor.kind == I8:
        return [rng.randint(-128, 127) for _ in range(tensor.n())]
    return [f32(rng.uniform(-4, 4)) for _ in range(tensor.n())]


# ---- row-major arrays ----
def places(shape):
    return itertools.product(*(range(n) for n in shape))


def at(shape, place):
    flat = 0
    for n, i in zip(shape, place):
        flat = flat * n + i
    return flat


def stretched(shape, place):
    """The place in an array that is stretched to the place of the result."""
    place = place[len(place) - len(shape):]
    return at(shape, [0 if n == 1 else i for n, i in zip(shape, place)])


# ---- the arithmetic of ../README.md ----
def half_away(x):
    return math.floor(x + 0.5) if x >= 0 else -math.floor(-x + 0.5)


def multiplier(m):
    f, shift = math.frexp(m)
    q = half_away(f * 2**31)
    if q == 2**31:
        q, shift = 2**30, shift + 1
    return (0, 0) if shift < -31 or m == 0 else (q, shift)


def mbqm(x, factor):
    q, shift = factor
    high = (x * 2**max(shift, 0) * q + 2**30) // 2**31
    down = 2**max(-shift, 0)
    return half_away(high / down) if down > 1 else high


CASES = []


def case(name, tensors, operators, inputs, outputs, compute, compare='exact', n_samples=3):
    CASES.append((name, tensors, operators, inputs, outputs, compute, compare, n_samples))


def elementwise(name, code, options_type, shapes, f, options=None):
    shape = shapes[-1]
    tensors = [Tensor(s) for s in shapes]
    n = len(shapes) - 1

    def compute(xs):
        return [[f32(f(*(x[stretched(s, p)] for x, s in zip(xs, shapes)))) for p in places(shape)]]
    case(name, tensors, [(code, list(range(n)), [n], options_type, options or {})], list(range(n)), [n],
         compute, 'tol:1e-6')


def clamp(x, low, high):
    return min(max(x, low), high)


elementwise('relu_f32', 19, 0, [[2, 3, 5], [2, 3, 5]], lambda x: max(x, 0.0))
elementwise('sub_f32', 41, 28, [[2, 3, 5], [3, 1], [2, 3, 5]], lambda a, b: a - b)
elementwise('sub_f32_scalar', 41, 28, [[], [4, 3], [4, 3]], lambda a, b: a - b)
elementwise('add_f32_n1_to_1', 0, 11, [[4, 6], [6], [4, 6]], lambda a, b: clamp(a + b, -1, 1), {0: ('b', 2)})
elementwise('mul_f32_relu6', 18, 21, [[2, 1, 4, 1, 3], [5, 1, 2, 1], [2, 5, 4, 2, 3]],
            lambda a, b: clamp(a * b, 0, 6), {0: ('b', 3)})


def mul_s8():
    a, b, y = Tensor([3, 7], I8, f32(0.05), 3), Tensor([3, 7], I8, f32(0.02), -9), Tensor([3, 7], I8, f32(0.013), -4)
    factor = multiplier(a.scale * b.scale / y.scale)
    low, high = (clamp(y.zero + half_away(f32(v / y.scale)), -128, 127) for v in (-1, 1))

    def compute(xs):
        return [[clamp(mbqm((p - a.zero) * (q - b.zero), factor) + y.zero, low, high) for p, q in zip(*xs)]]
    case('mul_n1_to_1', [a, b, y], [(18, [0, 1], [2], 21, {0: ('b', 2)})], [0, 1], [2], compute)


mul_s8()


def transpose():
    x, y = Tensor([2, 3, 1, 4, 2]), Tensor([4, 2, 3, 2, 1])
    perm = [3, 0, 1, 4, 2]

    def transposed(xs):
        out = [0] * y.n()
        for p in places(x.shape):
            out[at(y.shape, [p[i] for i in perm])] = xs[0][at(x.shape, p)]
        return [out]
    case('transpose_f32', [x, Tensor([5], I32, data=perm), y], [(39, [0, 1], [2], 26, {})], [0], [2], transposed)


def strided_slice():
    x, y = Tensor([5, 4, 6]), Tensor([3, 3])

    def sliced(xs):
        return [[xs[0][at(x.shape, (i, 2, k))] for i in (4, 2, 0) for k in (5, 3, 1)]]
    bounds = [Tensor([3], I32, data=d) for d in ([-1, -2, 9], [-99, 0, 0], [-2, 1, -2])]
    case('slice_f32_backwards', [x, *bounds, y], [(45, [0, 1, 2, 3], [4], 32, {4: ('i', 2)})], [0], [4], sliced)


def pad():
    x, y = Tensor([2, 3]), Tensor([4, 4])
    value = f32(-1.5)

    def padded(xs):
        out = [value] * y.n()
        for p in places(x.shape):
            out[at(y.shape, (p[0] + 1, p[1]))] = xs[0][at(x.shape, p)]
        return [out]
    case('padv2_f32', [x, Tensor([2, 2], I32, data=[1, 1, 0, 1]), Tensor([1], data=[value]), y],
         [(60, [0, 1, 2], [3], 43, {})], [0], [3], padded)


transpose()
strided_slice()
pad()


def ends():
    """What a planner of memory may get wrong about inputs and outputs."""
    x, y = Tensor([8], I8, 0.5, 1), Tensor([8], I8, 0.5, 1)

    def relu6(v):
        return clamp(v, 1, 13)
    case('input_is_output', [x, y], [(21, [0], [1], 0, {})], [0], [0, 1], lambda xs: [xs[0], list(map(relu6, xs[0]))])
    case('output_twice', [x, y], [(21, [0], [1], 0, {})], [0], [1, 1], lambda xs: [list(map(relu6, xs[0]))] * 2)
    case('input_unused', [x, Tensor([3]), y], [(21, [0], [2], 0, {})], [0, 1], [2],
         lambda xs: [list(map(relu6, xs[0]))])
    z = Tensor([2, 4], I8, 0.5, 1)
    case('reshape_of_input', [x, z, y], [(22, [0], [1], 0, {}), (21, [0], [2], 0, {})], [0], [1, 2],
         lambda xs: [xs[0], list(map(relu6, xs[0]))])
    constant = Tensor([8], I8, 0.5, 1, [5, -7, 100, 13, 14, 1, 0, -128])
    case('only_constants', [constant, y], [(21, [0], [1], 0, {})], [], [1],
         lambda xs: [list(map(relu6, constant.data))])
    case('reshape_of_constant', [constant, z], [(22, [0], [1], 0, {})], [], [1], lambda xs: [constant.data])


ends()


def refused():
    def bad(name, tensors, operators, inputs, outputs):
        case(name, tensors, operators, inputs, outputs, None, 'refuse', 0)
    wide = [1, 4096, 4096, 1]
    bad('bad_work', [Tensor(wide, I8, 0.5), Tensor(wide, I8, 0.5)],
        [(1, [0], [1], 5, {0: ('b', 0), 1: ('i', 1), 2: ('i', 1), 3: ('i', 4096), 4: ('i', 4096)})], [0], [1])
    large = [1, 1 << 15, 1 << 14, 1]
    bad('bad_arena', [Tensor(large), Tensor(large)], [(28, [0], [1], 0, {})], [0], [1])
    many = [Tensor([1], I8, 0.5) for _ in range(3)]
    bad('bad_output_constant', [*many[:2], Tensor([1], I8, 0.5, 0, [3])], [(21, [0], [1], 0, {})], [0], [2])
    bad('bad_input_twice', many, [(0, [0, 1], [2], 11, {})], [0, 0], [2])
    bad('bad_no_outputs', many, [(0, [0, 1], [2], 11, {})], [0, 1], [])
    bad('bad_broadcast_rank', [Tensor([2]), Tensor([2]), Tensor([1, 2])], [(0, [0, 1], [2], 11, {})], [0, 1], [2])
    weights = Tensor([1, 1], I8, 0.5, 3, [7])
    bad('bad_weight_zero_point', [many[0], weights, Tensor([1, 1], I8, 0.5)], [(9, [0, 1], [2], 8, {})], [0], [2])
    weights = Tensor([1, 1], I8, 0.5, 0, [7])
    bias = Tensor([1], I32, 1000.0, 0, [7])
    bad('bad_bias_scale', [many[0], weights, bias, Tensor([1, 1], I8, 0.5)], [(9, [0, 1, 2], [3], 8, {})], [0], [3])


refused()


def logistic_f32_tail():
    """Far down, the reference takes exp(x): x - 13.5 is -17.5 to -9.5 here."""
    x, y, z = (Tensor([2, 5]) for _ in range(3))

    def compute(xs):
        return [[f32(math.exp(f32(v - 13.5))) for v in xs[0]]]
    case('logistic_f32_tail', [x, Tensor([1], data=[-13.5]), y, z],
         [(0, [0, 1], [2], 11, {}), (14, [2], [3], 0, {})], [0], [3], compute, 'tol:1e-5')


def unused_input_without_scale():
    x, y = Tensor([8], I8, 0.5, 1), Tensor([8], I8, 0.5, 1)
    case('bad_unused_no_scale', [x, Tensor([3], I8), y], [(21, [0], [2], 0, {})], [0, 1], [2], None, 'refuse', 0)


logistic_f32_tail()
unused_input_without_scale()


def main():
    lines = ['name\tn_samples\tcompare']
    for number, (name, tensors, operators, inputs, outputs, compute, compare, n_samples) in enumerate(CASES):
        rng = random.Random(number)
        (HERE / f'{name}.tflite').write_bytes(model(tensors, operators, inputs, outputs))
        io = b''
        for _ in range(n_samples):
            xs = [values_for(tensors[i], rng) for i in inputs]
            io += b''.join(pack(tensors[i], x) for i, x in zip(inputs, xs))
            io += b''.join(pack(tensors[i], y) for i, y in zip(outputs, compute(xs)))
        if io:
            (HERE / f'{name}.io').write_bytes(io)
        lines.append(f'{name}\t{n_samples}\t{compare}')
    (HERE / 'manifest.tsv').write_text('\n'.join(lines) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
