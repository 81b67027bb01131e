# SPDX-License-Identifier: MIT
"""Batches of pictures for training an encoder."""

import torch
from torch.nn import functional

from . import augment

MOST_BLUR_PX, LEAST_LIGHT = 1.5, 0.1
NOTHING_SHARE = 0.03  # of the pictures are made up and show nothing; their target knows nothing


class Batches:
    """Draws examples again and again in new orders, changed at random."""

    def __init__(self, modality, pixels, labels, weights, n_targets: int):
        self.modality, self.n_targets = modality, n_targets
        self.pixels, self.labels, self.weights = torch.from_numpy(pixels), torch.from_numpy(labels), weights
        self.order, self.place = torch.empty(0, dtype=torch.long), 0
        self.chosen = None  # [n] which picture each row of the last batch is of; -1: made up

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
        x = augment.moved(
            x, 0.1, float(keys.get("turn", 8)), 0.15, keys.get("flip") == "yes", keys.get("padding", "reflection")
        )
        if "blur" in keys:
            x = augment.blurred(x, float(keys["blur"]), MOST_BLUR_PX)
        x = augment.coloured(x, 0.35, 0.3, 0.3 if x.shape[1] == 3 else 0.0)
        if "dark" in keys:
            x = augment.darkened(x, float(keys["dark"]), LEAST_LIGHT)
        if "background" in keys:  # drawn on something that is not black, seen by a camera
            n = len(x)
            level = augment.uniform(n, 0, float(keys["background"])).view(n, 1, 1, 1)
            x = level + (1 - level) * x
            x = (x + torch.randn(x.shape) * augment.uniform(n, 0, 0.06).view(n, 1, 1, 1)).clamp(0, 1)
        return augment.cut(x, float(keys.get("cut", 0.4)), size // 3, 0.4)

    def of(self, chosen) -> torch.Tensor:
        """These pictures, changed: [n, channels, rows, columns]."""
        return self.change(self.pixels[chosen].float() / 255)

    def __call__(self):
        chosen = self.draw()
        x = self.of(chosen)
        y, weights = augment.targets(self.labels[chosen], self.n_targets, self.modality.smooth, self.weights)
        if torch.rand(()) < self.modality.mixup:
            x, y = augment.mixed(x, y, 0.4)
        n_blank = int(float(self.modality.keys.get("blank", NOTHING_SHARE)) * len(x) + float(torch.rand(())))
        x[:n_blank] = nothing(n_blank, *x.shape[1:])
        y[:n_blank] = 1 / self.n_targets
        weights[:n_blank] = 1
        self.chosen = chosen.clone()
        self.chosen[:n_blank] = -1
        return x, y, weights


def nothing(n: int, channels: int, rows: int, columns: int) -> torch.Tensor:
    """A covered lens, a wall, noise: light of some level with a gradient, some grain, some large shapes."""

    def random(low, high):
        return augment.uniform(n, low, high).view(n, 1, 1, 1)

    across, down = torch.linspace(-0.5, 0.5, columns), torch.linspace(-0.5, 0.5, rows).view(-1, 1)
    level = random(0.0, 1.0) ** 2 + random(-0.3, 0.3) * across + random(-0.3, 0.3) * down
    grain = torch.randn(n, channels, rows, columns) * random(0.0, 0.25) ** 2 * 4
    shapes = functional.interpolate(torch.randn(n, channels, 4, 4), (rows, columns), mode="bilinear") * random(
        0.0, 0.25
    )
    return (level + grain + shapes * (torch.rand(n, 1, 1, 1) < 0.4)).clamp(0, 1)


def tensor(pixels) -> torch.Tensor:
    """What the encoder sees of pictures [n, c, h, w] uint8."""
    return (torch.from_numpy(pixels).float() / 255).contiguous(memory_format=torch.channels_last)
