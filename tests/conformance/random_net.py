# SPDX-License-Identifier: MIT
"""Valid int8 networks by seed, as `.tflite` bytes: chains, branches that meet again, tensors that are read late, several
outputs. Needs nothing but the standard library."""

import importlib
import os
import random
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "models")]
flat = importlib.import_module("training.flat")
Scalar, Table, Tables, Text, Vector = flat.Scalar, flat.Table, flat.Tables, flat.Text, flat.Vector

INT32, INT8 = 2, 9
SCALE, ZERO_POINT = 0.05, 3  # of all activations, so that anything can be joined with anything
SAME, VALID = 0, 1
NONE, RELU, RELU6 = 0, 1, 3
ITEMS_MAX = 40000  # of a tensor
ADD, AVERAGE_POOL, CONCATENATION, CONV, DEPTHWISE, DENSE, MAX_POOL = 0, 1, 2, 3, 4, 9, 17
RELU6_ALONE, RESHAPE, HARD_SWISH, PAD, MEAN = 21, 22, 117, 34, 40


class Net:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.tensors, self.buffers, self.operators, self.codes = [], [Table({})], [], []
        self.shapes, self.images = {}, []  # of activations; those of rank 4 that may be read
        self.inputs, self.outputs = [], []

    def tensor(self, shape, kind=INT8, scale=None, zero_point=ZERO_POINT, data=None, axis=0):
        """Append a tensor; a constant if there is data. Returns its index."""
        scales = Vector("f", scale or [SCALE])
        points = Vector("q", [zero_point] * len(scales.items), 8)
        buffer = 0
        if data is not None:
            buffer = len(self.buffers)
            self.buffers.append(Table({0: Vector("B", data, 16)}))
        self.tensors.append(
            Table(
                {
                    0: Vector("i", list(shape)),
                    1: Scalar("b", kind),
                    2: Scalar("I", buffer),
                    3: Text(f"t{len(self.tensors)}"),
                    4: Table({2: scales, 3: points, 6: Scalar("i", axis)}),
                }
            )
        )
        return len(self.tensors) - 1

    def image(self, shape):
        index = self.tensor(shape)
        self.shapes[index] = tuple(shape)
        self.images.append(index)
        return index

    def add(self, code, inputs, shape, union=0, options=None):
        if code not in self.codes:
            self.codes.append(code)
        output = self.image(shape)
        fields = {0: Scalar("I", self.codes.index(code)), 1: Vector("i", inputs), 2: Vector("i", [output])}
        if options is not None:
            fields |= {3: Scalar("B", union), 4: Table(options)}
        self.operators.append(Table(fields))
        return output

    def weights(self, shape, channels, depth, axis):
        """Random weights and biases whose products fill int8."""
        scales = [self.random.uniform(0.5, 1.5) / (70 * depth**0.5) for _ in range(channels)]
        count = shape[0] * shape[1] * shape[2] * shape[3]
        weight = self.tensor(shape, INT8, scales, 0, self.random.randbytes(count), axis)
        bias = [self.random.randrange(-2000, 2000) for _ in range(channels)]
        data = b"".join(value.to_bytes(4, "little", signed=True) for value in bias)
        return [weight, self.tensor([channels], INT32, [SCALE * s for s in scales], 0, data)]

    def window(self, shape, sides, strides, dilations=(1,)):
        """A random window onto an image: filter, stride, dilation, padding, size of the output."""
        pick = self.random.choice
        for _ in range(20):
            padding = pick([SAME, SAME, VALID])
            parts = [(pick(sides), pick(strides), pick(dilations)) for _ in range(2)]
            out = []
            for items, (side, stride, dilation) in zip(shape[1:3], parts):
                reach = (side - 1) * dilation
                out.append(-(-items // stride) if padding == SAME else -(-(items - reach) // stride))
            if min(out) >= 1:
                return parts, padding, out
        return [(1, 1, 1), (1, 1, 1)], SAME, list(shape[1:3])

    # ---- what can follow an image; each returns its output, or None if it does not fit ----

    def conv(self, x):
        shape = self.shapes[x]
        sides = self.random.choice([[1], [1, 3], [3], [2, 3, 5]])
        (down, across), padding, out = self.window(shape, sides, [1, 1, 2], [1] if sides == [1] else [1, 1, 2])
        channels = self.random.choice([1, 3, 8, 16, 24, 33])
        inputs = self.weights([channels, down[0], across[0], shape[3]], channels, down[0] * across[0] * shape[3], 0)
        options = {0: Scalar("b", padding), 1: Scalar("i", across[1]), 2: Scalar("i", down[1])}
        options |= {3: Scalar("b", self.random.choice([NONE, RELU, RELU6]))}
        options |= {4: Scalar("i", across[2]), 5: Scalar("i", down[2])}
        return self.add(CONV, [x, *inputs], [shape[0], *out, channels], 1, options)

    def depthwise(self, x):
        shape = self.shapes[x]
        (down, across), padding, out = self.window(shape, [1, 3, 3, 5], [1, 1, 2], [1, 1, 2])
        multiplier = self.random.choice([1, 1, 1, 2])
        channels = shape[3] * multiplier
        inputs = self.weights([1, down[0], across[0], channels], channels, down[0] * across[0], 3)
        options = {0: Scalar("b", padding), 1: Scalar("i", across[1]), 2: Scalar("i", down[1])}
        options |= {3: Scalar("i", multiplier), 4: Scalar("b", self.random.choice([NONE, RELU, RELU6]))}
        options |= {5: Scalar("i", across[2]), 6: Scalar("i", down[2])}
        return self.add(DEPTHWISE, [x, *inputs], [shape[0], *out, channels], 2, options)

    def squares(self, _):
        """On the widest image: 1 x 1, then 3 x 3 at stride 1 and 2, of as many channels as some rows of kernels do in tiles."""
        x = max(self.images, key=lambda i: self.shapes[i][2])
        for side, stride, channels in (1, 1, 64), (3, 1, 32), (3, 2, 32):
            n, h, w, c = self.shapes[x]
            inputs = self.weights([channels, side, side, c], channels, side * side * c, 0)
            options = {0: Scalar("b", SAME), 1: Scalar("i", stride), 2: Scalar("i", stride), 3: Scalar("b", RELU)}
            x = self.add(CONV, [x, *inputs], [n, -(-h // stride), -(-w // stride), channels], 1, options)
        return x

    def separable(self, x):
        return self.conv(self.depthwise(x))

    def pool(self, x):
        shape = self.shapes[x]
        (down, across), padding, out = self.window(shape, [1, 2, 3], [1, 2])
        options = {0: Scalar("b", padding), 1: Scalar("i", across[1]), 2: Scalar("i", down[1])}
        options |= {3: Scalar("i", across[0]), 4: Scalar("i", down[0]), 5: Scalar("b", NONE)}
        return self.add(self.random.choice([AVERAGE_POOL, MAX_POOL]), [x], [shape[0], *out, shape[3]], 5, options)

    def sum(self, x):
        """With any other of its shape, or with itself."""
        other = self.random.choice([i for i in self.images if self.shapes[i] == self.shapes[x]])
        return self.add(ADD, [x, other], self.shapes[x], 11, {0: Scalar("b", self.random.choice([NONE, RELU]))})

    def residual(self, x):
        """Two ways that keep the shape, which meet again."""
        shape, y = self.shapes[x], x
        for _ in range(self.random.choice([1, 2])):
            side = self.random.choice([1, 3])
            channels = shape[3]
            inputs = self.weights([channels, side, side, channels], channels, side * side * channels, 0)
            options = {0: Scalar("b", SAME), 1: Scalar("i", 1), 2: Scalar("i", 1), 3: Scalar("b", RELU)}
            y = self.add(CONV, [y, *inputs], shape, 1, options)
        return self.add(ADD, [y, x] if self.random.random() < 0.5 else [x, y], shape, 11, {0: Scalar("b", NONE)})

    def joined(self, x):
        """With another of its height and width, along the channels."""
        shape = self.shapes[x]
        other = self.random.choice([i for i in self.images if self.shapes[i][:3] == shape[:3]])
        wide = [*shape[:3], shape[3] + self.shapes[other][3]]
        return self.add(CONCATENATION, [x, other], wide, 10, {0: Scalar("i", 3), 1: Scalar("b", NONE)})

    def table(self, x):
        return self.add(*self.random.choice([(RELU6_ALONE, [x], self.shapes[x]), (HARD_SWISH, [x], self.shapes[x], 91, {})]))

    def padded(self, x):
        n, h, w, c = self.shapes[x]
        before, after = self.random.choice([0, 1, 2]), self.random.choice([0, 1])
        amounts = [0, 0, before, after, before, after, 0, 0]
        data = b"".join(value.to_bytes(4, "little") for value in amounts)
        paddings = self.tensor([4, 2], INT32, [1.0], 0, data)
        return self.add(PAD, [x, paddings], [n, h + before + after, w + before + after, c], 22, {})

    def turned(self, x):
        """Height and width change places by name only."""
        n, h, w, c = self.shapes[x]
        data = b"".join(value.to_bytes(4, "little") for value in (n, w, h, c))
        return self.add(RESHAPE, [x, self.tensor([4], INT32, [1.0], 0, data)], [n, w, h, c])

    def grow(self):
        """One more operator behind a recent image, or sometimes an old one."""
        recent = self.images[-1] if self.random.random() < 0.8 else self.random.choice(self.images)
        kinds = [self.conv, self.conv, self.depthwise, self.separable, self.separable, self.pool, self.sum]
        kinds += [self.squares, self.residual, self.joined, self.table, self.padded, self.turned]
        shape = self.shapes[recent]
        if shape[0] * shape[1] * shape[2] * shape[3] > ITEMS_MAX // 2:
            kinds = [self.conv, self.pool, self.separable]
        self.random.choice(kinds)(recent)

    def file(self):
        strangers = [i for i in self.images if i not in self.inputs]
        self.outputs = [strangers[-1]]
        for _ in range(self.random.choice([0, 0, 1, 2])):
            other = self.random.choice(strangers)
            if other not in self.outputs:
                self.outputs.append(other)
        subgraph = {
            0: Tables(self.tensors),
            1: Vector("i", self.inputs),
            2: Vector("i", self.outputs),
            3: Tables(self.operators),
        }
        codes = [Table({0: Scalar("b", code), 2: Scalar("i", 1), 3: Scalar("i", code)}) for code in self.codes]
        root = {0: Scalar("I", 3), 1: Tables(codes), 2: Tables([Table(subgraph)]), 4: Tables(self.buffers)}
        return flat.file(Table(root), b"TFL3")


def make(seed):
    """(the file, bytes of its inputs)"""
    net = Net(seed)
    pick = net.random.choice
    batch = pick([1, 1, 1, 1, 1, 2])
    for _ in range(pick([1, 1, 2])):
        shape = (batch, pick([1, 5, 12, 25, 32]), pick([1, 7, 10, 24]), pick([1, 3, 8, 16]))
        net.inputs.append(net.image(shape))
    for _ in range(pick([2, 4, 8, 14])):
        net.grow()
    n_bytes = 0
    for index in net.inputs:
        n, h, w, c = net.shapes[index]
        n_bytes += n * h * w * c
    return net.file(), n_bytes


FAR = 0x55555555  # three times this is 2^32 - 1, the most that padding takes


def far_apart(kind):
    """One layer on one pixel, whose other taps are far outside; (the file, bytes of its input)"""
    net = Net(0)
    net.inputs.append(net.image((1, 1, 1, 64)))
    options = {0: Scalar("b", SAME), 1: Scalar("i", 1), 2: Scalar("i", 1)}
    if kind == CONV:
        options |= {5: Scalar("i", FAR)}
        net.add(CONV, [0, *net.weights([16, 4, 1, 64], 16, 64, 0)], [1, 1, 1, 16], 1, options)
    elif kind == DEPTHWISE:
        options |= {3: Scalar("i", 1), 5: Scalar("i", FAR), 6: Scalar("i", FAR)}
        net.add(DEPTHWISE, [0, *net.weights([1, 4, 4, 64], 64, 1, 3)], [1, 1, 1, 64], 2, options)
    else:
        options |= {3: Scalar("i", 2**31 - 1), 4: Scalar("i", 2**31 - 1)}
        net.add(kind, [0], [1, 1, 1, 64], 5, options)
    return net.file(), 64
