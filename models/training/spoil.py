# SPDX-License-Identifier: MIT
"""Digits that are hard to read and to hear, in the manner of AV-MNIST (Vielzeuf et al., CentralNet, arXiv 1808.07275).

There, 75 % of the pictures' energy was removed by PCA, and noise of ESC-50 was put behind the spoken digits. The authors' generator is not
public; here, pictures keep the leading principal components of train that hold a quarter of its variance, and each sound has a stretch of another
one behind it, which is heard but 0 to 10 dB louder than the digit. Noises of train and test are not the same files. Everything is drawn by a hash of the file's name.
"""

import hashlib
import pathlib

import numpy as np
import soundfile
from PIL import Image

from . import data, features

KEPT_SHARE = 0.25  # of the variance
SNR_DB = (-10.0, 0.0)
TEST_SHARE = 0.2  # of the noises


def generator(name: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))


def files(folder: pathlib.Path) -> list:
    """LABEL/FILE in @folder, by bytes."""
    if not folder.is_dir():
        raise data.DataError(f"{folder}: not there")
    return [path for label in data.by_bytes([p.name for p in folder.iterdir() if p.is_dir()])
            for path in (folder / label / name for name in data.by_bytes([p.name for p in (folder / label).iterdir()]))]


def grey(paths: list) -> np.ndarray:
    """[n, rows, columns] uint8, all of one size."""
    pictures = []
    for path in paths:
        with Image.open(path) as image:
            pictures.append(np.asarray(image.convert("L")))
        if pictures[-1].shape != pictures[0].shape:
            raise data.DataError(f"{path}: {pictures[-1].shape[1]}x{pictures[-1].shape[0]} pixels, others have {pictures[0].shape[1]}x{pictures[0].shape[0]}")
    return np.stack(pictures)


def components(pictures: np.ndarray) -> tuple:
    """Mean [pixels] and leading principal directions [k, pixels] of pictures [n, rows, columns], as few as hold KEPT_SHARE of the variance."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float64)
    mean = flat.mean(0)
    variance, directions = np.linalg.eigh(np.cov(flat - mean, rowvar=False))
    variance, directions = variance[::-1], directions[:, ::-1]
    n = 1 + int(np.searchsorted(np.cumsum(variance) / variance.sum(), KEPT_SHARE))
    return mean, directions[:, :n].T


def projected(pictures: np.ndarray, mean: np.ndarray, directions: np.ndarray) -> np.ndarray:
    flat = pictures.reshape(len(pictures), -1) - mean
    return np.clip(np.rint(mean + flat @ directions.T @ directions), 0, 255).astype(np.uint8).reshape(pictures.shape)


def heard_stretch(noise: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """@n samples of @noise, repeated if it is short, where it is not silent: many clips of ESC-50 mostly are."""
    noise = np.tile(noise, -(-2 * n // len(noise))).astype(np.float64)
    starts = rng.integers(0, len(noise) - n + 1, 4)
    return max((noise[start : start + n] for start in starts), key=lambda part: np.mean(part**2))


def mixed(speech: np.ndarray, noise: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """int16 [n] of both; what is louder than full scale is made softer as a whole."""
    snr_db, behind = rng.uniform(*SNR_DB), heard_stretch(noise, len(speech), rng)
    power = np.mean(speech.astype(np.float64) ** 2)
    both = speech + behind * np.sqrt(power * 10 ** (-snr_db / 10) / max(np.mean(behind**2), 1e-12))
    return np.rint(both * min(1.0, 32767 / max(np.abs(both).max(), 1e-12))).astype(np.int16)


def noises_of(folder: pathlib.Path) -> dict:
    """split -> samples of each noise that has any."""
    found = {"train": [], "test": []}
    for path in files(folder):
        pcm = features.samples(str(path))
        if np.any(pcm):
            found["test" if generator(path.name).random() < TEST_SHARE else "train"].append(pcm)
    if not all(found.values()):
        raise data.DataError(f"{folder}: too few sounds to put behind both train and test")
    return found


def run(root: pathlib.Path, noise: pathlib.Path, out: pathlib.Path, say):
    if out.exists():
        raise data.DataError(f"{out}: is there already")
    part = out.with_name(out.name + ".part")
    noises = noises_of(noise)
    mean, directions = components(grey(files(root / "images" / "train")))
    say(f"{len(directions)} of {len(mean)} principal components are kept; {len(noises['train'])} noises for train, {len(noises['test'])} for test")
    for split in ("train", "test"):
        paths = files(root / "images" / split)
        for path, pixels in zip(paths, projected(grey(paths), mean, directions)):
            target = part / path.relative_to(root).with_suffix(".png")
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(target)
        for path in files(root / "audio" / split):
            rng = generator(path.name)
            target = part / path.relative_to(root).with_suffix(".flac")
            target.parent.mkdir(parents=True, exist_ok=True)
            pcm = mixed(features.samples(str(path)), noises[split][int(rng.integers(len(noises[split])))], rng)
            try:
                soundfile.write(target, pcm, features.RATE_HZ, subtype="PCM_16")
            except RuntimeError as error:
                raise data.DataError(f"{target}: cannot be written; is the disk full? ({error})") from error
    part.rename(out)
    say(f"{out} is ready")
