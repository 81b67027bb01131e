#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""models/training/frontend.py sees what lookout-model features writes, bit for bit. Needs numpy, else skipped."""
import math
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest
import wave

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("LOOKOUT_BUILD", "build")
SOURCE = pathlib.Path(os.environ.get("LOOKOUT_SOURCE", ".")).resolve()
sys.path[:0] = [os.path.join(HERE, ".."), str(SOURCE / "models" / "training")]
sys.dont_write_bytecode = True
os.environ["LOOKOUT_FEATURES"] = os.path.join(BUILD, "pipeline", "liblookout-features.so")
import tap

try:
    import numpy
except ImportError:
    numpy = None
else:
    import frontend

TINY = SOURCE / "tests" / "bundles" / "tiny"
TINY_SOUND = dict(kind="logmel", window_ms=100, hop_ms=50, frame_ms=25, step_ms=25, bands=6, low_hz=100,
                  high_hz=8000, floor=1e-6)


@unittest.skipUnless(numpy, "needs numpy")
class Frontend(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def write_wav(self, rate=16000, seconds=0.5):
        path = self.path / "a.wav"
        samples = [int(9000 * math.sin(i * i / 40000)) for i in range(int(rate * seconds))]
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
        return path

    def features(self, path, *arguments):
        out = self.path / "out.npy"
        subprocess.run([os.path.join(BUILD, "models", "lookout-model"), "features", path, "--bundle", TINY,
                        "--out", out, *arguments], check=True)
        return numpy.load(out)

    def test_sound_equals_what_the_tool_writes(self):
        for rate in (16000, 8000, 48000):
            path = self.write_wav(rate)
            sound = frontend.Sound(**TINY_SOUND)
            windows = sound.windows(frontend.read_sound(path))
            numpy.testing.assert_array_equal(windows, self.features(path))
            numpy.testing.assert_array_equal(frontend.quantise(windows, 0.1, 0), self.features(path, "--int8"))

    def test_rows_of_a_clip_are_the_rows_of_its_windows(self):
        sound = frontend.Sound(**TINY_SOUND)
        samples = frontend.read_sound(self.write_wav())
        rows, windows = sound.rows(samples), sound.windows(samples)
        for i, window in enumerate(windows):
            numpy.testing.assert_array_equal(rows[2 * i:2 * i + 4], window)  # the hop is two steps

    def test_a_short_clip_is_one_window_with_zeros_behind(self):
        sound = frontend.Sound(**TINY_SOUND)
        short = numpy.full(1000, 500, numpy.int16)
        padded = numpy.concatenate([short, numpy.zeros(600, numpy.int16)])
        numpy.testing.assert_array_equal(sound.windows(short), sound.windows(padded))
        self.assertEqual(sound.windows(short).shape, (1, 4, 6))

    def test_pictures_are_averaged_over_areas(self):
        rgb = numpy.arange(8 * 12 * 3, dtype=numpy.uint8).reshape(8, 12, 3)
        small = frontend.Picture(4, 4, "rgb", "centre-square").shrink(rgb)
        want = numpy.floor(rgb[:, 2:10].reshape(4, 2, 4, 2, 3).mean((1, 3)) + 0.5)
        numpy.testing.assert_array_equal(small, want)
        many = frontend.Picture(4, 4, "grey").shrink(numpy.stack([rgb, rgb]))
        self.assertEqual(many.shape, (2, 4, 4, 1))

    def test_wrong_options_are_told(self):
        with self.assertRaisesRegex(ValueError, "bands = 0: must be 1 to 128"):
            frontend.Sound(**{**TINY_SOUND, "bands": 0})
        with self.assertRaisesRegex(OSError, "nowhere.wav"):
            frontend.read_sound(self.path / "nowhere.wav")
        with self.assertRaises(ValueError):
            frontend.Picture(0, 4).shrink(numpy.zeros((4, 4, 3)))


if __name__ == "__main__":
    tap.main()
