# SPDX-License-Identifier: MIT
"""A quantised network between training and file: tensors, and operators in the order they run."""

import dataclasses
import math

import numpy as np


@dataclasses.dataclass
class Tensor:
    name: str
    shape: tuple
    type: str = "int8"  # int8, int4 (data one value an item), int32
    scale: np.ndarray = None  # float32 [1], or one for each index along axis
    zero_point: int = 0
    axis: int = 0
    data: np.ndarray = None  # None: an input, or computed

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclasses.dataclass
class Operator:
    kind: str  # as TFLite names it
    inputs: list  # indices of tensors
    output: int
    options: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Graph:
    name: str
    tensors: list = dataclasses.field(default_factory=list)
    operators: list = dataclasses.field(default_factory=list)
    inputs: list = dataclasses.field(default_factory=list)
    outputs: list = dataclasses.field(default_factory=list)

    def add(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def input(self, name: str, shape: tuple, scale: float, zero_point: int) -> int:
        self.inputs.append(self.add(Tensor(name, tuple(shape), scale=one(scale), zero_point=zero_point)))
        return self.inputs[-1]

    def constant(self, name: str, data: np.ndarray, type: str, scale=None, axis: int = 0) -> int:
        return self.add(Tensor(name, data.shape, type, scale, 0, axis, data))

    def run(self, kind: str, inputs: list, name: str, shape: tuple, scale: float, zero_point: int, **options) -> int:
        """Append an operator. Returns its output's index."""
        output = self.add(Tensor(name, tuple(shape), scale=one(scale), zero_point=zero_point))
        self.operators.append(Operator(kind, inputs, output, options))
        return output


def one(scale: float) -> np.ndarray:
    return np.array([scale], dtype=np.float32)


def same_padding(items: int, size: int, stride: int) -> tuple:
    """TFLite's SAME: output size, and padding before."""
    out = -(-items // stride)
    return out, max((out - 1) * stride + size - items, 0) // 2


def quantised(values: np.ndarray, scale, zero_point: int = 0, low: int = -128, high: int = 127) -> np.ndarray:
    """Round to nearest, ties away from zero, as the engine does."""
    x = np.asarray(values, np.float32) / np.asarray(scale, np.float32)
    return np.clip(np.trunc(x + np.copysign(np.float32(0.5), x)) + zero_point, low, high).astype(np.int8)


def range_parameters(low: float, high: float) -> tuple:
    """Scale and zero point for real values low..high, in which 0 is exact."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / 255, 1e-8)
    return float(np.float32(scale)), int(min(127, max(-128, round(-128 - low / scale))))


def multiplier(m: float) -> tuple:
    """Double to Q31 and a shift, > 0 is left (tflite-micro, QuantizeMultiplier)."""
    if m == 0:
        return 0, 0
    fraction, shift = math.frexp(m)
    q = math.floor(fraction * 2**31 + 0.5)
    if q == 2**31:
        q, shift = 2**30, shift + 1
    return (0, 0) if shift < -31 else (q, shift)
