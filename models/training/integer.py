# SPDX-License-Identifier: MIT
"""Run a quantised graph in integers, bit for bit as the engine's C row and TensorFlow Lite Micro's reference kernels.

Slow and plain; arrays are int64 so that nothing overflows. The arithmetic is that of tflite-micro's
tensorflow/lite/kernels/internal/reference/integer_ops, with double rounding. All activations carry a batch.
"""

import numpy as np

from .graph import Graph, Tensor, multiplier, same_padding


def srdhm(a, b):
    """Saturating rounding doubling high multiplication, truncating."""
    product = a * b
    rounded = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    high = np.where(rounded >= 0, rounded >> 31, -((-rounded) >> 31))
    return np.where((a == b) & (a == -(1 << 31)), (1 << 31) - 1, high)


def rdivp(x, exponent):
    """Division by a power of two, to nearest, ties away from zero."""
    mask = (np.int64(1) << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + ((x & mask) > threshold)


def mbqm(x, q, shift):
    """x times a quantised multiplier; q and shift may be arrays along the last axis."""
    q, shift = np.asarray(q, np.int64), np.asarray(shift, np.int64)
    return rdivp(srdhm(x << np.maximum(shift, 0), q), np.maximum(-shift, 0))


def scale_of(tensor: Tensor) -> float:
    return float(tensor.scale[0])


def clamp_of(tensor: Tensor, activation: str) -> tuple:
    def quantised(value):
        x = np.float32(value) / tensor.scale[0]
        return tensor.zero_point + int(np.trunc(x + np.copysign(np.float32(0.5), x)))

    low = max(-128, quantised(0)) if activation in ("RELU", "RELU6") else -128
    high = min(127, quantised(6)) if activation == "RELU6" else 127
    return low, high


def requantised(acc, x: Tensor, weights: Tensor, y: Tensor, activation: str, dense: bool):
    """Accumulators [..., channels] to int8."""
    if dense and len(weights.scale) == 1:  # rounded to float32 in between, as the reference does
        pairs = [multiplier(float(np.float32(x.scale[0] * weights.scale[0])) / scale_of(y))]
    else:
        pairs = [multiplier(scale_of(x) * float(scale) / scale_of(y)) for scale in weights.scale]
    q, shift = (np.array(part, np.int64) for part in zip(*pairs))
    return np.clip(mbqm(acc, q, shift) + y.zero_point, *clamp_of(y, activation))


def taps(values, x: Tensor, size: tuple, stride: tuple):
    """For each tap of a SAME window: row, column, and its inputs [n, rows, columns, channels], zero point taken off."""
    rows, top = same_padding(values.shape[1], size[0], stride[0])
    columns, left = same_padding(values.shape[2], size[1], stride[1])
    below, right = size[0] + rows * stride[0], size[1] + columns * stride[1]
    padded = np.pad(values - x.zero_point, ((0, 0), (top, below), (left, right), (0, 0)))
    for row in range(size[0]):
        for column in range(size[1]):
            down = slice(row, row + rows * stride[0], stride[0])
            across = slice(column, column + columns * stride[1], stride[1])
            yield row, column, padded[:, down, across]


def convolution(graph, operator, values):
    x, weights, bias = (graph.tensors[i] for i in operator.inputs)
    acc = bias.data.astype(np.int64)
    for row, column, part in taps(values[0], x, weights.shape[1:3], operator.options["stride"]):
        if operator.kind == "DEPTHWISE_CONV_2D":
            acc = acc + part * weights.data[0, row, column].astype(np.int64)
        else:  # float64 holds these sums exactly, and its products are fast
            product = part.astype(np.float64) @ weights.data[:, row, column].T.astype(np.float64)
            acc = acc + product.astype(np.int64)
    return requantised(acc, x, weights, graph.tensors[operator.output], operator.options["activation"], False)


def dense(graph, operator, values):
    x, weights, bias = (graph.tensors[i] for i in operator.inputs)
    acc = (values[0] - x.zero_point) @ weights.data.astype(np.int64).T + bias.data
    return requantised(acc, x, weights, graph.tensors[operator.output], operator.options["activation"], True)


def addition(graph, operator, values):
    a, b = (graph.tensors[i] for i in operator.inputs)
    y = graph.tensors[operator.output]
    twice = 2 * max(scale_of(a), scale_of(b))
    parts = [mbqm((value - t.zero_point) << 20, *multiplier(scale_of(t) / twice)) for t, value in zip((a, b), values)]
    out = mbqm(parts[0] + parts[1], *multiplier(twice / ((1 << 20) * scale_of(y)))) + y.zero_point
    return np.clip(out, *clamp_of(y, operator.options["activation"]))


def mean(graph, operator, values):
    """Over rows and columns."""
    x, y = graph.tensors[operator.inputs[0]], graph.tensors[operator.output]
    n = values[0].shape[1] * values[0].shape[2]
    q, shift = multiplier(scale_of(x) / scale_of(y))
    k = min(n.bit_length() - 1, 32, 31 + shift)
    total = values[0].sum((1, 2)) - x.zero_point * n
    return np.clip(mbqm(total, (q << k) // n, shift - k) + y.zero_point, -128, 127)


def saturated(x, bits: int):
    """x times 2^bits within int32."""
    return np.clip(x << bits, -(1 << 31), (1 << 31) - 1)


def inverse_root(n: int) -> tuple:
    """1 / sqrt(n) as Q31 and a right shift (tflite-micro, GetInvSqrtQuantizedMultiplierExp)."""
    if n <= 1:
        return (1 << 31) - 1, 0
    right = 11
    while n >= 1 << 29:
        n, right = n // 4, right + 1
    bits = (32 - n.bit_length() - 1) // 2 - 1
    right, n = right - bits, n << (2 * bits)
    n >>= 1
    half = rdivp(np.int64(n), 1)
    x = np.int64(1 << 28)
    for _ in range(5):
        cube = saturated(srdhm(srdhm(x, x), x), 6)
        x = saturated(srdhm(np.int64(402653184), x) - srdhm(half, cube), 3)
    q = int(srdhm(x, np.int64(1518500250)))
    return (q << -right, 0) if right < 0 else (q, right)


def unit_length(graph, operator, values):
    x = graph.tensors[operator.inputs[0]]
    centred = values[0] - x.zero_point
    q, right = zip(*[inverse_root(int(n)) for n in (centred * centred).sum(-1)])
    out = mbqm(centred, np.array(q)[:, None], 7 - np.array(right)[:, None])
    return np.clip(out, -128, 127)


def concatenation(graph, operator, values):
    return np.concatenate(values, axis=operator.options["axis"])


OPERATORS = {
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": convolution,
    "FULLY_CONNECTED": dense,
    "ADD": addition,
    "MEAN": mean,
    "L2_NORMALIZATION": unit_length,
    "CONCATENATION": concatenation,
}


def run(graph: Graph, inputs: list) -> list:
    """Inputs [n, ...] int8 in the graph's order, n examples at once. Returns the outputs likewise."""
    values = {index: np.asarray(value, np.int64) for index, value in zip(graph.inputs, inputs)}
    for operator in graph.operators:
        given = [values[i] for i in operator.inputs if graph.tensors[i].data is None]
        values[operator.output] = OPERATORS[operator.kind](graph, operator, given)
    return [values[index].astype(np.int8) for index in graph.outputs]
