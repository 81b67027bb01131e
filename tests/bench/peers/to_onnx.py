# SPDX-License-Identifier: MIT
"""Layers to ONNX in float32, channels first as its runtimes want it, and to int8 by ONNX Runtime's own quantiser."""

import numpy as np
import onnx
from net import window
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

OPSET = 17
IR_VERSION = 10
RELU, RELU6 = 1, 3  # ActivationFunctionType


def channels_first(shape):
    return [shape[0], shape[3], shape[1], shape[2]] if len(shape) == 4 else list(shape)


class Writer:
    def __init__(self, net):
        self.net, self.nodes, self.constants = net, [], []

    def name(self, tensor):
        return {self.net.input: "input", self.net.output: "output"}.get(tensor, f"t{tensor}")

    def constant(self, values):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"n{len(self.nodes)}", **attributes))

    def activated(self, kind, inputs, layer, **attributes):
        """A node whose result goes through @layer's fused activation."""
        out = self.name(layer.output)
        activation = layer.options.fusedActivationFunction
        if activation == 0:
            return self.node(kind, inputs, out, **attributes)
        self.node(kind, inputs, out + "_raw", **attributes)
        if activation == RELU:
            return self.node("Relu", [out + "_raw"], out)
        assert activation == RELU6
        low, high = self.constant(np.float32(0)), self.constant(np.float32(6))
        return self.node("Clip", [out + "_raw", low, high], out)

    def convolution(self, layer):
        weights = layer.weights
        group = 1
        if layer.kind == "DEPTHWISE_CONV_2D":
            group = self.net.shapes[layer.inputs[0]][3]
            weights = weights.transpose(3, 0, 1, 2)  # [1,h,w,c] -> [c,1,h,w]
        else:
            weights = weights.transpose(0, 3, 1, 2)
        stride, pads = window(self.net, layer, weights.shape[2:])
        self.activated("Conv", [self.name(layer.inputs[0]), self.constant(weights), self.constant(layer.bias)], layer,
                       kernel_shape=weights.shape[2:], strides=stride, pads=pads, group=group,
                       dilations=[layer.options.dilationHFactor, layer.options.dilationWFactor])

    def dense(self, layer):
        inputs = [self.name(layer.inputs[0]), self.constant(layer.weights), self.constant(layer.bias)]
        self.activated("Gemm", inputs, layer, transB=1)

    def pool(self, layer):
        size = [layer.options.filterHeight, layer.options.filterWidth]
        stride, pads = window(self.net, layer, size)
        kind = "AveragePool" if layer.kind == "AVERAGE_POOL_2D" else "MaxPool"
        self.activated(kind, [self.name(layer.inputs[0])], layer, kernel_shape=size, strides=stride, pads=pads)

    def mean(self, layer):
        out = self.name(layer.output)
        assert sorted(layer.constant.reshape(-1)) == [1, 2]
        if layer.options.keepDims:
            return self.node("GlobalAveragePool", [self.name(layer.inputs[0])], out)
        self.node("GlobalAveragePool", [self.name(layer.inputs[0])], out + "_4d")
        return self.node("Flatten", [out + "_4d"], out, axis=1)

    def reshape(self, layer):
        shape = self.net.shapes[layer.inputs[0]]
        assert len(shape) == 4 and shape[1] == shape[2] == 1 and len(self.net.shapes[layer.output]) == 2
        self.node("Flatten", [self.name(layer.inputs[0])], self.name(layer.output), axis=1)

    def layer(self, layer):
        inputs = [self.name(i) for i in layer.inputs]
        match layer.kind:
            case "CONV_2D" | "DEPTHWISE_CONV_2D":
                self.convolution(layer)
            case "FULLY_CONNECTED":
                self.dense(layer)
            case "AVERAGE_POOL_2D" | "MAX_POOL_2D":
                self.pool(layer)
            case "MEAN":
                self.mean(layer)
            case "RESHAPE":
                self.reshape(layer)
            case "ADD":
                self.activated("Add", inputs, layer)
            case "SOFTMAX":
                self.node("Softmax", inputs, self.name(layer.output), axis=-1)
            case "L2_NORMALIZATION":
                self.node("LpNormalization", inputs, self.name(layer.output), axis=-1, p=2)
            case _:
                raise NotImplementedError(layer.kind)


def write(net, path):
    writer = Writer(net)
    for layer in net.layers:
        writer.layer(layer)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, channels_first(net.shapes[tensor]))
        for name, tensor in (("input", net.input), ("output", net.output))
    ]
    graph = helper.make_graph(writer.nodes, "net", ends[:1], ends[1:], writer.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


class Samples(quantization.CalibrationDataReader):
    def __init__(self, samples):
        self.samples = iter(samples)

    def get_next(self):
        sample = next(self.samples, None)
        return None if sample is None else {"input": sample}


def quantise(path, samples, out):
    """int8 as ONNX Runtime advises for x86-64 and aarch64: QDQ, uint8 activations, int8 weights a channel."""
    prepared = out.with_suffix(".prepared.onnx")
    quant_pre_process(path, prepared, skip_symbolic_shape=True)
    quantization.quantize_static(prepared, out, Samples(samples), quant_format=quantization.QuantFormat.QDQ,
                                 per_channel=True, activation_type=quantization.QuantType.QUInt8,
                                 weight_type=quantization.QuantType.QInt8)
    prepared.unlink()
