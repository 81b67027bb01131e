# SPDX-License-Identifier: MIT
"""What the encoders of each size cost, by the engine itself: networks that know nothing take as long."""

import json
import os
import pathlib
import subprocess
import tempfile

import torch

from . import card, config, encode, networks, quantise, tflite

COLUMNS = ("parameters", "multiply-adds", "bytes, 8 bits", "bytes, 4 bits", "arena bytes", "microseconds")


def check_program():
    """ConfigError if the engine is not built."""
    if not os.access(card.program(), os.X_OK):
        raise config.ConfigError(f"{card.program()}: not there; build first (`./dev build`)")


def figures(modality, folder: pathlib.Path, ms: int = 1000) -> dict:
    """Column -> figure of one encoder; memory and time are those of 8 bits. @ms  so long it is timed."""
    torch.manual_seed(1)
    model = networks.Encoder(modality.channels, modality.shape).eval()
    size = (modality.channels, *modality.size)
    encoder = quantise.Encoder(model, *encode.input_parameters(modality)).eval().observe(torch.rand(8, *size))
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


def table(preset: str, say) -> str:
    """Markdown: one row for each size and modality of @preset."""
    check_program()
    text = "| size | encoder | sees | " + " | ".join(COLUMNS) + " |\n" + "|---" * (len(COLUMNS) + 3) + "|\n"
    with tempfile.TemporaryDirectory() as folder:
        for size in ("nano", "micro", "small", "base"):
            for modality in config.read(preset, size).modalities:
                sees = "x".join(map(str, (*modality.size, modality.channels)))
                row = figures(modality, pathlib.Path(folder))
                text += f"| {size} | {modality.name} | {sees} | " + " | ".join(f"{value:,}" for value in row.values()) + " |\n"
    return text
