# SPDX-License-Identifier: MIT
"""Random changes to batches of features while an encoder is trained. Each takes and returns [n, channels, rows, columns]."""

import math

import torch
from torch.nn import functional


def uniform(n: int, low: float, high: float) -> torch.Tensor:
    return torch.empty(n).uniform_(low, high)


def targets(labels: torch.Tensor, n: int, smooth: float, weights: torch.Tensor) -> tuple:
    """Smoothed distributions [m, n] and weights [m] of labels; -1 is the even distribution."""
    known = (labels >= 0).view(-1, 1)
    y = functional.one_hot(labels.clamp(min=0), n).float() * (1 - smooth) + smooth / n
    return torch.where(known, y, torch.full_like(y, 1 / n)), torch.where(known[:, 0], weights[labels.clamp(min=0)], 1.0)


def moved(x, shift: float, turn: float, zoom: float, flip: bool, padding: str = "reflection"):
    """Shift (share of the size), turn (degrees), zoom, and mirror every other picture, in one resampling."""
    n = x.shape[0]
    angle = uniform(n, -turn, turn) * (math.pi / 180)
    scale = torch.exp(uniform(n, -zoom, zoom))
    mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0) if flip else torch.ones(n)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = mirror * torch.cos(angle) / scale
    theta[:, 0, 1] = -torch.sin(angle) / scale
    theta[:, 1, 0] = torch.sin(angle) / scale
    theta[:, 1, 1] = torch.cos(angle) / scale
    theta[:, 0, 2] = uniform(n, -shift, shift) * 2
    theta[:, 1, 2] = uniform(n, -shift, shift) * 2
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode=padding, align_corners=False)


def coloured(x, brightness: float, contrast: float, saturation: float):
    """Light, contrast and colour of a camera that is not ours. Values 0..1."""
    n = x.shape[0]

    def factor(by):
        return torch.exp(uniform(n, -by, by)).view(n, 1, 1, 1)

    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * factor(saturation)
    mean = x.mean((1, 2, 3), keepdim=True)
    return ((mean + (x - mean) * factor(contrast)) * factor(brightness)).clamp(0, 1)


def darkened(x, share: float, least: float):
    """Low light in a share of the pictures: down to @least of it. Values 0..1."""
    n = x.shape[0]
    light = torch.exp(uniform(n, math.log(least), 0))
    return x * torch.where(torch.rand(n) < share, light, torch.ones(n)).view(n, 1, 1, 1)


def blurred(x, share: float, most: float):
    """A share of the pictures out of focus: Gaussian, standard deviation up to @most pixels."""
    n, channels, _, _ = x.shape
    reach = math.ceil(2 * most)
    width = torch.where(torch.rand(n) < share, uniform(n, 0.2, most), torch.full((n,), 1e-3)).view(n, 1)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1).view(1, -1) / width) ** 2)
    taps = (taps / taps.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    y = functional.pad(x, (reach,) * 4, mode="replicate").reshape(1, n * channels, *[side + 2 * reach for side in x.shape[2:]])
    y = functional.conv2d(y, taps.view(n * channels, 1, 1, -1), groups=n * channels)
    return functional.conv2d(y, taps.view(n * channels, 1, -1, 1), groups=n * channels).view_as(x)


def cut(x, share: float, size: int, fill: float):
    """Cover a random square in a share of the pictures (DeVries and Taylor, Cutout, arXiv 1708.04552)."""
    n, _, rows, columns = x.shape
    top = torch.randint(-size // 2, rows - size // 2, (n, 1, 1))
    left = torch.randint(-size // 2, columns - size // 2, (n, 1, 1))
    row, column = torch.arange(rows).view(1, rows, 1), torch.arange(columns).view(1, 1, columns)
    inside = (row >= top) & (row < top + size) & (column >= left) & (column < left + size)
    inside &= torch.rand(n, 1, 1) < share
    return torch.where(inside.unsqueeze(1), torch.tensor(fill), x)


def masked(x, rows: int, columns: int, times: int):
    """SpecAugment (Park et al., arXiv 1904.08779): bands of time and of frequency set to the mean of the example."""
    n, _, n_rows, n_columns = x.shape
    mean = x.mean((1, 2, 3), keepdim=True)
    for _ in range(times):
        for axis, items, most in ((2, n_rows, rows), (3, n_columns, columns)):
            width = torch.randint(0, most + 1, (n, 1, 1, 1))
            start = (torch.rand(n, 1, 1, 1) * (items - width)).long()
            index = torch.arange(items).view((1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1))
            x = torch.where((index >= start) & (index < start + width), mean, x)
    return x


def echoing(x, share: float, floor: float, step_s: float, rt60_s=(0.1, 0.8)):
    """
    A room around a share of the sounds, log energies: what was there dies away by 60 dB in @rt60_s seconds, beside what is there now
    (Polack's model of late reverberation: exponentially falling noise, so energies add up).
    """
    n, n_rows = x.shape[0], x.shape[2]
    keep = torch.exp(-math.log(1e6) * step_s / torch.exp(uniform(n, *(math.log(s) for s in rt60_s)))).view(n, 1, 1)
    wet = (torch.rand(n) < share).float() * torch.exp(uniform(n, math.log(0.02), math.log(0.5)))
    energy, tail, rows = x.exp(), torch.zeros_like(x[:, :, 0]), []
    for row in range(n_rows):
        rows.append(energy[:, :, row] + wet.view(n, 1, 1) * tail)
        tail = keep * (tail + energy[:, :, row])
    return torch.stack(rows, 2).log().clamp(min=floor)


def mixed(x, y, alpha: float):
    """Mixup (Zhang et al., arXiv 1710.09412) of examples and of their label distributions."""
    part = torch.distributions.Beta(alpha, alpha).sample((x.shape[0],))
    part = torch.maximum(part, 1 - part)
    other = torch.randperm(x.shape[0])
    weight = part.view(-1, 1, 1, 1)
    return weight * x + (1 - weight) * x[other], part.view(-1, 1) * y + (1 - part.view(-1, 1)) * y[other]


def stretched(x, pace: float, pitch: float):
    """Faster or slower around a random place, and higher or lower by a share of the bands."""
    n = x.shape[0]
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = 1
    theta[:, 0, 2] = uniform(n, -pitch, pitch) * 2
    theta[:, 1, 1] = torch.exp(uniform(n, -pace, pace))
    theta[:, 1, 2] = (1 - theta[:, 1, 1]).clamp(min=0) * uniform(n, -1, 1)
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
