# SPDX-License-Identifier: MIT
"""Samples and frames to what the networks see."""

import numpy as np
import soundfile


def shrink(pixels: np.ndarray, size: tuple) -> np.ndarray:
    if pixels.shape[:2] == tuple(size):
        return pixels
    raise NotImplementedError


def samples(path):
    x, rate = soundfile.read(path, dtype="float32")
    if x.ndim > 1:
        x = x.mean(1)
    if rate != 16000:
        n = round(len(x) * 16000 / rate)
        f = np.fft.rfft(np.concatenate([x, np.zeros(len(x))]))
        out = np.zeros(n + 1, complex)
        out[: min(len(f), len(out))] = f[: min(len(f), len(out))]
        x = np.fft.irfft(out, 2 * n)[:n] * (16000 / rate)
    return np.clip(np.round(x * 32768), -32768, 32767).astype(np.int16)


def rows(pcm, keys):
    frame, step = int(float(keys["frame_ms"]) * 16), int(float(keys["step_ms"]) * 16)
    nfft = 1 << (frame - 1).bit_length()
    bands = int(keys["bands"])
    if len(pcm) < frame:
        pcm = np.concatenate([pcm, np.zeros(frame - len(pcm), np.int16)])
    n = 1 + (len(pcm) - frame) // step
    idx = np.arange(n)[:, None] * step + np.arange(frame)
    win = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame) / frame)
    p = np.abs(np.fft.rfft(pcm[idx] / 32768 * win, nfft)) ** 2
    mel = lambda f: 1127 * np.log(1 + np.asarray(f) / 700)
    lo, hi = mel(float(keys["low_hz"])), mel(float(keys["high_hz"]))
    sp = (hi - lo) / (bands + 1)
    k = mel(np.arange(nfft // 2 + 1) * 16000 / nfft)
    e = lo + sp * np.arange(bands)[:, None]
    w = np.maximum(0, np.minimum((k - e) / sp, (e + 2 * sp - k) / sp))
    w[:, 0] = 0
    return np.log(np.maximum(p @ w.T, float(keys["floor"]))).astype(np.float32)
