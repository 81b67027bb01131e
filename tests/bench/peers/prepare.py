# SPDX-License-Identifier: MIT
"""Writes one network for all peers into a folder, with samples and what they must give.

    prepare.py NETWORK.tflite SAMPLES.io FOLDER

int8.tflite float.tflite int8.onnx float.onnx int8.param int8.bin float.param float.bin, samples.npz: `inputs` and
`outputs` in real numbers, channels last, from the quantised ones in SAMPLES.io (see tests/conformance/README.md).
"""

import sys
from pathlib import Path

import net
import numpy as np
import to_ncnn
import to_onnx

CALIBRATION = 64  # samples at least, made by mixing when there are fewer
SEED = 1


def samples_of(model, path):
    """[n, ...] inputs and outputs in real numbers."""
    graph = model.subgraphs[0]
    ends = [graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]]
    sizes = [int(np.prod(tensor.shape)) for tensor in ends]
    raw = np.frombuffer(path.read_bytes(), np.int8).reshape(-1, sum(sizes))
    parts = raw[:, : sizes[0]], raw[:, sizes[0] :]
    return [net.real(part.reshape([-1, *tensor.shape[1:]]), tensor) for part, tensor in zip(parts, ends)]


def calibration(inputs):
    """What the quantiser of ONNX Runtime sees: the samples, and mixtures of two."""
    random = np.random.default_rng(SEED)
    mixed = []
    while len(inputs) + len(mixed) < CALIBRATION:
        a, b = inputs[random.integers(len(inputs))], inputs[random.integers(len(inputs))]
        share = np.float32(random.random())
        mixed.append(a * share + b * (1 - share))
    return [channels_first(sample[None]) for sample in [*inputs, *mixed]]


def channels_first(values):
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2)) if values.ndim == 4 else values


def main():
    path, samples, folder = (Path(argument) for argument in sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    model = net.read(path)
    inputs, outputs = samples_of(model, samples)
    np.savez(folder / "samples.npz", inputs=inputs, outputs=outputs)
    net.write(net.to_int8(model), folder / "int8.tflite")
    net.write(net.to_float(model), folder / "float.tflite")
    layers = net.layers_of(model)
    to_onnx.write(layers, folder / "float.onnx")
    to_onnx.quantise(folder / "float.onnx", calibration(inputs), folder / "int8.onnx")
    for name, int8 in (("float", False), ("int8", True)):
        to_ncnn.write(layers, folder / f"{name}.param", folder / f"{name}.bin", int8)


if __name__ == "__main__":
    main()
