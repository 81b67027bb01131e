# SPDX-License-Identifier: MIT
"""What the encoders of each size cost, by the engine itself (networks that know nothing take as long), and how good they get.

Accuracy is of float32 encoders, on the held-out part of train. Every training is a file of its own in OUT; a run that was stopped goes on.
"""

import dataclasses
import json
import os
import pathlib
import subprocess
import tempfile

from . import ablate, card, config, encode, learn, tflite, train

SIZES = ("nano", "micro", "small", "base")
COLUMNS = ("parameters", "multiply-adds", "bytes, 8 bits", "bytes, 4 bits", "arena bytes", "microseconds")


def check_program():
    """ConfigError if the engine is not built."""
    if not os.access(card.program(), os.X_OK):
        raise config.ConfigError(f"{card.program()}: not there; build first (`./dev build`)")


def figures(modality, folder: pathlib.Path, ms: int = 1000) -> dict:
    """Column -> figure of one encoder; memory and time are those of 8 bits. @ms  so long it is timed."""
    encoder, size = encode.blank(modality), (modality.channels, *modality.size)
    graph = encoder.graph(modality.name, size)
    path = folder / "encoder.tflite"
    path.write_bytes(tflite.model(graph))
    done = subprocess.run([card.program(), "bench", str(path), "--ms", str(ms), "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        raise config.ConfigError(f"{modality.name}: the engine refuses this network: {done.stderr.strip()}")
    measured = json.loads(done.stdout)
    bytes_4 = len(tflite.model(encoder.use({layer: 4 for layer in encoder.layers}).graph(modality.name, size)))
    found = (card.parameters(graph), card.macs(graph), path.stat().st_size, bytes_4, measured["arena_bytes"], round(measured["min_us"]))
    return dict(zip(COLUMNS, found))


def cell(out: pathlib.Path, size: str, modality, seed: int) -> pathlib.Path:
    return out / f"{size}-{modality.name}-{seed}.json"


def learned(preset: str, size: str, root: pathlib.Path, out: pathlib.Path, seeds: list, steps: int, say):
    """Train the encoders of one size that have no result in @out yet. @steps  None: the preset's."""
    found = config.read(preset, size).shortened(steps)
    learn.settle(out / f"{size}.json", {"preset": preset} | {m.name: encode.settings_of(m) for m in found.modalities})
    for seed in seeds:
        for modality in found.modalities:
            path = cell(out, size, modality, seed)
            if not path.exists():
                result = train.tried(dataclasses.replace(found, seed=seed), root, out / path.stem, modality, lambda text: say(f"{path.stem}: {text}"))
                learn.write(path, json.dumps(result | {"steps": modality.steps}, indent=1) + "\n")


def accuracy(out: pathlib.Path, size: str, modality, seeds: list) -> str:
    """What learned() found."""
    found = [learn.read(cell(out, size, modality, seed)) for seed in seeds]
    return f"{ablate.spread([one['accuracy'] for one in found])} of {found[0]['n']:,}; {found[0]['steps']:,} steps"


def table(preset: str, out: pathlib.Path = None, seeds: list = (), sizes: tuple = SIZES) -> str:
    """Markdown: one row for each of @sizes and modality of @preset. @out  where learned() has been, if accuracy is wanted."""
    check_program()
    columns = [*COLUMNS, *([f"accuracy, %, seeds {' '.join(map(str, seeds))}"] if out else [])]
    text = "| size | encoder | sees | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 3) + "|\n"
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            for modality in config.read(preset, size).modalities:
                sees = "x".join(map(str, (*modality.size, modality.channels)))
                row = [f"{value:,}" for value in figures(modality, pathlib.Path(folder)).values()]
                row += [accuracy(out, size, modality, seeds)] if out else []
                text += f"| {size} | {modality.name} | {sees} | " + " | ".join(row) + " |\n"
    return text
