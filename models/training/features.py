# SPDX-License-Identifier: MIT
"""Samples and frames to what the networks see, by the daemon's own front ends (frontend.py)."""

import functools

import numpy as np

from . import frontend

RATE_HZ, MOST_S, MOST_SIDE_PX = frontend.RATE_HZ, frontend.MOST_S, frontend.MOST_SIDE_PX


def samples(path: str) -> np.ndarray:
    """A sound file as int16 [n] at 16 kHz, mono; what stands after MOST_S seconds is left out."""
    return frontend.read_sound(path)


@functools.cache
def front_end_of(items: tuple) -> frontend.Sound:
    keys = dict(items)
    return frontend.Sound(
        kind=keys["features"],
        window_ms=float(keys["window_ms"]),
        hop_ms=float(keys["hop_ms"]),
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
    front_end = front_end_of(tuple(sorted(keys.items())))
    if len(pcm) >= front_end.n_window:
        return front_end.rows(pcm)
    step = round(float(keys["step_ms"]) * RATE_HZ / 1000)
    return front_end.window(pcm)[: 1 + (len(pcm) - 1) // step]


@functools.cache
def picture_front_end(size: tuple, channels: int, crop: str) -> frontend.Picture:
    return frontend.Picture(size[1], size[0], "rgb" if channels == 3 else "grey", crop)


def shrink(rgb: np.ndarray, size: tuple, channels: int, crop: str = "none") -> np.ndarray:
    """RGB [h, w, 3] uint8 to [rows, columns, channels]."""
    return picture_front_end(tuple(size), channels, crop).shrink(rgb)
