#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make tests/bundles/tiny: a whole bundle of 5 KB whose answers a person can foresee.

    PYTHONPATH=. tests/bundles/make_tiny.py        (needs numpy)

Labels `dusk` and `noon`. A high sound and a bright picture say noon, a low sound and a dark picture dusk. The sound
encoder subtracts the lower three mel bands from the upper three, the picture encoder compares the mean with grey,
the head adds the two. Written by the training kit's own exporter; self-tests come from its integer engine.
"""

import hashlib
import pathlib

import numpy as np

from models.training import bundle, integer, tflite
from models.training.graph import Graph, one

OUT = pathlib.Path(__file__).parent / "tiny"
ROWS, BANDS = 4, 6
HEIGHT, WIDTH, CHANNELS = 4, 4, 3
EMBEDDING, SCALE = 2, 1 / 32

MANIFEST = """\
[bundle]
format = 1
name = tiny
version = 0.1
licence = MIT
description = high sounds and bright pictures are noon, others dusk; for tests

[modality sound]
kind = sound
encoder = sound.tflite
window_ms = 100
hop_ms = 50
features = logmel
frame_ms = 25
step_ms = 25
bands = 6
low_hz = 100
high_hz = 8000
floor = 1e-6

[modality picture]
kind = picture
encoder = picture.tflite
size_px = 4x4
crop = centre-square

[head]
file = head.tflite
labels = labels.txt
unknown = 0.55

[calibration sound+picture]
temperature = 0.5

[detector]
on = 0.7
off = 0.5

[detector noon]
least_ms = 100
"""


def flat_weights(signs):
    """Rows: the answer and its opposite."""
    weights = np.stack([signs, -signs]).reshape(EMBEDDING, -1).astype(np.int8)
    return weights


def encoder(name, shape, scale, zero_point, weights, weight_scale):
    graph = Graph(name)
    x = graph.input("features", (1, *shape), scale, zero_point)
    w = graph.constant("weights", weights, "int8", one(weight_scale))
    bias = graph.constant("bias", np.zeros(EMBEDDING, np.int32), "int32", one(scale * weight_scale))
    graph.outputs = [graph.run("FULLY_CONNECTED", [x, w, bias], "embedding", (1, EMBEDDING), SCALE, 0, activation="NONE")]
    return graph


def head():
    graph = Graph("head")
    inputs = [graph.input(name, (1, EMBEDDING), SCALE, 0) for name in ("sound", "picture", "mask")]
    both = graph.run("CONCATENATION", inputs, "both", (1, 3 * EMBEDDING), SCALE, 0, axis=1, activation="NONE")
    weights = np.array([[-1, 1, -1, 1, 0, 0], [1, -1, 1, -1, 0, 0]], np.int8)  # dusk, noon; the mask is not looked at
    w = graph.constant("weights", weights, "int8", one(1.0))
    bias = graph.constant("bias", np.zeros(2, np.int32), "int32", one(SCALE))
    graph.outputs = [graph.run("FULLY_CONNECTED", [both, w, bias], "logits", (1, 2), 4 * SCALE, 0, activation="NONE")]
    return graph


def selftest(graph, seed):
    """As bundle.selftest(), for inputs that are flattened."""
    inputs = bundle.made_inputs(graph, seed)
    flat = [part.reshape(len(part), -1) for part in inputs]
    outputs = integer.run(graph, flat)
    return b"".join(part[i].tobytes() for i in range(len(inputs[0])) for part in inputs + outputs)


def main():
    bands = np.tile(np.repeat([-1, 1], BANDS // 2), (ROWS, 1))
    pixels = np.ones((HEIGHT, WIDTH, CHANNELS))
    picture_scale = float(np.float32(1 / 255))
    graphs = {
        "sound": encoder("sound", (ROWS, BANDS, 1), 0.1, 0, flat_weights(bands), 1 / 12),
        # the zero point makes 127.5 / 255 stand for nothing: grey
        "picture": encoder("picture", (HEIGHT, WIDTH, CHANNELS), picture_scale, -128, flat_weights(pixels), 8 / 48),
        "head": head(),
    }
    grey = graphs["picture"].tensors[2]
    grey.data = (np.array([-1, 1]) * round(4.0 / (picture_scale * 8 / 48))).astype(np.int32)
    (OUT / "selftest").mkdir(parents=True, exist_ok=True)
    (OUT / "bundle.ini").write_text(MANIFEST)
    (OUT / "labels.txt").write_text("dusk\nnoon\n")
    for seed, (name, graph) in enumerate(graphs.items()):
        (OUT / f"{name}.tflite").write_bytes(tflite.model(graph))
        (OUT / "selftest" / f"{name}.io").write_bytes(selftest(graph, seed))
    names = sorted(p.relative_to(OUT).as_posix() for p in OUT.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
    sums = [f"{hashlib.sha256((OUT / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (OUT / "SHA256SUMS").write_text("".join(sums))


if __name__ == "__main__":
    main()
