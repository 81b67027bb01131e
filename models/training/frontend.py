# SPDX-License-Identifier: MIT
"""Lookout's front ends for training: the daemon's own C code through ctypes.

    sound = Sound(kind="logmel", window_ms=2000, hop_ms=500, frame_ms=25, step_ms=10,
                  bands=40, low_hz=60, high_hz=7600, floor=1e-6)
    samples = read_sound(path)               # any rate -> int16 [n] at 16 kHz, as the daemon does
    x = sound.windows(samples)               # int16 [n] -> float32 [n_windows, rows, values]
    r = sound.rows(samples)                  # the same rows of the whole clip, [n_rows, values]
    q = quantise(x, scale, zero_point)       # -> int8, as the daemon feeds the encoder

    picture = Picture(width=32, height=32, colour="rgb", crop="centre-square")
    y = picture.shrink(rgb)                  # uint8 [h, w, 3] or [n, h, w, 3] -> uint8 [(n,) 32, 32, 3]
    q = quantise_pixels(y, scale, zero_point)  # real value pixel / 255

The recipes are in pipeline/mel.h and pipeline/picture.h. Build first (`meson setup build &&
ninja -C build`); the library is build/pipeline/liblookout-features.so, or wherever
LOOKOUT_FEATURES points; ImportError if there is none. Needs numpy.
"""

import ctypes
import os
import pathlib

import numpy

API_VERSION = 2
RATE_HZ = 16000
MOST_S = 60  # of a sound file, if nobody asks for more
MOST_SIDE_PX = 8192  # of a picture; FRAME_SIDE_MAX_PX of pipeline/pixels.h

_KINDS = {"logmel": 0, "mfcc": 1}
_NORMALISE = {"none": 0, "peak": 1}
_COLOURS = {"rgb": 0, "grey": 1}
_CROPS = {"none": 0, "centre-square": 1}


class _SoundFeatures(ctypes.Structure):
    """struct sound_features of models/bundle.h."""

    _fields_ = [
        ("kind", ctypes.c_int),
        ("rate_hz", ctypes.c_int32),
        ("window_ms", ctypes.c_double),
        ("hop_ms", ctypes.c_double),
        ("frame_ms", ctypes.c_double),
        ("step_ms", ctypes.c_double),
        ("n_bands", ctypes.c_int32),
        ("n_coefficients", ctypes.c_int32),
        ("low_hz", ctypes.c_double),
        ("high_hz", ctypes.c_double),
        ("floor", ctypes.c_double),
        ("normalise", ctypes.c_int),
    ]


class _PictureFeatures(ctypes.Structure):
    """struct picture_features of models/bundle.h."""

    _fields_ = [
        ("width_px", ctypes.c_int32),
        ("height_px", ctypes.c_int32),
        ("colour", ctypes.c_int),
        ("crop", ctypes.c_int),
        ("hop_ms", ctypes.c_double),
    ]


def _library_path():
    if "LOOKOUT_FEATURES" in os.environ:
        return os.environ["LOOKOUT_FEATURES"]
    root = pathlib.Path(__file__).resolve().parents[2]
    return str(root / "build" / "pipeline" / "liblookout-features.so")


def _load():
    path = _library_path()
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"{path}: {error}; build it with `meson setup build && ninja -C build`, "
                          "or set LOOKOUT_FEATURES") from error
    if library.lookout_features_version() != API_VERSION:
        raise ImportError(f"{path}: made for another version of frontend.py; build it again")

    size, handle, i32 = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int32
    pointer = ctypes.c_void_p
    signatures = {
        "sound_new": (ctypes.c_int, [ctypes.POINTER(_SoundFeatures), ctypes.POINTER(handle),
                                     ctypes.c_char_p, size]),
        "sound_free": (None, [handle]),
        "sound_window_items": (size, [handle]),
        "sound_hop_items": (size, [handle]),
        "sound_n_rows": (size, [handle]),
        "sound_n_values": (size, [handle]),
        "sound_windows": (ctypes.c_int, [handle, pointer, size, size, size, pointer]),
        "sound_clip_rows": (size, [handle, size]),
        "sound_rows": (None, [handle, pointer, size, pointer]),
        "sound_read": (ctypes.c_int, [ctypes.c_char_p, pointer, size, ctypes.POINTER(size),
                                      ctypes.c_char_p, size]),
        "picture_new": (ctypes.c_int, [ctypes.POINTER(_PictureFeatures), i32, i32,
                                       ctypes.POINTER(handle)]),
        "picture_free": (None, [handle]),
        "picture_shrink": (None, [handle, pointer, size, i32, i32, size, pointer]),
        "quantise_values": (None, [pointer, size, ctypes.c_float, i32, pointer]),
        "quantise_pixels": (None, [pointer, size, ctypes.c_float, i32, pointer]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, "lookout_" + name)
        function.restype, function.argtypes = result, arguments
    return library


_library = _load()

ERROR_BYTES = 384


def read_sound(path, max_s=MOST_S):
    """A WAV, FLAC or Ogg file as int16 [n] mono at 16 kHz, mixed and resampled as the daemon does.

    What stands after `max_s` seconds is left out."""
    samples = numpy.empty(max_s * RATE_HZ, dtype=numpy.int16)
    n, text = ctypes.c_size_t(), ctypes.create_string_buffer(ERROR_BYTES)
    if _library.lookout_sound_read(os.fsencode(path), samples.ctypes.data, len(samples), n, text,
                                   ERROR_BYTES) < 0:
        raise OSError(text.value.decode())
    return samples[:n.value].copy()


class Sound:
    """Log-mel or MFCC windows of 16 kHz mono sound; the keys of a bundle's [modality] section."""

    def __init__(self, kind="logmel", window_ms=2000.0, hop_ms=500.0, frame_ms=25.0, step_ms=10.0,
                 bands=40, coefficients=0, low_hz=60.0, high_hz=7600.0, floor=1e-6,
                 normalise="none"):
        options = _SoundFeatures(_KINDS[kind], RATE_HZ, window_ms, hop_ms, frame_ms, step_ms, bands,
                                 coefficients, low_hz, high_hz, floor, _NORMALISE[normalise])
        self._handle = ctypes.c_void_p()
        text = ctypes.create_string_buffer(ERROR_BYTES)
        if _library.lookout_sound_new(options, self._handle, text, ERROR_BYTES) < 0:
            raise ValueError(text.value.decode())
        self.n_window = _library.lookout_sound_window_items(self._handle)  # samples
        self.n_hop = _library.lookout_sound_hop_items(self._handle)  # samples
        self.n_rows = _library.lookout_sound_n_rows(self._handle)
        self.n_values = _library.lookout_sound_n_values(self._handle)

    def __del__(self):
        if getattr(self, "_handle", None):
            _library.lookout_sound_free(self._handle)

    def n_windows(self, n_samples, hop=None):
        """Windows of a clip as `lookout-model eval` takes them: a short clip gives one, padded."""
        hop = hop or self.n_hop
        return 1 if n_samples <= self.n_window else 1 + (n_samples - self.n_window) // hop

    def windows(self, samples, hop=None, n_windows=None):
        """int16 [n] -> float32 [n_windows, n_rows, n_values]; `hop` in samples (the bundle's if None).

        Samples past the end count as zeros."""
        samples = numpy.ascontiguousarray(samples, dtype=numpy.int16)
        hop = hop or self.n_hop
        n_windows = n_windows or self.n_windows(len(samples), hop)
        result = numpy.empty((n_windows, self.n_rows, self.n_values), dtype=numpy.float32)
        if _library.lookout_sound_windows(self._handle, samples.ctypes.data, len(samples), hop,
                                          n_windows, result.ctypes.data) < 0:
            raise MemoryError
        return result

    def rows(self, samples):
        """int16 [n] -> float32 [1 + (n - frame) // step, n_values]; without `normalise`.

        Row i equals row i of the window that begins at the clip's start, and so on."""
        samples = numpy.ascontiguousarray(samples, dtype=numpy.int16)
        n_rows = _library.lookout_sound_clip_rows(self._handle, len(samples))
        result = numpy.empty((n_rows, self.n_values), dtype=numpy.float32)
        _library.lookout_sound_rows(self._handle, samples.ctypes.data, len(samples),
                                    result.ctypes.data)
        return result

    def window(self, samples):
        """int16 [up to n_window] -> float32 [n_rows, n_values]; zeros behind a short clip."""
        return self.windows(samples, n_windows=1)[0]


class Picture:
    """Area-average shrink; the keys of a bundle's [modality] section."""

    def __init__(self, width=32, height=32, colour="rgb", crop="none"):
        self._options = _PictureFeatures(width, height, _COLOURS[colour], _CROPS[crop], 0.0)
        self.shape = (height, width, 3 if colour == "rgb" else 1)
        self._handles = {}  # one plan for each frame size

    def __del__(self):
        for handle in getattr(self, "_handles", {}).values():
            _library.lookout_picture_free(handle)

    def _plan(self, height, width):
        if (height, width) not in self._handles:
            handle = ctypes.c_void_p()
            if _library.lookout_picture_new(self._options, width, height, handle) < 0:
                raise ValueError(f"no plan from {width}x{height} to {self.shape}")
            self._handles[(height, width)] = handle
        return self._handles[(height, width)]

    def shrink(self, rgb):
        """uint8 RGB [h, w, 3] or [n, h, w, 3] -> uint8 [height, width, 1 or 3] or [n, ...]."""
        rgb = numpy.ascontiguousarray(rgb, dtype=numpy.uint8)
        many = rgb if rgb.ndim == 4 else rgb[None]
        if many.ndim != 4 or many.shape[3] != 3:
            raise ValueError(f"expected [h, w, 3] or [n, h, w, 3], not {rgb.shape}")
        n, height, width, _ = many.shape
        result = numpy.empty((n, *self.shape), dtype=numpy.uint8)
        _library.lookout_picture_shrink(self._plan(height, width), many.ctypes.data, n, width,
                                        height, int(numpy.prod(self.shape)), result.ctypes.data)
        return result if rgb.ndim == 4 else result[0]


def quantise(values, scale, zero_point):
    """float32 -> int8: zero_point + round(value / scale), half away from zero, saturated."""
    values = numpy.ascontiguousarray(values, dtype=numpy.float32)
    result = numpy.empty(values.shape, dtype=numpy.int8)
    _library.lookout_quantise_values(values.ctypes.data, values.size, scale, zero_point,
                                     result.ctypes.data)
    return result


def quantise_pixels(pixels, scale, zero_point):
    """uint8 -> int8 of the real value pixel / 255."""
    pixels = numpy.ascontiguousarray(pixels, dtype=numpy.uint8)
    result = numpy.empty(pixels.shape, dtype=numpy.int8)
    _library.lookout_quantise_pixels(pixels.ctypes.data, pixels.size, scale, zero_point,
                                     result.ctypes.data)
    return result
