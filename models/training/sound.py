# SPDX-License-Identifier: MIT
"""Batches of log-mel windows for training an encoder.

Whole clips are turned into rows once; windows are cut out of them row by row, since the rows of all windows of a
clip lie on one grid. Rows hold the logarithm of energies, so louder is plus, and two sounds together are log(exp + exp).
"""

import dataclasses
import math

import numpy as np
import torch

from . import augment

SILENT_ABOVE_FLOOR = math.log(30.0)  # a row is silent if no band is this far above the floor
HEARD_SHARE = 0.12  # of a window's rows; a window with less is called silent
SILENT_SHARE = 0.08  # of the windows drawn, with a target that knows nothing
MIX_SHARE, SNR_LOW_DB, SNR_HIGH_DB = 0.5, 3.0, 25.0  # of the windows, with another sound behind them
PARTLY_SHARE, PARTLY_HEARD = 0.06, 0.3  # of the windows, with too little of a short clip in them to tell what it is
MOSTLY_HEARD = 0.65  # so much of a short clip must be in its window
NOISE_SNR_DB = (0.0, 30.0)
GAIN_DB = (-18.0, 9.0)
DB = math.log(10.0) / 10  # natural logarithm of energy per decibel


@dataclasses.dataclass
class Clips:
    """Rows of many clips, one behind the other."""

    rows: np.ndarray  # [n_rows, bands] float32
    first: np.ndarray  # [n_clips] index of a clip's first row
    count: np.ndarray  # [n_clips]
    labels: np.ndarray  # [n_clips], -1: nothing that was asked for

    @staticmethod
    def join(parts: list, labels: list) -> "Clips":
        count = np.array([len(part) for part in parts])
        first = np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.int64)
        return Clips(np.concatenate(parts).astype(np.float32), first, count, np.array(labels, dtype=np.int64))

    def of(self, clip: int) -> np.ndarray:
        """Rows of one clip."""
        return self.rows[self.first[clip] : self.first[clip] + self.count[clip]]


class Batches:
    """Draws clips again and again in new orders and cuts a window out of each, changed at random."""

    def __init__(self, modality, clips: Clips, weights, n_targets: int, n_labels: int):
        self.modality, self.clips, self.weights = modality, clips, weights
        self.n_targets, self.floor = n_targets, math.log(float(modality.keys["floor"]))
        self.n_rows = modality.size[0]
        self.rows = torch.from_numpy(clips.rows)
        self.heard = self.rows.max(1).values > self.floor + SILENT_ABOVE_FLOOR
        everything = np.arange(len(clips.labels))  # ours twice as often as clips of other labels
        self.pool = np.concatenate([everything, everything[(clips.labels >= 0) & (clips.labels < n_labels)]])
        self.order, self.place = np.empty(0, dtype=np.int64), 0
        self.chosen = None  # [n] which clip each row of the last batch is of; -1: made up
        self.starts, self.partly = zip(*[self.starts_of(i) for i in range(len(clips.labels))])
        self.short = np.array([i for i, starts in enumerate(self.partly) if len(starts)], dtype=np.int64)

    def starts_of(self, clip: int) -> tuple:
        """
        First rows of windows in which enough is heard, and of windows in which a clip shorter than they are is cut off.
        A short clip may lie anywhere in its window.
        """
        first, count = self.clips.first[clip], self.clips.count[clip]
        short = count < self.n_rows
        heard = np.concatenate([[0], np.cumsum(self.heard[first : first + count].numpy())])
        low, high = (count - self.n_rows - count, count) if short else (0, count - self.n_rows)
        starts = np.arange(low, high + 1)
        inside = heard[np.clip(starts + self.n_rows, 0, count)] - heard[np.clip(starts, 0, count)]
        if short:
            enough, partly = starts[inside >= MOSTLY_HEARD * heard[-1]], starts[inside <= PARTLY_HEARD * heard[-1]]
        else:
            enough, partly = starts[inside >= HEARD_SHARE * self.n_rows], starts[:0]
        return (enough if len(enough) else starts), partly

    def draw(self) -> np.ndarray:
        n = self.modality.batch
        if self.place + n > len(self.order):
            self.order = self.pool[torch.randperm(len(self.pool)).numpy()]
            self.place = 0
        chosen = self.order[self.place : self.place + n]
        self.place += n
        return chosen

    def cut(self, chosen: np.ndarray, starts_of: tuple) -> torch.Tensor:
        """A window of each clip: [n, rows, bands], floor where the clip is not."""
        x = torch.full((len(chosen), self.n_rows, self.rows.shape[1]), self.floor)
        for i, clip in enumerate(chosen):
            starts = starts_of[clip]
            start = int(starts[int(torch.randint(len(starts), ()))])
            first, count = int(self.clips.first[clip]), int(self.clips.count[clip])
            low, high = max(start, 0), min(start + self.n_rows, count)
            if low < high:
                x[i, low - start : high - start] = self.rows[first + low : first + high]
        return x

    def silence(self, n: int) -> torch.Tensor:
        """Nothing, or noise of some colour as any microphone has, at many levels."""
        bands = self.rows.shape[1]
        level = augment.uniform(n, self.floor - 1, -3.0).view(n, 1, 1)
        tilt = augment.uniform(n, -4.0, 2.0).view(n, 1, 1) * torch.linspace(-0.5, 0.5, bands)
        wave = torch.cumsum(torch.randn(n, 1, bands), 2) * 0.15
        grain = torch.log(-torch.log(torch.rand(n, self.n_rows, bands).clamp(1e-6, 1 - 1e-6)))
        return (level + tilt + wave + 0.6 * grain).clamp(min=self.floor)

    def change(self, x):
        n, keys = x.shape[0], self.modality.keys
        x = x.unsqueeze(1)
        if "room" in keys:
            x = augment.echoing(x, float(keys["room"]), self.floor, float(keys["step_ms"]) / 1000)
        if torch.rand(()) < 0.5:  # pace and pitch
            x = (augment.stretched(x - self.floor, 0.2, 1.5 / x.shape[3])) + self.floor
        gain = augment.uniform(n, *GAIN_DB).view(n, 1, 1, 1) * DB
        tilt = augment.uniform(n, -6.0, 6.0).view(n, 1, 1, 1) * DB * torch.linspace(-0.5, 0.5, x.shape[3])
        x = torch.where(x > self.floor + 0.01, x + gain + tilt, x)
        noise = self.silence(n).unsqueeze(1)
        x = torch.where(
            torch.rand(n, 1, 1, 1) < 0.3, torch.logaddexp(x, noise + augment.uniform(n, -6, 0).view(n, 1, 1, 1)), x
        )
        share = float(keys.get("noise", 0))
        if share:  # so loud beside what is heard, not beside full scale
            level = torch.logsumexp(x, (2, 3), keepdim=True) - torch.logsumexp(noise, (2, 3), keepdim=True)
            level = level - augment.uniform(n, *NOISE_SNR_DB).view(n, 1, 1, 1) * DB
            x = torch.where(torch.rand(n, 1, 1, 1) < share, torch.logaddexp(x, noise + level), x)
        x = x.clamp(min=self.floor)
        return augment.masked(x, 20, 6, 2)

    def behind(self, x):
        """Another clip of the batch, softer, behind a share of the windows."""
        n = len(x)
        other = torch.randperm(n)
        level = (x.exp().mean((1, 2)) + 1e-12).log() - (x[other].exp().mean((1, 2)) + 1e-12).log()
        keys = self.modality.keys
        snr = augment.uniform(n, float(keys.get("snr_db", SNR_LOW_DB)), SNR_HIGH_DB)
        mixed = torch.logaddexp(x, x[other] + (level - snr * DB).view(n, 1, 1))
        return torch.where(torch.rand(n, 1, 1) < float(keys.get("mix", MIX_SHARE)), mixed, x)

    def of(self, chosen: np.ndarray) -> torch.Tensor:
        """A changed window of each of these clips: [n, 1, rows, bands]."""
        return self.change(self.behind(self.cut(chosen, self.starts)))

    def __call__(self):
        chosen = self.draw()
        x = self.behind(self.cut(chosen, self.starts))
        n_partly = round(PARTLY_SHARE * len(chosen)) if len(self.short) else 0
        n_silent = round(SILENT_SHARE * len(chosen))
        if n_partly:
            x[:n_partly] = self.cut(self.short[torch.randint(len(self.short), (n_partly,)).numpy()], self.partly)
        x = self.change(x)
        x[n_partly : n_partly + n_silent, 0] = self.silence(n_silent)
        labels, self.chosen = torch.from_numpy(self.clips.labels[chosen]), torch.from_numpy(chosen)
        labels[: n_partly + n_silent] = self.chosen[: n_partly + n_silent] = -1
        y, weights = augment.targets(labels, self.n_targets, self.modality.smooth, self.weights)
        if torch.rand(()) < self.modality.mixup:
            x, y = augment.mixed(x, y, 0.4)
        return x, y, weights


def windows(modality, rows: np.ndarray) -> np.ndarray:
    """The windows of one clip at the hop, as `lookout-model eval` cuts them: [n, 1, rows, bands]."""
    n_rows, hop = modality.size[0], round(float(modality.keys["hop_ms"]) / float(modality.keys["step_ms"]))
    if len(rows) < n_rows:
        silence = np.full((n_rows - len(rows), rows.shape[1]), math.log(float(modality.keys["floor"])), np.float32)
        rows = np.concatenate([rows, silence])
    starts = range(0, len(rows) - n_rows + 1, hop)
    return np.stack([rows[start : start + n_rows] for start in starts])[:, None]


def clip_scores(model, clips: Clips, modality, n_labels: int) -> torch.Tensor:
    """Mean of the probabilities over each clip's windows: [n_clips, labels]."""
    scores = []
    with torch.no_grad():
        for clip in range(len(clips.labels)):
            x = torch.from_numpy(windows(modality, clips.of(clip)))
            scores.append(model(x)[:, :n_labels].softmax(1).mean(0))
    return torch.stack(scores)
