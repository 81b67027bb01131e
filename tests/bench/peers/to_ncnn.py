# SPDX-License-Identifier: MIT
"""Layers to ncnn's two files, in float32 or int8 (as its ncnn2int8 writes them: layer parameter 8, scales behind the
weights, and between two int8 layers a requantisation instead of float)."""

import struct

import numpy as np
from net import WITH_WEIGHTS, window

MAGIC = 7767517
FLOAT32, INT8 = 0, 0x000D4B38  # tags before weights
RELU, CLIP = 1, 3  # activation types
REQUANTISE = 100  # added to parameter 8


def tagged(values, tag):
    data = values.tobytes()
    return struct.pack("<I", tag) + data + b"\0" * (-len(data) % 4)


def floats(values):
    return np.asarray(values, "<f4").reshape(-1).tobytes()


def activation_of(layer):
    return {0: [], 1: [f"9={RELU}"], 3: [f"9={CLIP}", "-23310=2,0.0,6.0"]}[layer.options.fusedActivationFunction]


class Writer:
    def __init__(self, net, int8):
        self.net, self.int8 = net, int8
        self.lines, self.data = [], []
        self.readers = {}  # tensor -> how many layers read it
        for layer in net.layers:
            for tensor in layer.inputs:
                self.readers.setdefault(tensor, []).append(layer)
        self.taken = {}  # tensor -> how many readers have their copy

    def out(self, tensor):
        return "output" if tensor == self.net.output else f"t{tensor}"

    def take(self, tensor):
        """The blob for the next reader of @tensor; each blob has one."""
        name = "input" if tensor == self.net.input else self.out(tensor)
        if len(self.readers[tensor]) == 1:
            return name
        self.taken[tensor] = self.taken.get(tensor, -1) + 1
        return f"{name}_{self.taken[tensor]}"

    def line(self, kind, inputs, outputs, parameters=()):
        name = f"l{len(self.lines)}"
        self.lines.append(" ".join([kind, name, str(len(inputs)), str(len(outputs)), *inputs, *outputs, *parameters]))

    def split(self, tensor):
        n = len(self.readers.get(tensor, []))
        if n > 1:
            name = "input" if tensor == self.net.input else self.out(tensor)
            self.line("Split", [name], [f"{name}_{i}" for i in range(n)])

    def scale(self, tensor):
        return 127 / self.net.ranges[tensor]

    def follower(self, tensor):
        """The one int8 layer that reads @tensor, if so."""
        readers = self.readers.get(tensor, [])
        return readers[0] if len(readers) == 1 and readers[0].kind in WITH_WEIGHTS else None

    def weights(self, layer, weights, depthwise=False):
        """Write those [out, ...], the bias and scales; returns parameter 8 if int8."""
        if not self.int8:
            self.data += [tagged(weights.astype("<f4"), FLOAT32), floats(layer.bias)]
            return []
        scales = 127 / np.maximum(np.abs(weights.reshape(len(weights), -1)).max(1), 1e-9)
        whole = np.clip(np.rint(weights * scales.reshape([-1] + [1] * (weights.ndim - 1))), -127, 127).astype(np.int8)
        self.data += [tagged(whole, INT8), floats(layer.bias), floats(scales), floats(self.scale(layer.inputs[0]))]
        term = 1 if depthwise else 2
        if layer.kind != "FULLY_CONNECTED" and self.follower(layer.output):
            term += REQUANTISE
            self.data.append(floats(self.scale(layer.output)))
        return [f"8={term}"]

    def convolution(self, layer):
        weights = layer.weights.transpose((3, 0, 1, 2) if layer.kind == "DEPTHWISE_CONV_2D" else (0, 3, 1, 2))
        depthwise = layer.kind == "DEPTHWISE_CONV_2D" and self.net.shapes[layer.inputs[0]][3] > 1
        (stride_y, stride_x), (top, left, bottom, right) = window(self.net, layer, weights.shape[2:])
        parameters = [f"0={len(weights)}", f"1={weights.shape[3]}", f"11={weights.shape[2]}",
                      f"2={layer.options.dilationWFactor}", f"12={layer.options.dilationHFactor}",
                      f"3={stride_x}", f"13={stride_y}", f"4={left}", f"14={top}", f"15={right}", f"16={bottom}",
                      "5=1", f"6={weights.size}", *activation_of(layer)]
        if depthwise:
            parameters.append(f"7={self.net.shapes[layer.inputs[0]][3]}")
        parameters += self.weights(layer, weights, depthwise)
        self.line("ConvolutionDepthWise" if depthwise else "Convolution", [self.take(layer.inputs[0])],
                  [self.out(layer.output)], parameters)

    def dense(self, layer):
        parameters = [f"0={len(layer.weights)}", "1=1", f"2={layer.weights.size}", *activation_of(layer)]
        parameters += self.weights(layer, layer.weights)
        self.line("InnerProduct", [self.take(layer.inputs[0])], [self.out(layer.output)], parameters)

    def pool(self, layer):
        size = [layer.options.filterHeight, layer.options.filterWidth]
        (stride_y, stride_x), pads = window(self.net, layer, size)
        assert pads == [0, 0, 0, 0] and layer.options.fusedActivationFunction == 0
        kind = 1 if layer.kind == "AVERAGE_POOL_2D" else 0
        self.line("Pooling", [self.take(layer.inputs[0])], [self.out(layer.output)],
                  [f"0={kind}", f"1={size[1]}", f"11={size[0]}", f"2={stride_x}", f"12={stride_y}", "5=1"])

    def mean(self, layer):
        assert sorted(layer.constant.reshape(-1)) == [1, 2]
        self.line("Pooling", [self.take(layer.inputs[0])], [self.out(layer.output)], ["0=1", "4=1"])

    def add(self, layer):
        raw = self.out(layer.output)
        name = raw if layer.options.fusedActivationFunction == 0 else raw + "_raw"
        self.line("BinaryOp", [self.take(i) for i in layer.inputs], [name], ["0=0"])
        if name != raw:
            assert activation_of(layer) == [f"9={RELU}"]
            self.line("ReLU", [name], [raw])

    def normalise(self, layer):
        n = self.net.shapes[layer.output][-1]
        self.data.append(floats([1.0]))
        blob = self.take(layer.inputs[0])
        self.line("Reshape", [blob], [blob + "_c"], ["0=1", "1=1", f"2={n}"])
        self.line("Normalize", [blob + "_c"], [blob + "_n"], ["0=0", "1=1", "2=1e-10", "3=1", "4=1", "9=0"])
        self.line("Reshape", [blob + "_n"], [self.out(layer.output)], [f"0={n}"])

    def layer(self, layer):
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
                n = self.net.shapes[layer.output][-1]
                self.line("Reshape", [self.take(layer.inputs[0])], [self.out(layer.output)], [f"0={n}"])
            case "ADD":
                self.add(layer)
            case "SOFTMAX":
                self.line("Softmax", [self.take(layer.inputs[0])], [self.out(layer.output)], ["0=0", "1=1"])
            case "L2_NORMALIZATION":
                self.normalise(layer)
            case _:
                raise NotImplementedError(layer.kind)
        self.split(layer.output)


def write(net, param, weights, int8=False):
    writer = Writer(net, int8)
    shape = net.shapes[net.input]
    whole = shape[2:0:-1] + shape[3:] if len(shape) == 4 else shape[-1:]  # w, h, c
    writer.line("Input", [], ["input"], [f"{i}={n}" for i, n in enumerate(whole)])
    writer.split(net.input)
    for layer in net.layers:
        writer.layer(layer)
    n_blobs = sum(int(line.split()[3]) for line in writer.lines)
    param.write_text("\n".join([str(MAGIC), f"{len(writer.lines)} {n_blobs}", *writer.lines]) + "\n")
    weights.write_bytes(b"".join(writer.data))
