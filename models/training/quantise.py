# SPDX-License-Identifier: MIT
"""Trained float networks to quantised ones: to tune further (fake quantisation), and as an integer graph.

Batch normalisation is folded first. Weights of 8 or 4 bits have a symmetric scale per output channel (one scale in a
4-bit dense layer: the format's limit), activations have 8 bits, one scale and zero point per tensor (Jacob et al., arXiv
1712.05877). While a network is tuned, values are rounded on the way forward and gradients go through as if they had not
been; the scales of weights are learned with them (Esser et al., Learned Step Size Quantization, arXiv 1902.08153), the
ranges of activations are moving averages that stop to move halfway. Embeddings end in L2_NORMALIZATION, whose scale is
1/128 by definition of the operator: all modalities and the mask meet in the head with the same scale, as CONCATENATION wants.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from . import networks
from .graph import Graph, quantised, range_parameters, same_padding

EMBEDDING_SCALE = 1 / 128
CLIPPED_SHARE = 2e-5  # of the observed values on either side may lie outside the range
OBSERVED_ITEMS = 250_000  # of a tensor, enough for the share above
WATCHED, WATCHED_ITEMS = 8, 16_384  # one example in so many, and of these so many items, are looked at while tuning
WATCHED_KEEP = 0.99  # of a range, in each step of tuning
CLIPS = np.linspace(0.35, 1.0, 27)  # shares of the largest 4-bit weight that are tried as the end of the scale
LEAST_SCALE = 1e-8
MOST_BIAS = 2**30  # steps: leaves as much of int32 for the products


class Rounded(torch.autograd.Function):
    """Nearest whole number; the gradient passes."""

    @staticmethod
    def forward(context, x):
        return x.round()

    @staticmethod
    def backward(context, gradient):
        return gradient


class Stepped(torch.autograd.Function):
    """torch.fake_quantize_per_tensor_affine to int8, which is several times slower; the gradient passes inside the range."""

    @staticmethod
    def forward(context, x, scale: float, zero_point: int):
        low, high = -128 - zero_point, 127 - zero_point
        steps = (x * (1 / scale)).round_()
        context.save_for_backward((steps >= low) & (steps <= high))
        return steps.clamp_(low, high).mul_(scale)

    @staticmethod
    def backward(context, gradient):
        return gradient * context.saved_tensors[0], None, None


def first_scales(weights: torch.Tensor, bits: int, each: bool) -> torch.Tensor:
    """
    Scales that lose least of @weights [outputs, ...] (squared), one for each output or one for all.
    8 bits reach to the largest weight, 4 bits may cut it off.
    """
    most = 2 ** (bits - 1) - 1
    rows = weights.detach().flatten(1) if each else weights.detach().reshape(1, -1)
    largest = rows.abs().amax(1, keepdim=True).clamp(min=LEAST_SCALE * most)
    if bits == 8:
        return (largest / most)[:, 0]
    tried = torch.stack([largest * float(clip) / most for clip in CLIPS])  # [clips, outputs, 1]
    lost = ((rows / tried).round().clamp(-most, most) * tried - rows).square().sum(2)
    return tried[lost.argmin(0), torch.arange(len(rows)), 0]


class Layer(nn.Module):
    """Weights and bias with any batch normalisation in them; what is multiplied has 4 or 8 bits."""

    def __init__(self, weights: torch.Tensor, bias: torch.Tensor, like: networks.Conv = None):
        super().__init__()
        self.weights, self.bias = nn.Parameter(weights.float()), nn.Parameter(bias.float())
        self.like = [like]  # a list: no submodule; None is a dense layer
        self.use(8)

    def use(self, bits: int):
        """4 or 8 bits from now on, with scales that fit the weights as they are."""
        self.bits, self.each = bits, bits == 8 or self.like[0] is not None
        self.register_buffer("first", first_scales(self.weights, bits, self.each))
        self.stretch = nn.Parameter(torch.zeros_like(self.first))  # logarithm: a step of the optimiser is a share of the scale

    @property
    def scales(self) -> torch.Tensor:
        return (self.first * self.stretch.exp()).clamp(min=LEAST_SCALE)

    def rounded(self) -> torch.Tensor:
        """The weights as they will be, differentiable by weights and scales."""
        most = 2 ** (self.bits - 1) - 1
        scales = self.scales.view(-1, *[1] * (self.weights.ndim - 1))
        return Rounded.apply((self.weights / scales).clamp(-most, most)) * scales

    def forward(self, x):
        conv = self.like[0]
        if conv is None:
            return functional.linear(x, self.rounded(), self.bias)
        left, right, top, bottom = conv.padding(x.shape[2], x.shape[3])
        if (left, top) != (right, bottom):
            x, left, top = functional.pad(x, (left, right, top, bottom)), 0, 0
        y = functional.conv2d(x, self.rounded(), self.bias, conv.stride, (top, left), 1, conv.conv.groups)
        return functional.relu6(y) if conv.relu else y

    def constants(self, graph: Graph, name: str, x: int) -> list:
        """Weights and bias as constants of @graph, for an operator on tensor @x."""
        depthwise = self.like[0] is not None and self.like[0].depthwise
        order, axis = (range(2), 0) if self.like[0] is None else ((1, 2, 3, 0), 3) if depthwise else ((0, 2, 3, 1), 0)
        least = self.bias.detach().abs() / (float(graph.tensors[x].scale[0]) * MOST_BIAS)
        least = least if self.each else least.max()
        scales = torch.maximum(self.scales.detach(), least).numpy().astype(np.float32)  # a channel of hardly any weight
        weights = self.weights.detach().numpy().transpose(order)
        shape = [1] * weights.ndim
        shape[axis] = -1
        most = 2 ** (self.bits - 1) - 1
        bias_scales = graph.tensors[x].scale[0] * scales
        bias = np.round(self.bias.detach().double().numpy() / bias_scales.astype(np.float64)).astype(np.int32)
        return [
            graph.constant(f"{name}/weights", quantised(weights, scales.reshape(shape), 0, -most, most), f"int{self.bits}", scales, axis),
            graph.constant(f"{name}/bias", bias, "int32", bias_scales.astype(np.float32)),
        ]


class Range(nn.Module):
    """Lowest and highest value of an activation. Rounds what passes to 8 bits, or only looks."""

    def __init__(self):
        super().__init__()
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))
        self.looks, self.moves = True, False

    def look(self, x):
        flat = x.detach().flatten()
        few = flat[:: max(1, len(flat) // OBSERVED_ITEMS)].sort().values
        cut = int(len(few) * CLIPPED_SHARE)
        self.low, self.high = torch.minimum(self.low, few[cut]), torch.maximum(self.high, few[len(few) - 1 - cut])

    def forward(self, x):
        if self.looks:
            self.look(x)
            return x
        if self.training and self.moves:
            flat = x.detach()[::WATCHED].flatten()
            low, high = flat[:: max(1, len(flat) // WATCHED_ITEMS)].aminmax()
            self.low.lerp_(low.clamp(max=0), 1 - WATCHED_KEEP)
            self.high.lerp_(high.clamp(min=0), 1 - WATCHED_KEEP)
        return Stepped.apply(x, *self.parameters_of())

    def parameters_of(self) -> tuple:
        return range_parameters(float(self.low), float(self.high))


def folded(conv: networks.Conv) -> Layer:
    """A convolution with its batch normalisation in weights and bias."""
    norm = conv.norm
    gain = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach().double()
    weights = conv.conv.weight.detach().double() * gain.view(-1, 1, 1, 1)
    return Layer(weights, norm.bias.detach().double() - norm.running_mean.double() * gain, conv)


class Encoder(nn.Module):
    """
    A networks.Encoder, quantised.
    @model  trained; it is not changed.
    @scale, @zero_point  how the front end quantises the features.
    """

    def __init__(self, model: networks.Encoder, scale: float, zero_point: int):
        super().__init__()
        self.input = (scale, zero_point)
        self.layers, self.ranges, self.residual = nn.ModuleDict(), nn.ModuleDict(), []
        self.layers["stem"] = folded(model.stem)
        for i, block in enumerate(model.blocks, 1):
            self.layers[f"block{i}/depthwise"], self.layers[f"block{i}/pointwise"] = folded(block.depthwise), folded(block.pointwise)
            self.residual.append(block.residual)
            if block.residual:
                self.ranges[f"block{i}/add"] = Range()
        self.layers["dense"] = Layer(model.dense.weight.detach(), model.dense.bias.detach())
        for name in [*self.layers, "pooled"]:
            self.ranges[name] = Range()

    def layer(self, name: str, x):
        return self.ranges[name](self.layers[name](x))

    def last_map(self, x):
        """What the last block gives: [n, channels, rows, columns]."""
        x = Stepped.apply(x, *self.input)
        x = self.layer("stem", x)
        for i, residual in enumerate(self.residual, 1):
            y = self.layer(f"block{i}/pointwise", self.layer(f"block{i}/depthwise", x))
            x = self.ranges[f"block{i}/add"](x + y) if residual else y
        return x

    def forward(self, x, drop: float = 0.0):
        return self.embed(self.last_map(x), drop)

    def embed(self, last_map, drop: float = 0.0):
        x = self.ranges["pooled"](last_map.mean((2, 3)))
        x = self.layer("dense", functional.dropout(x, drop, self.training))
        x = functional.normalize(x, dim=1, eps=1e-6)
        return Stepped.apply(x, EMBEDDING_SCALE, 0)

    def observe(self, examples: torch.Tensor):
        """Take the ranges of activations from @examples, features [n, channels, rows, columns]."""
        self.set_ranges(looks=True)
        with torch.no_grad():
            for part in examples.split(256):
                self(part)
        self.set_ranges(looks=False)
        return self

    def set_ranges(self, looks: bool = False, moves: bool = False):
        for found in self.ranges.values():
            found.looks, found.moves = looks, moves

    def use(self, bits: dict):
        """Bits of each layer, by name; a layer that is not named keeps its own."""
        for name, n in bits.items():
            self.layers[name].use(n)
        return self

    @property
    def bits(self) -> dict:
        return {name: layer.bits for name, layer in self.layers.items()}

    def add_convolution(self, graph: Graph, name: str, x: int) -> int:
        layer = self.layers[name]
        conv = layer.like[0]
        _, rows, columns, _ = graph.tensors[x].shape
        size = [same_padding(items, conv.size, conv.stride)[0] for items in (rows, columns)]
        options = {"stride": (conv.stride, conv.stride), "activation": "RELU6" if conv.relu else "NONE"}
        inputs, shape = [x, *layer.constants(graph, name, x)], (1, *size, len(layer.bias))
        kind = "DEPTHWISE_CONV_2D" if conv.depthwise else "CONV_2D"
        return graph.run(kind, inputs, name, shape, *self.ranges[name].parameters_of(), **options)

    def graph(self, name: str, size: tuple) -> Graph:
        """As integers, for features of @size (channels, rows, columns)."""
        graph = Graph(name)
        channels, rows, columns = size
        x = graph.input("features", (1, rows, columns, channels), *self.input)
        x = self.add_convolution(graph, "stem", x)
        for i, residual in enumerate(self.residual, 1):
            y = self.add_convolution(graph, f"block{i}/depthwise", x)
            y = self.add_convolution(graph, f"block{i}/pointwise", y)
            if residual:
                parameters = self.ranges[f"block{i}/add"].parameters_of()
                y = graph.run("ADD", [x, y], f"block{i}/add", graph.tensors[y].shape, *parameters, activation="NONE")
            x = y
        axes = graph.constant("axes", np.array([1, 2], np.int32), "int32")
        shape = (1, graph.tensors[x].shape[3])
        x = graph.run("MEAN", [x, axes], "pooled", shape, *self.ranges["pooled"].parameters_of())
        x = add_dense(graph, "dense", x, self.layers["dense"], self.ranges["dense"].parameters_of())
        graph.outputs = [graph.run("L2_NORMALIZATION", [x], "embedding", graph.tensors[x].shape, EMBEDDING_SCALE, 0)]
        return graph


def add_dense(graph: Graph, name: str, x: int, layer: Layer, parameters: tuple) -> int:
    inputs = [x, *layer.constants(graph, name, x)]
    return graph.run("FULLY_CONNECTED", inputs, name, (1, len(layer.bias)), *parameters, activation="NONE")
