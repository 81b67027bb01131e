# SPDX-License-Identifier: MIT
"""A quantised graph to a `.tflite` file, schema version 3 (tensorflow/compiler/mlir/lite/schema/schema.fbs)."""

import numpy as np

from .flat import Scalar, Table, Tables, Text, Vector, file
from .graph import Graph, Tensor

TYPES = {"float32": 0, "int32": 2, "int8": 9, "int4": 17}
ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU6": 3}
CODES = {
    "ADD": 0,
    "CONCATENATION": 2,
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 4,
    "FULLY_CONNECTED": 9,
    "L2_NORMALIZATION": 11,
    "MEAN": 40,
}
VERSIONS = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "FULLY_CONNECTED": 4,
    "ADD": 2,
    "CONCATENATION": 2,
    "MEAN": 2,
    "L2_NORMALIZATION": 2,
}
VERSIONS_INT4 = {"CONV_2D": 7, "DEPTHWISE_CONV_2D": 7, "FULLY_CONNECTED": 10}
MIN_RUNTIME, MIN_RUNTIME_INT4 = "2.3.0", "2.11.0"
SAME = 0


def activation(options: dict) -> Scalar:
    return Scalar("b", ACTIVATIONS[options.get("activation", "NONE")])


def convolution_options(options: dict) -> dict:
    down, across = options["stride"]
    return {0: Scalar("b", SAME), 1: Scalar("i", across), 2: Scalar("i", down), 3: activation(options)}


def depthwise_options(options: dict) -> dict:
    down, across = options["stride"]
    fields = {0: Scalar("b", SAME), 1: Scalar("i", across), 2: Scalar("i", down), 3: Scalar("i", 1)}
    return fields | {4: activation(options)}


# operator -> number in the union BuiltinOptions, fields of its options table
OPTIONS = {
    "ADD": (11, lambda options: {0: activation(options)}),
    "CONCATENATION": (10, lambda options: {0: Scalar("i", options["axis"]), 1: activation(options)}),
    "CONV_2D": (1, convolution_options),
    "DEPTHWISE_CONV_2D": (2, depthwise_options),
    "FULLY_CONNECTED": (8, lambda options: {0: activation(options)}),
    "L2_NORMALIZATION": (12, lambda options: {0: activation(options)}),
    "MEAN": (27, lambda options: {0: Scalar("?", False)}),
}


def nibbles(values: np.ndarray) -> bytes:
    """Two elements a byte, the earlier one in the low nibble."""
    flat = values.reshape(-1).astype(np.int8).view(np.uint8) & 15
    flat = np.append(flat, np.zeros(len(flat) % 2, np.uint8))
    return (flat[0::2] | flat[1::2] << 4).tobytes()


def data_of(tensor: Tensor) -> bytes:
    if tensor.type == "int4":
        return nibbles(tensor.data)
    return tensor.data.astype({"int8": "<i1", "int32": "<i4", "float32": "<f4"}[tensor.type]).tobytes()


def quantization(tensor: Tensor):
    if tensor.scale is None:
        return None
    scale = np.asarray(tensor.scale, np.float32)
    fields = {2: Vector("f", scale.astype("<f4").tobytes()), 3: Vector("q", [tensor.zero_point] * len(scale), 8, shared=True)}
    return Table(fields | ({6: Scalar("i", tensor.axis)} if len(scale) > 1 else {}))


def tensor_table(tensor: Tensor, buffer: int) -> Table:
    return Table(
        {
            0: Vector("i", list(tensor.shape)),
            1: Scalar("b", TYPES[tensor.type]),
            2: Scalar("I", buffer),
            3: Text(tensor.name),
            4: quantization(tensor),
        }
    )


def code_of(graph: Graph, operator) -> tuple:
    """Kind and version; a kernel that takes int4 weights came later."""
    int4 = any(graph.tensors[i].type == "int4" for i in operator.inputs)
    return operator.kind, (VERSIONS_INT4 if int4 else VERSIONS)[operator.kind]


def operator_table(graph: Graph, operator, codes: list) -> Table:
    union, fields = OPTIONS[operator.kind]
    return Table(
        {
            0: Scalar("I", codes.index(code_of(graph, operator))),
            1: Vector("i", operator.inputs),
            2: Vector("i", [operator.output]),
            3: Scalar("B", union),
            4: Table(fields(operator.options)),
        }
    )


def model(graph: Graph) -> bytes:
    """The file's bytes: the same for the same graph."""
    codes = sorted({code_of(graph, operator) for operator in graph.operators})
    runtime = MIN_RUNTIME_INT4 if any(tensor.type == "int4" for tensor in graph.tensors) else MIN_RUNTIME
    buffers, tensors = [Table({})], []
    for tensor in graph.tensors:
        if tensor.data is None:
            tensors.append(tensor_table(tensor, 0))
            continue
        tensors.append(tensor_table(tensor, len(buffers)))
        buffers.append(Table({0: Vector("B", data_of(tensor), 16)}))
    metadata = Table({0: Text("min_runtime_version"), 1: Scalar("I", len(buffers))})
    buffers.append(Table({0: Vector("B", runtime.encode().ljust(16, b"\0"), 16)}))
    subgraph = Table(
        {
            0: Tables(tensors),
            1: Vector("i", graph.inputs),
            2: Vector("i", graph.outputs),
            3: Tables([operator_table(graph, operator, codes) for operator in graph.operators]),
            4: Text("main"),
        }
    )
    code_tables = [
        Table({0: Scalar("b", CODES[kind]), 2: Scalar("i", version), 3: Scalar("i", CODES[kind])})
        for kind, version in codes
    ]
    root = Table(
        {
            0: Scalar("I", 3),
            1: Tables(code_tables),
            2: Tables([subgraph]),
            3: Text(graph.name),
            4: Tables(buffers),
            5: None,
            6: Tables([metadata]),
        }
    )
    return file(root, b"TFL3")
