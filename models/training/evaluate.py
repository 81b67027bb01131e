# SPDX-License-Identifier: MIT
"""What is known of a finished run beyond its accuracy: calibration, confusion, robustness.

Encoders run with rounded weights and activations in PyTorch, which is the engine's result but for single steps of int8;
features are the daemon's. Sounds and pictures are paired by label as `lookout-model eval` does. `figures()` gives a dict
of numbers only, for report.py and for whoever wants to plot them otherwise.
"""

import dataclasses

import numpy as np
import torch
from PIL import Image, ImageFilter

from . import data, features, fuse, picture, sound
from .fuse import pairs_of

SNRS_DB = (None, 20, 10, 0)  # None: as recorded
BRIGHTNESSES = (1.0, 0.3, 0.1)
BLUR_PX = 1.5  # standard deviation, at the size of the file
SKEWS_MS = (100, 200, 300, 400, 500)
BINS = 15  # of adaptive ECE: as many answers in each
THRESHOLDS = np.linspace(0, 0.98, 50)
ALLOWED_LOSS = 0.01  # of both below the healthy modality alone


@dataclasses.dataclass
class Side:
    """What one modality's encoder says of a split."""

    experts: torch.Tensor  # [windows, labels]
    labels: torch.Tensor  # [windows]
    numbers: torch.Tensor  # [windows], of the example


def noisy(pcm: np.ndarray, snr_db, seed: int) -> np.ndarray:
    """With noise of falling spectrum (-3 dB an octave) behind, so far below the clip's own power."""
    if snr_db is None:
        return pcm
    white = np.fft.rfft(np.random.default_rng(seed).normal(0, 1, len(pcm)))
    noise = np.fft.irfft(white / np.sqrt(np.maximum(np.arange(len(white)), 1)), len(pcm))
    power = np.mean(pcm.astype(np.float64) ** 2)
    noise *= np.sqrt(power * 10 ** (-snr_db / 10) / max(np.mean(noise**2), 1e-12))
    return np.clip(np.round(pcm + noise), -32768, 32767).astype(np.int16)


def late(pcm: np.ndarray, skew_ms: int) -> np.ndarray:
    """What is heard came so much later than what is seen: silence first."""
    n = skew_ms * features.RATE_HZ // 1000
    return np.concatenate([np.zeros(n, np.int16), pcm[: len(pcm) - n]]) if n else pcm


def sound_rows(trained, examples: list, snr_db=None, skew_ms: int = 0) -> tuple:
    """Windows [n, 1, rows, bands] and numbers [n]."""
    parts = []
    for i, example in enumerate(examples):
        pcm = late(noisy(features.samples(example.path), snr_db, i), skew_ms)
        parts.append(sound.windows(trained.modality, features.rows(pcm, trained.modality.keys)))
    return torch.from_numpy(np.concatenate(parts)), torch.tensor([i for i, part in enumerate(parts) for _ in part])


def picture_rows(trained, examples: list, brightness: float = 1.0, blur_px: float = 0.0) -> tuple:
    keys, modality = trained.modality.keys, trained.modality
    out = []
    for example in examples:
        with Image.open(example.path) as image:
            image = image.convert("RGB")
            image = image.filter(ImageFilter.GaussianBlur(blur_px)) if blur_px else image
            pixels = np.round(np.asarray(image) * brightness).astype(np.uint8)
        out.append(features.shrink(pixels, modality.size, modality.channels, keys.get("crop", "none")))
    return picture.tensor(np.ascontiguousarray(np.stack(out).transpose(0, 3, 1, 2))), torch.arange(len(examples))


ROWS = {"sound": sound_rows, "picture": picture_rows}


def side(trained, examples: list, **change) -> Side:
    x, numbers = ROWS[trained.modality.kind](trained, examples, **change)
    weights, bias = trained.classifier
    labels = torch.tensor([e.label for e in examples])[numbers]
    return Side(trained.embed(x) @ weights.T + bias, labels, numbers)


def answers(fusion: fuse.Fusion, sides: list, chosen: tuple, calibrated: bool = True) -> tuple:
    """
    Probabilities [pairs, labels] and true labels [pairs].
    @sides   of all modalities; those in @chosen are there.
    """
    pairs = pairs_of([(sides[i].labels, sides[i].numbers) for i in chosen])
    counts = [max(len(item) for item in items) for _, items in pairs]
    owner = torch.repeat_interleave(torch.arange(len(pairs)), torch.tensor(counts))
    rows = [torch.zeros(len(owner), len(fusion.bias)) for _ in sides]
    for place, i in enumerate(chosen):
        index = [items[place][torch.arange(n) % len(items[place])] for (_, items), n in zip(pairs, counts)]
        rows[i] = sides[i].experts[torch.cat(index)]
    mask = torch.zeros(len(owner), len(sides))
    mask[:, list(chosen)] = 1
    p = fusion.probabilities(rows, mask, chosen) if calibrated else fusion.scores(rows, mask).softmax(1)
    total = torch.zeros(len(pairs), p.shape[1]).index_add_(0, owner, p)
    return (total / torch.tensor(counts).view(-1, 1)).numpy(), np.array([label for label, _ in pairs])


def accuracy(p: np.ndarray, truth: np.ndarray) -> float:
    return float((p.argmax(1) == truth).mean())


def nll(p: np.ndarray, truth: np.ndarray) -> float:
    return float(-np.log(np.maximum(p[np.arange(len(p)), truth], 1e-9)).mean())


def reliability(p: np.ndarray, truth: np.ndarray) -> list:
    """[[mean confidence, share that is right, n] of each bin], as many answers in each, least sure first."""
    sure, right = p.max(1), p.argmax(1) == truth
    parts = np.array_split(np.argsort(sure), min(BINS, len(sure)))
    return [[float(sure[part].mean()), float(right[part].mean()), len(part)] for part in parts]


def adaptive_ece(bins: list) -> float:
    n = sum(count for _, _, count in bins)
    return sum(abs(sure - right) * count for sure, right, count in bins) / n


def interval(right: np.ndarray, groups: np.ndarray, seed: int = 1, draws: int = 1000) -> tuple:
    """Bootstrap 95 % interval of the mean of @right, drawing whole @groups (examples of the scarcer modality)."""
    rng, names = np.random.default_rng(seed), np.unique(groups)
    sums = np.array([right[groups == name].sum() for name in names])
    counts = np.array([(groups == name).sum() for name in names])
    drawn = rng.integers(0, len(names), (draws, len(names)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    return tuple(float(value) for value in np.percentile(means, (2.5, 97.5)))


def confusion(p: np.ndarray, truth: np.ndarray) -> list:
    table = np.zeros((p.shape[1],) * 2, int)
    np.add.at(table, (truth, p.argmax(1)), 1)
    return table.tolist()


def errors_by_threshold(p: np.ndarray, truth: np.ndarray) -> dict:
    """At each threshold for the best score: what is missed, and wrong labels that are reported; shares of all answers."""
    sure, right = p.max(1), p.argmax(1) == truth
    return {
        "threshold": THRESHOLDS.tolist(),
        "missed": [float((right & (sure < t)).mean()) for t in THRESHOLDS],
        "wrong": [float((~right & (sure >= t)).mean()) for t in THRESHOLDS],
        "unanswered": [float((sure < t).mean()) for t in THRESHOLDS],
    }


def named(modalities, chosen) -> str:
    return "+".join(modalities[i].name for i in chosen)


def of_sets(fusion, modalities, sides: list) -> dict:
    found = {}
    for chosen in fuse.sets_of(len(modalities)):
        p, truth = answers(fusion, sides, chosen)
        raw, _ = answers(fusion, sides, chosen, calibrated=False)
        bins, bins_raw = reliability(p, truth), reliability(raw, truth)
        low, high = interval(p.argmax(1) == truth, groups_of(sides, chosen))
        found[named(modalities, chosen)] = {
            "accuracy": accuracy(p, truth),
            "n": len(truth),
            "interval": [low, high],
            "nll": nll(p, truth),
            "nll uncalibrated": nll(raw, truth),
            "ece": adaptive_ece(bins),
            "ece uncalibrated": adaptive_ece(bins_raw),
            "temperature": fusion.temperature[chosen],
            "reliability": bins,
            "reliability uncalibrated": bins_raw,
            "confusion": confusion(p, truth),
            "thresholds": errors_by_threshold(p, truth),
            "right": (p.argmax(1) == truth).astype(int).tolist(),
            "pairs": numbers_of(sides, chosen).tolist(),
        }
    return found


def numbers_of(sides: list, chosen: tuple) -> np.ndarray:
    """[pairs, modalities in @chosen]: which example of each modality a pair is made of."""
    pairs = pairs_of([(sides[i].labels, sides[i].numbers) for i in chosen])
    return np.array([[int(sides[i].numbers[windows[0]]) for i, windows in zip(chosen, items)] for _, items in pairs])


def groups_of(sides: list, chosen: tuple) -> np.ndarray:
    """Of each pair, the number of its example of the scarcest modality: pairs with the same one are not independent."""
    scarce = min(chosen, key=lambda i: len(torch.unique(sides[i].numbers)))
    return numbers_of(sides, chosen)[:, chosen.index(scarce)]


def changes_of(kind: str) -> dict:
    """name -> how features of this kind are spoilt; the first is not."""
    if kind == "sound":
        return {("clean" if snr is None else f"SNR {snr} dB"): {"snr_db": snr} for snr in SNRS_DB}
    found = {("clean" if light == 1 else f"light x {light:g}"): {"brightness": light} for light in BRIGHTNESSES}
    return found | {"blur": {"blur_px": BLUR_PX}}


def robustness(fusion, trained: list, examples: list, clean: list) -> list:
    """Rows for every way to spoil one modality with every way to spoil the others, and for late sound."""
    modalities = [one.modality for one in trained]
    everything = tuple(range(len(trained)))
    grids = [[(name, side(one, found, **change) if name != "clean" else own) for name, change in changes_of(one.modality.kind).items()]
             for one, found, own in zip(trained, examples, clean)]
    conditions = [()]
    for grid in grids:
        conditions = [(*before, one) for before in conditions for one in grid]
    for i, modality in enumerate(modalities):
        if modality.kind == "sound":
            for skew in SKEWS_MS:
                own = [("clean", one) for one in clean]
                own[i] = (f"{skew} ms late", side(trained[i], examples[i], skew_ms=skew))
                conditions.append(tuple(own))
    rows = []
    for condition in conditions:
        sides = [one for _, one in condition]
        row = {modality.name: name for modality, (name, _) in zip(modalities, condition)}
        row["accuracy"] = {named(modalities, chosen): accuracy(*answers(fusion, sides, chosen)) for chosen in fuse.sets_of(len(sides))}
        best = max(row["accuracy"][named(modalities, (i,))] for i in everything)
        row["holds"] = row["accuracy"][named(modalities, everything)] >= best - ALLOWED_LOSS
        rows.append(row)
    return rows


def figures(config, root, trained: list, fusion: fuse.Fusion, labels: list, split: str = "test") -> dict:
    """@trained  encode.Trained of each modality, as shipped."""
    examples = [data.examples(root, one.modality.kind, split, labels) for one in trained]
    clean = [side(one, found) for one, found in zip(trained, examples)]
    modalities = [one.modality for one in trained]
    return {
        "name": config.name,
        "split": split,
        "seed": config.seed,
        "labels": labels,
        "examples": {one.modality.name: len(found) for one, found in zip(trained, examples)},
        "sets": of_sets(fusion, modalities, clean),
        "robustness": robustness(fusion, trained, examples, clean),
    }
