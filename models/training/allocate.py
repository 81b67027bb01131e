# SPDX-License-Identifier: MIT
"""4 or 8 bits for each layer: what 4 bits cost in loss, what they save in bytes, and the best choice for a budget.

Sensitivity is measured: the change of the training loss, on the same batches, when one layer alone goes to 4 bits (as
HAWQ orders layers by curvature, Dong et al., arXiv 1905.03696, but without its approximation: networks here are small
enough to try). Changes of different layers are taken to add up; the choice is then a knapsack, solved exactly.
"""

import csv
import dataclasses
import io
import json
import pathlib

import numpy as np
import torch
from torch.nn import functional

from . import learn, tflite

UNIT_BYTES = 16  # buffers in the file lie at multiples of this


@dataclasses.dataclass(frozen=True)
class Item:
    """One layer of one encoder."""

    modality: str
    layer: str
    saved_bytes: int  # in the file, by 4 bits
    loss: float  # more of it, by 4 bits


def batch_loss(model, batches: list) -> float:
    """Mean loss over @batches of (features, targets, weights)."""
    total = 0.0
    with torch.no_grad():
        for x, y, weight in batches:
            total += float((weight * -(y * functional.log_softmax(model(x), 1)).sum(1)).mean())
    return total / len(batches)


def file_bytes(encoder, name: str, size: tuple) -> int:
    return len(tflite.model(encoder.graph(name, size)))


def measure(model, name: str, size: tuple, batches: list) -> list:
    """
    An Item for each layer.
    @model  networks.Classifier with a quantise.Encoder, all of it at 8 bits.
    """
    encoder = model.eval().encoder
    bytes_8, loss_8 = file_bytes(encoder, name, size), batch_loss(model, batches)
    items = []
    for layer in encoder.layers:
        encoder.use({layer: 4})
        saved, loss = bytes_8 - file_bytes(encoder, name, size), batch_loss(model, batches) - loss_8
        encoder.use({layer: 8})
        if saved > 0:
            items.append(Item(name, layer, saved, loss))
    return items


def knapsack(items: list, to_save: int) -> list:
    """The items that save at least @to_save bytes together and cost least loss. All, if even that is not enough."""
    units = [item.saved_bytes // UNIT_BYTES for item in items]
    need = min(max(0, -(-to_save // UNIT_BYTES)), sum(units))
    best = np.full(need + 1, np.inf)  # least loss that saves at least so many units
    best[0] = 0
    taken = np.zeros((len(items), need + 1), bool)
    for i, item in enumerate(items):
        before = best[np.maximum(np.arange(need + 1) - units[i], 0)] + max(item.loss, 0.0)
        taken[i] = before < best
        best = np.minimum(best, before)
    chosen, left = [], need
    for i in range(len(items) - 1, -1, -1):
        if taken[i, left]:
            chosen.append(items[i])
            left = max(left - units[i], 0)
    return chosen[::-1]


def in_order(items: list, to_save: int) -> list:
    """Items from the first on until enough is saved."""
    chosen, saved = [], 0
    for item in items:
        if saved >= to_save:
            break
        chosen.append(item)
        saved += item.saved_bytes
    return chosen


def inverse(items: list, to_save: int) -> list:
    """The worst choice a person could make: the layers that mind most go first."""
    return in_order(sorted(items, key=lambda item: -item.loss / item.saved_bytes), to_save)


def random(items: list, to_save: int, seed: int) -> list:
    return in_order([items[i] for i in np.random.default_rng(seed).permutation(len(items))], to_save)


def bits_of(items: list, chosen: list) -> dict:
    """modality -> layer -> bits, of all @items."""
    found = {}
    for item in items:
        found.setdefault(item.modality, {})[item.layer] = 4 if item in chosen else 8
    return found


def write(path: pathlib.Path, items: list, chosen: list, facts: dict):
    """What was measured and chosen, for people and for the next step."""
    rows = [dataclasses.asdict(item) | {"bits": 4 if item in chosen else 8} for item in items]
    learn.write(path, json.dumps(facts | {"layers": rows}, indent=1) + "\n")


def read(path: pathlib.Path, modality: str, budget_bytes: int) -> dict:
    """layer -> bits. KeepError if they were chosen for another budget."""
    found = learn.read(path)
    learn.compare(path, {"budget_bytes": found.get("budget_bytes")}, {"budget_bytes": budget_bytes})
    return {row["layer"]: row["bits"] for row in found["layers"] if row["modality"] == modality}


def as_csv(rows: list) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()
