# SPDX-License-Identifier: MIT
"""Samples and frames to what the networks see, by the daemon's own front ends (frontend.py)."""

import functools

import numpy as np
import soundfile

from . import frontend

RATE_HZ = frontend.RATE_HZ


def resampled(x: np.ndarray, rate_hz: int) -> np.ndarray:
    """To RATE_HZ by padding or cutting the spectrum; the clip is followed by as much silence, so its ends do not meet."""
    n = round(len(x) * RATE_HZ / rate_hz)
    spectrum = np.fft.rfft(np.concatenate([x, np.zeros(len(x))]))
    wanted = np.zeros(n + 1, complex)
    common = min(len(spectrum), len(wanted))
    wanted[:common] = spectrum[:common]
    return np.fft.irfft(wanted, 2 * n)[:n] * (RATE_HZ / rate_hz)


def samples(path: str) -> np.ndarray:
    """A sound file as int16 [n] at 16 kHz, mono."""
    x, rate_hz = soundfile.read(path, dtype="float64", always_2d=True)
    x = x.mean(1)
    if rate_hz != RATE_HZ:
        x = resampled(x, rate_hz)
    return np.clip(np.round(x * 32768), -32768, 32767).astype(np.int16)


@functools.cache
def one_row(items: tuple) -> frontend.Sound:
    """A front end whose window is a single row."""
    keys = dict(items)
    return frontend.Sound(
        kind=keys["features"],
        window_ms=float(keys["frame_ms"]),
        hop_ms=float(keys["step_ms"]),
        frame_ms=float(keys["frame_ms"]),
        step_ms=float(keys["step_ms"]),
        bands=int(keys["bands"]),
        low_hz=float(keys["low_hz"]),
        high_hz=float(keys["high_hz"]),
        floor=float(keys["floor"]),
    )


def rows(pcm: np.ndarray, keys: dict) -> np.ndarray:
    """
    All rows of a clip, [n, bands]. Windows that begin at a multiple of the step are cuts of it. Of a clip shorter
    than the window, the rows that reach into the silence behind it too.
    """
    front_end = one_row(tuple(sorted(keys.items())))
    short = len(pcm) < float(keys["window_ms"]) * RATE_HZ / 1000
    n = max(1, 1 + (len(pcm) - (1 if short else front_end.n_window)) // front_end.n_hop)
    return front_end.windows(pcm, n_windows=n)[:, 0]


@functools.cache
def picture_front_end(size: tuple, channels: int, crop: str) -> frontend.Picture:
    return frontend.Picture(size[1], size[0], "rgb" if channels == 3 else "grey", crop)


def shrink(rgb: np.ndarray, size: tuple, channels: int, crop: str = "none") -> np.ndarray:
    """RGB [h, w, 3] uint8 to [rows, columns, channels]."""
    return picture_front_end(tuple(size), channels, crop).shrink(rgb)
