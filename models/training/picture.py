# SPDX-License-Identifier: MIT
"""Batches of pictures for training an encoder."""

import torch
from torch.nn import functional

from . import augment


class Batches:
    """Draws examples again and again in new orders, changed at random."""

    def __init__(self, modality, pixels, labels, weights, n_labels: int):
        self.modality, self.n_labels = modality, n_labels
        self.pixels, self.labels, self.weights = torch.from_numpy(pixels), torch.from_numpy(labels), weights
        self.order, self.place = torch.empty(0, dtype=torch.long), 0

    def draw(self) -> torch.Tensor:
        n = self.modality.batch
        if self.place + n > len(self.order):
            self.order, self.place = torch.randperm(len(self.labels)), 0
        chosen = self.order[self.place : self.place + n]
        self.place += n
        return chosen

    def change(self, x):
        keys = self.modality.keys
        size = x.shape[3]
        x = augment.moved(x, 0.1, float(keys.get("turn", 8)), 0.15, keys.get("flip") == "yes", keys.get("padding", "reflection"))
        x = augment.coloured(x, 0.35, 0.3, 0.3 if x.shape[1] == 3 else 0.0)
        return augment.cut(x, 0.4, size // 3, 0.4)

    def __call__(self):
        chosen = self.draw()
        x = self.change(self.pixels[chosen].float() / 255)
        y = functional.one_hot(self.labels[chosen], self.n_labels).float()
        y = y * (1 - self.modality.smooth) + self.modality.smooth / self.n_labels
        if torch.rand(()) < self.modality.mixup:
            x, y = augment.mixed(x, y, 0.4)
        return x, y, self.weights[self.labels[chosen]]


def tensor(pixels) -> torch.Tensor:
    """What the encoder sees of pictures [n, c, h, w] uint8."""
    return (torch.from_numpy(pixels).float() / 255).contiguous(memory_format=torch.channels_last)
