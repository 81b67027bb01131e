# SPDX-License-Identifier: MIT
"""Write a bundle: manifest, labels, modules, self-test, model card, hashes. The format is docs/bundle.md."""

import hashlib
import pathlib

import numpy as np

from . import config as presets
from . import integer, tflite
from .graph import Graph

SELFTEST_SAMPLES = 4


def made_inputs(graph: Graph, seed: int) -> list:
    """Inputs for the self-test, not recordings: half smooth, half noise over the whole range."""
    random = np.random.default_rng(seed)
    inputs = []
    for index in graph.inputs:
        shape = (SELFTEST_SAMPLES, *graph.tensors[index].shape[1:])
        noise = random.integers(-128, 128, shape)
        smooth = random.normal(0, 1, shape)
        for axis in range(1, len(shape)):
            smooth = np.cumsum(smooth, axis)
        smooth = smooth - smooth.mean(tuple(range(1, len(shape))), keepdims=True)
        smooth = smooth / (np.abs(smooth).max(tuple(range(1, len(shape))), keepdims=True) + 1e-9) * 120
        half = np.arange(SELFTEST_SAMPLES).reshape(-1, *[1] * (len(shape) - 1)) % 2 == 0
        inputs.append(np.where(half, smooth.round(), noise).astype(np.int8))
    return inputs


def selftest(graph: Graph, seed: int) -> bytes:
    """For each sample the inputs' bytes, then the outputs' bytes."""
    inputs = made_inputs(graph, seed)
    outputs = integer.run(graph, inputs)
    return b"".join(tensor[i].tobytes() for i in range(SELFTEST_SAMPLES) for tensor in inputs + outputs)


def section(title: str, keys: dict) -> str:
    return f"[{title}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()) + "\n"


def manifest(config, fusion) -> str:
    """bundle.ini."""
    text = section("bundle", {"format": 1} | config.bundle)
    for modality in config.modalities:
        keys = {key: value for key, value in modality.keys.items() if key not in presets.TRAINING}
        kind = keys.pop("kind")
        text += section(f"modality {modality.name}", {"kind": kind, "encoder": f"{modality.name}.tflite"} | keys)
    text += section("head", {"file": "head.tflite", "labels": "labels.txt"} | config.head)
    for chosen, temperature in fusion.temperature.items():
        names = "+".join(config.modalities[i].name for i in chosen)
        none = {"none": fusion.none[chosen]} if chosen in fusion.none else {}
        text += section(f"calibration {names}", {"temperature": temperature} | none)
    for title, keys in config.detector.items():
        text += section(title, keys)
    return text.rstrip("\n") + "\n"


def sums(folder: pathlib.Path) -> str:
    """Lines as sha256sum(1) writes them, of every file but this and its signature."""
    lines = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if not name.startswith("SHA256SUMS"):
            lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n")
    return "".join(lines)


def write(folder: pathlib.Path, config, labels: list, graphs: dict, fusion):
    """@fusion  what fuse.fit() gave. @graphs maps "sound", "picture", ..., "head" to graphs."""
    (folder / "selftest").mkdir(parents=True, exist_ok=True)
    (folder / "bundle.ini").write_text(manifest(config, fusion))
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in labels))
    for seed, (name, graph) in enumerate(graphs.items()):
        (folder / f"{name}.tflite").write_bytes(tflite.model(graph))
        (folder / "selftest" / f"{name}.io").write_bytes(selftest(graph, config.seed + seed))


def seal(folder: pathlib.Path):
    """Last of all: the hashes."""
    (folder / "SHA256SUMS").write_text(sums(folder))
