# SPDX-License-Identifier: MIT
"""Trained float networks to int8 graphs: batch normalisation folded, ranges observed on training examples.

Weights have a symmetric scale per output channel, activations one scale and zero point per tensor (Jacob et al.,
arXiv 1712.05877). Embeddings end in L2_NORMALIZATION, whose scale is 1/128 by definition of the operator: all
modalities and the mask meet in the head with the same scale, as CONCATENATION wants.
"""

import numpy as np
import torch

from . import networks
from .graph import Graph, quantised, range_parameters, same_padding, weight_scales

EMBEDDING_SCALE = 1 / 128
CLIPPED_SHARE = 2e-5  # of the observed values on either side may lie outside the range
OBSERVED_ITEMS = 250_000  # of a tensor, enough for the share above


class Ranges:
    """Low and high of what each module gave out while examples went through."""

    def __init__(self, encoder):
        self.found, self.hooks = {}, []
        for module in encoder.modules():
            if isinstance(module, (networks.Conv, networks.Block)) or module is encoder.dense:
                self.hooks.append(module.register_forward_hook(self.note))
        self.hooks.append(encoder.dense.register_forward_pre_hook(lambda module, given: self.keep("pooled", given[0])))

    def note(self, module, given, result):
        self.keep(module, result)

    def keep(self, key, values):
        flat = values.detach().flatten()
        few = flat[:: max(1, len(flat) // OBSERVED_ITEMS)].sort().values
        cut = int(len(few) * CLIPPED_SHARE)
        low, high = float(few[cut]), float(few[len(few) - 1 - cut])
        before = self.found.get(key, (low, high))
        self.found[key] = (min(low, before[0]), max(high, before[1]))

    def of(self, key) -> tuple:
        return range_parameters(*self.found[key])

    def remove(self):
        for hook in self.hooks:
            hook.remove()


def folded(module) -> tuple:
    """Weights [outputs, inputs, rows, columns] and bias with the batch normalisation in them, float64."""
    norm = module.norm
    gain = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach().double()
    weights = module.conv.weight.detach().double() * gain.view(-1, 1, 1, 1)
    return weights.numpy(), (norm.bias.detach().double() - norm.running_mean.double() * gain).numpy()


def add_weights(graph: Graph, name: str, x: int, weights: np.ndarray, bias: np.ndarray, axis: int) -> list:
    """Constants of a convolution or dense layer on tensor @x; weights already lie as TFLite wants them."""
    scale = weight_scales(weights, axis)
    shape = [1] * weights.ndim
    shape[axis] = -1
    bias_scale = graph.tensors[x].scale[0] * scale
    steps = np.clip(np.round(bias / bias_scale.astype(np.float64)), -(2**31) + 1, 2**31 - 1).astype(np.int32)
    return [
        graph.constant(f"{name}/weights", quantised(weights, scale.reshape(shape), low=-127), "int8", scale, axis),
        graph.constant(f"{name}/bias", steps, "int32", bias_scale.astype(np.float32)),
    ]


def add_convolution(graph: Graph, name: str, x: int, module, parameters: tuple) -> int:
    weights, bias = folded(module)
    kind, axis, order = ("DEPTHWISE_CONV_2D", 3, (1, 2, 3, 0)) if module.depthwise else ("CONV_2D", 0, (0, 2, 3, 1))
    constants = add_weights(graph, name, x, weights.transpose(order), bias, axis)
    _, rows, columns, _ = graph.tensors[x].shape
    shape = (
        1,
        same_padding(rows, module.size, module.stride)[0],
        same_padding(columns, module.size, module.stride)[0],
        len(bias),
    )
    options = {"stride": (module.stride, module.stride), "activation": "RELU6" if module.relu else "NONE"}
    return graph.run(kind, [x] + constants, name, shape, *parameters, **options)


def add_dense(graph: Graph, name: str, x: int, linear, parameters: tuple, activation: str = "NONE") -> int:
    weights, bias = linear.weight.detach().double().numpy(), linear.bias.detach().double().numpy()
    constants = add_weights(graph, name, x, weights, bias, 0)
    return graph.run("FULLY_CONNECTED", [x] + constants, name, (1, len(bias)), *parameters, activation=activation)


def add_block(graph: Graph, name: str, x: int, block, ranges: Ranges) -> int:
    y = add_convolution(graph, f"{name}/depthwise", x, block.depthwise, ranges.of(block.depthwise))
    y = add_convolution(graph, f"{name}/pointwise", y, block.pointwise, ranges.of(block.pointwise))
    if not block.residual:
        return y
    return graph.run("ADD", [x, y], f"{name}/add", graph.tensors[y].shape, *ranges.of(block), activation="NONE")


def encoder(model, examples: torch.Tensor, name: str, scale: float, zero_point: int) -> Graph:
    """
    @model     networks.Encoder, trained.
    @examples  features [n, channels, rows, columns] of training examples, for the ranges.
    @scale, @zero_point  how the front end quantises the features.
    """
    model = model.eval()
    ranges = Ranges(model)
    with torch.no_grad():
        for part in examples.split(256):
            model(part)
    ranges.remove()
    _, channels, rows, columns = examples.shape
    graph = Graph(name)
    x = graph.input("features", (1, rows, columns, channels), scale, zero_point)
    x = add_convolution(graph, "stem", x, model.stem, ranges.of(model.stem))
    for i, block in enumerate(model.blocks):
        x = add_block(graph, f"block{i + 1}", x, block, ranges)
    x = graph.run(
        "MEAN",
        [x, graph.constant("axes", np.array([1, 2], np.int32), "int32")],
        "pooled",
        (1, model.dense.in_features),
        *ranges.of("pooled"),
    )
    x = add_dense(graph, "dense", x, model.dense, ranges.of(model.dense))
    x = graph.run("L2_NORMALIZATION", [x], "embedding", graph.tensors[x].shape, EMBEDDING_SCALE, 0)
    graph.outputs = [x]
    return graph
