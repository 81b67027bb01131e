# SPDX-License-Identifier: MIT
"""Before an hour is spent: would the engine open the bundle that this preset gives? One that knows nothing is made and checked."""

import os
import pathlib
import subprocess
import tempfile

import torch

from . import bundle, card, config as presets, encode, fuse


def labels_of(config) -> list:
    """Two at least, and those that the preset's detectors name."""
    named = [title.partition(" ")[2] for title in config.detector if " " in title]
    return sorted({"one", "another", *named})


def blank(config, labels: list) -> tuple:
    """Graphs of networks that know nothing, and a head."""
    n, graphs, experts, embedded = len(config.modalities), {}, [], []
    for modality in config.modalities:
        encoder = encode.blank(modality)
        graphs[modality.name] = encoder.graph(modality.name, (modality.channels, *modality.size))
        experts.append((torch.zeros(len(labels), modality.shape.embedding), torch.zeros(len(labels))))
        embedded.append(torch.zeros(1, modality.shape.embedding))
    fusion = fuse.Fusion(torch.ones(n), torch.zeros(len(labels), n), torch.zeros(len(labels)), {chosen: 1.0 for chosen in fuse.sets_of(n)})
    graphs["head"] = fuse.graph(fusion, experts, embedded)
    return graphs, fusion


def run(config, name: str, say):
    """ConfigError with what `lookout-model check` says of the preset @name, if it would refuse its bundle."""
    if not os.access(card.program(), os.X_OK):
        say(f"{card.program()} is missing, so the bundle is not tried before training")
        return
    labels = labels_of(config)
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "bundle"
        bundle.write(out, config, labels, *blank(config, labels))
        bundle.seal(out)
        done = subprocess.run([card.program(), "check", "--allow-unsigned", str(out)], capture_output=True, text=True)
        if done.returncode != 0:
            told = done.stderr.strip().replace(f"{out}/", "")
            raise presets.ConfigError(f"{name}: the engine would refuse the bundle; of the bundle.ini that this gives it says:\n{told}")
