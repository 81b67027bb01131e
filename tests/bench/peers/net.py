# SPDX-License-Identifier: MIT
"""A quantised `.tflite` as a list of layers with real weights, which the writers of other formats read.

Also writes it back: as float32, and as int8 with int4 weights widened, since not every peer takes int4.
"""

import copy
import dataclasses

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

FLOAT32, INT32, INT8, INT4 = (getattr(schema.TensorType, name) for name in ("FLOAT32", "INT32", "INT8", "INT4"))
TYPES = {FLOAT32: np.float32, INT32: np.int32, INT8: np.int8}
KINDS = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")
}  # number -> "CONV_2D"
WITH_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
NO_WORK = ("QUANTIZE", "DEQUANTIZE")  # in real numbers
SAME = schema.Padding.SAME


@dataclasses.dataclass
class Layer:
    kind: str
    inputs: list  # tensors, without weights
    output: int
    options: object
    weights: np.ndarray | None = None  # real numbers, laid out as in the .tflite
    bias: np.ndarray | None = None
    constant: np.ndarray | None = None  # shape, axes


@dataclasses.dataclass
class Net:
    layers: list
    shapes: dict  # tensor -> shape
    ranges: dict  # tensor -> the largest magnitude its quantisation can tell
    input: int
    output: int


def read(path):
    return schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)


def write(model, path):
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())


def kind_of(model, operator):
    code = model.operatorCodes[operator.opcodeIndex]
    return KINDS[max(code.builtinCode, code.deprecatedBuiltinCode)]


def stored(model, tensor):
    """The numbers of a constant as they are in the file, int4 widened; None if @tensor is none."""
    data = model.buffers[tensor.buffer].data
    if data is None or len(data) == 0:
        return None
    data = np.asarray(data, np.uint8)
    if tensor.type != INT4:
        return data.view(TYPES[tensor.type]).reshape(tensor.shape)
    nibbles = np.stack([data & 15, data >> 4], -1).reshape(-1)[: int(np.prod(tensor.shape))]
    return ((nibbles ^ 8).astype(np.int8) - 8).reshape(tensor.shape)


def real(values, tensor):
    """What the numbers @values of the quantised @tensor stand for."""
    scale = np.asarray(tensor.quantization.scale, np.float64)
    zero = np.asarray(tensor.quantization.zeroPoint, np.float64)
    if len(scale) > 1:
        along = tensor.quantization.quantizedDimension if values.ndim > 1 else 0
        shape = [-1 if i == along else 1 for i in range(values.ndim)]
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    return ((values - zero) * scale).astype(np.float32)


def quantised(tensor):
    return tensor.quantization is not None and tensor.quantization.scale is not None and len(tensor.quantization.scale) > 0


def constants_to_float(model, graph):
    for operator in graph.operators:
        with_weights = kind_of(model, operator) in WITH_WEIGHTS
        for index in operator.inputs:
            tensor = graph.tensors[index] if index >= 0 else None
            values = stored(model, tensor) if tensor else None
            if values is None or not quantised(tensor) or (tensor.type == INT32 and not with_weights):
                continue
            buffer = schema.BufferT()
            buffer.data = real(values, tensor).reshape(-1).view(np.uint8)
            model.buffers.append(buffer)
            tensor.buffer, tensor.type, tensor.quantization = len(model.buffers) - 1, FLOAT32, None


def to_float(model):
    """@model in float32: the same layers, whose weights are the real numbers that the integers stand for."""
    model = copy.deepcopy(model)
    graph = model.subgraphs[0]
    constants_to_float(model, graph)
    for tensor in graph.tensors:
        if tensor.type == INT8:
            tensor.type, tensor.quantization = FLOAT32, None
    same = {}
    for operator in graph.operators:
        operator.inputs = [same.get(i, i) for i in operator.inputs]
        if kind_of(model, operator) in NO_WORK:
            same[operator.outputs[0]] = operator.inputs[0]
    graph.operators = [o for o in graph.operators if kind_of(model, o) not in NO_WORK]
    graph.outputs = [same.get(i, i) for i in graph.outputs]
    model.signatureDefs = None
    return model


def to_int8(model):
    """@model with int4 weights as int8 ones of the same scales, which gives the same results."""
    model = copy.deepcopy(model)
    for tensor in model.subgraphs[0].tensors:
        if quantised(tensor) and tensor.shape is not None and len(tensor.shape) == 1:
            tensor.quantization.quantizedDimension = 0  # old files say 3 of biases, which LiteRT refuses
        if tensor.type == INT4:
            buffer = schema.BufferT()
            buffer.data = stored(model, tensor).reshape(-1).view(np.uint8)
            model.buffers.append(buffer)
            tensor.buffer, tensor.type = len(model.buffers) - 1, INT8
    return model


def largest(tensor):
    q = tensor.quantization
    return max(abs(q.scale[0] * (end - q.zeroPoint[0])) for end in (-128, 127))


def layers_of(model):
    """The layers of the quantised @model."""
    quantised_graph = model.subgraphs[0]
    model = to_float(model)
    graph = model.subgraphs[0]
    net = Net([], {}, {}, graph.inputs[0], graph.outputs[0])
    for index, tensor in enumerate(graph.tensors):
        net.shapes[index] = [int(n) for n in tensor.shape] if tensor.shape is not None else []
        if quantised_graph.tensors[index].type == INT8 and quantised(quantised_graph.tensors[index]):
            net.ranges[index] = largest(quantised_graph.tensors[index])
    for operator in graph.operators:
        kind = kind_of(model, operator)
        values = [stored(model, graph.tensors[i]) if i >= 0 else None for i in operator.inputs]
        layer = Layer(kind, [i for i, v in zip(operator.inputs, values) if v is None and i >= 0],
                      operator.outputs[0], operator.builtinOptions)
        if kind in WITH_WEIGHTS:
            layer.weights = values[1]
            layer.bias = values[2] if len(values) > 2 else None
            if layer.bias is None:
                layer.bias = np.zeros(net.shapes[layer.output][-1], np.float32)
        elif len(values) > 1:
            layer.constant = values[1]
        net.layers.append(layer)
    return net


def window(net, layer, size):
    """Strides [y, x] and padding [top, left, bottom, right] of a window of @size over @layer's input."""
    options = layer.options
    stride = [options.strideH, options.strideW]
    before, after = [], []
    for axis in (0, 1):
        n_in, n_out = net.shapes[layer.inputs[0]][1 + axis], net.shapes[layer.output][1 + axis]
        dilation = getattr(options, ("dilationHFactor", "dilationWFactor")[axis], 1)
        total = max(0, (n_out - 1) * stride[axis] + (size[axis] - 1) * dilation + 1 - n_in)
        total = total if options.padding == SAME else 0
        before.append(total // 2)
        after.append(total - total // 2)
    return stride, before + after
