#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""lookout-model features, eval and check as a person uses them, mostly on tests/bundles/tiny."""
import json
import math
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest
import wave
import zlib

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")]
import tap

TOOL = os.path.join(os.environ.get("LOOKOUT_BUILD", "build"), "models", "lookout-model")
SOURCE = pathlib.Path(os.environ.get("LOOKOUT_SOURCE", ".")).resolve()
SHARED = pathlib.Path(os.environ.get("LOOKOUT_SHARED") or SOURCE / ".." / "shared")
TINY = SOURCE / "tests" / "bundles" / "tiny"
DARK, BRIGHT = (20, 20, 20), (240, 240, 240)
LOW_HZ, HIGH_HZ = 200, 6000


def write_wav(path, hz, seconds=0.3, rate=16000):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = [int(8000 * math.sin(2 * math.pi * hz * i / rate)) for i in range(int(seconds * rate))]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path, colour, width=8, height=8):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (b"\0" + bytes(colour) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
                     + chunk(b"IEND", b""))


def read_npy(path):
    """(dtype, shape, values) of a NumPy file, format 1.0."""
    data = path.read_bytes()
    assert data[:8] == b"\x93NUMPY\x01\x00", data[:8]
    length = struct.unpack("<H", data[8:10])[0]
    assert (10 + length) % 64 == 0 and data[9 + length:10 + length] == b"\n"
    header = eval(data[10:10 + length], {})  # as numpy does, on what we wrote ourselves
    assert header["fortran_order"] is False
    n = math.prod(header["shape"])
    values = struct.unpack(f"<{n}{'f' if header['descr'] == '<f4' else 'b'}", data[10 + length:])
    return header["descr"], header["shape"], values


class Tool(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        self.data = self.path / "data"

    def tearDown(self):
        self.folder.cleanup()

    def run_it(self, *arguments, status=0):
        """The output, errors included; the exit status must be `status`."""
        done = subprocess.run([TOOL, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              encoding="utf-8", timeout=60)
        self.assertEqual(done.returncode, status, done.stdout)
        return done.stdout

    def eval_json(self, *arguments):
        return json.loads(self.run_it("eval", TINY, self.data, "--json", *arguments))

    def make_data(self, split="test"):
        """Three clips and two pictures a label; one clip and one picture lie in the wrong folder."""
        for i, hz in enumerate((LOW_HZ, LOW_HZ, HIGH_HZ)):
            write_wav(self.data / "audio" / split / "dusk" / f"{i}.wav", hz)
            write_wav(self.data / "audio" / split / "noon" / f"{i}.wav", HIGH_HZ)
        for i, colour in enumerate((DARK, BRIGHT)):
            write_png(self.data / "images" / split / "dusk" / f"{i}.png", colour)
            write_png(self.data / "images" / split / "noon" / f"{i}.png", BRIGHT)


class Eval(Tool):
    def test_eval_counts_clips_once_pictures_once_and_pairs(self):
        self.make_data()
        result = self.eval_json()
        self.assertEqual(list(result), ["split", "n", "both", "sound", "picture", "per_label", "confusion"])
        self.assertEqual(result["split"], "test")
        self.assertEqual(result["n"], {"both": 6, "sound": 6, "picture": 4})
        self.assertAlmostEqual(result["sound"], 5 / 6, 5)
        self.assertAlmostEqual(result["picture"], 3 / 4, 5)
        self.assertAlmostEqual(result["per_label"]["dusk"]["sound"], 2 / 3, 5)
        self.assertEqual(result["per_label"]["noon"], {"both": 1.0, "sound": 1.0, "picture": 1.0})
        self.assertEqual(result["confusion"]["picture"]["dusk"], {"dusk": 0.5, "noon": 0.5})
        self.assertEqual(result["confusion"]["sound"]["noon"], {"noon": 1.0})

    def test_the_shorter_list_is_repeated_in_pairs(self):
        # a picture decides where the sound says nothing: clips of silence with pictures dark, bright, dark
        for i in range(3):
            write_wav(self.data / "audio" / "test" / "dusk" / f"{i}.wav", 0)
        write_png(self.data / "images" / "test" / "dusk" / "0.png", DARK)
        write_png(self.data / "images" / "test" / "dusk" / "1.png", BRIGHT)
        result = self.eval_json()
        self.assertEqual(result["n"], {"both": 3, "sound": 3, "picture": 2})
        self.assertAlmostEqual(result["both"], 2 / 3, 5)

    def test_files_are_taken_in_the_order_of_their_bytes(self):
        # "B" before "a": the first clip meets the bright picture, the second the dark one
        write_png(self.data / "images" / "test" / "dusk" / "a.png", DARK)
        write_png(self.data / "images" / "test" / "dusk" / "B.png", BRIGHT)
        write_wav(self.data / "audio" / "test" / "dusk" / "0.wav", 0)
        write_wav(self.data / "audio" / "test" / "dusk" / "1.wav", 0)
        write_wav(self.data / "audio" / "test" / "dusk" / "2.wav", 0)
        self.assertAlmostEqual(self.eval_json()["both"], 1 / 3, 5)  # bright, dark, bright

    def test_a_clip_is_scored_by_the_mean_over_its_windows(self):
        long = self.data / "audio" / "test" / "noon"
        write_wav(long / "0.wav", HIGH_HZ, seconds=1.0)
        data = (long / "0.wav").read_bytes()
        low = self.path / "low.wav"
        write_wav(low, LOW_HZ, seconds=1.0)
        half = 44 + 16000  # a quarter of low tone, three quarters of high
        (long / "0.wav").write_bytes(data[:44] + low.read_bytes()[44:44 + 8000] + data[44 + 8000:])
        self.assertEqual(self.eval_json()["sound"], 1.0)
        (long / "0.wav").write_bytes(data[:44] + low.read_bytes()[44:half + 8000] + data[half + 8000:])
        self.assertEqual(self.eval_json()["sound"], 0.0)

    def test_clips_of_another_rate_are_resampled_and_short_ones_padded(self):
        write_wav(self.data / "audio" / "test" / "dusk" / "0.wav", LOW_HZ, seconds=0.05, rate=8000)
        write_wav(self.data / "audio" / "test" / "noon" / "0.wav", HIGH_HZ, seconds=0.05, rate=44100)
        result = self.eval_json()
        self.assertEqual(result["sound"], 1.0)
        self.assertIsNone(result["picture"])
        self.assertIsNone(result["both"])

    def test_another_split_is_read_and_other_labels_are_left_out(self):
        self.make_data("train")
        write_wav(self.data / "audio" / "train" / "night" / "0.wav", LOW_HZ)
        (self.data / "audio" / "train" / "noon" / ".hidden").write_bytes(b"x")
        self.assertEqual(self.eval_json("--split", "train")["n"]["sound"], 6)

    def test_the_table_is_for_people(self):
        self.make_data()
        text = self.run_it("eval", TINY, self.data)
        self.assertIn("tiny 0.1 on", text)
        self.assertRegex(text, r"all +83.3 % of 6 +83.3 % of 6 +75.0 % of 4")
        self.assertIn("picture dusk for noon (50 %)", text)

    def test_a_broken_file_is_named(self):
        self.make_data()
        broken = self.data / "images" / "test" / "noon" / "1.png"
        broken.write_bytes(broken.read_bytes()[:40])
        self.assertIn(str(broken), self.run_it("eval", TINY, self.data, status=1))
        broken.unlink()
        broken = self.data / "audio" / "test" / "dusk" / "2.wav"
        broken.write_bytes(b"RIFF nonsense")
        self.assertIn(str(broken), self.run_it("eval", TINY, self.data, status=1))

    def test_a_dataset_without_files_is_an_error(self):
        self.data.mkdir()
        self.assertIn("no file in {audio,images}/test/LABEL", self.run_it("eval", TINY, self.data, status=1))
        self.assertIn("No such file", self.run_it("eval", TINY, self.path / "nowhere", status=1))

    def test_wrong_usage_shows_the_help(self):
        self.assertIn("Usage: lookout-model eval", self.run_it("eval", TINY, status=2))
        self.assertNotIn("Example:", self.run_it("eval", TINY, status=2))
        self.assertIn("See lookout-model bench --help", self.run_it("bench", status=2))
        self.assertIn("lookout-model bench: unrecognized option '--fast'", self.run_it("bench", "--fast", status=2))
        self.assertIn("--threads 17: not from 1 to 16", self.run_it("bench", "x", "--threads", "17", status=2))
        self.assertIn("Example:", self.run_it("eval", "--help"))


class Features(Tool):
    def features(self, file, *arguments):
        self.run_it("features", file, "--bundle", TINY, "--out", self.path / "out.npy", *arguments)
        return read_npy(self.path / "out.npy")

    def test_sound_gives_windows_of_rows_of_values(self):
        write_wav(self.path / "a.wav", HIGH_HZ, seconds=0.2)
        kind, shape, values = self.features(self.path / "a.wav")
        self.assertEqual((kind, shape), ("<f4", (3, 4, 6)))
        self.assertEqual(max(range(6), key=lambda band: values[band]), 5)
        self.assertAlmostEqual(min(values), math.log(1e-6), 3)

    def test_int8_is_what_the_encoder_takes(self):
        write_wav(self.path / "a.wav", 1000)
        _, shape, values = self.features(self.path / "a.wav")
        kind, shape_8, values_8 = self.features(self.path / "a.wav", "--int8")
        self.assertEqual((kind, shape_8), ("|i1", shape))
        for real, q in zip(values, values_8):  # scale 0.1, zero point 0
            self.assertLessEqual(abs(min(max(real / 0.1, -128), 127) - q), 0.51)

    def test_pictures_give_height_width_channels(self):
        write_png(self.path / "a.png", (255, 0, 51), width=12, height=8)
        kind, shape, values = self.features(self.path / "a.png")
        self.assertEqual((kind, shape), ("<f4", (1, 4, 4, 3)))
        for value, want in zip(values, (1.0, 0.0, 0.2) * 16):
            self.assertAlmostEqual(value, want, 6)
        self.assertEqual(self.features(self.path / "a.png", "--int8")[2], (127, -128, -77) * 16)

    def test_what_cannot_be_read_is_named(self):
        (self.path / "x.txt").write_text("hello")
        for file in (self.path / "x.txt", self.path / "nowhere.wav"):
            text = self.run_it("features", file, "--bundle", TINY, "--out", self.path / "o.npy", status=1)
            self.assertIn(str(file), text)
        self.assertIn("Usage", self.run_it("features", self.path / "x.txt", status=2))


class Check(Tool):
    def test_a_good_bundle_is_described(self):
        text = self.run_it("check", "--allow-unsigned", TINY)
        for part in ("tiny 0.1", "licence       MIT", "not signed", "logmel 4 x 6", "rgb 4x4",
                     "self-test passed (4 samples)", "labels        dusk, noon"):
            self.assertIn(part, text)

    def test_an_unsigned_bundle_is_refused_by_default(self):
        text = self.run_it("check", TINY, "--keys", self.path, status=1)
        self.assertIn("is not signed", text)

    def test_every_problem_of_the_manifest_is_told(self):
        bundle = self.path / "bundle"
        bundle.mkdir()
        (bundle / "bundle.ini").write_text("[bundle]\nformat = 9\nname = x\nversion = 1\n[nonsense]\n")
        (bundle / "SHA256SUMS").write_text("")
        text = self.run_it("check", "--allow-unsigned", bundle, status=1)
        for part in (":2: [bundle] format = 9: must be 1", ":5: [nonsense]: no such section",
                     ":1: [bundle]: the key `licence` is missing", "no [modality NAME] section"):
            self.assertIn(part, text)

    def test_a_bundle_signed_with_minisign_is_trusted(self):
        if subprocess.run(["sh", "-c", "command -v minisign"], stdout=subprocess.DEVNULL).returncode != 0:
            self.skipTest("minisign is not installed")
        bundle = self.path / "bundle"
        subprocess.run(["cp", "-r", str(TINY), str(bundle)], check=True)
        key = ["-s", str(self.path / "k.key")]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "check": True}
        subprocess.run(["minisign", "-G", "-W", "-p", str(self.path / "k.pub"), *key], **quiet)
        for kind in ([], ["-l"]):
            subprocess.run(["minisign", "-S", *kind, *key, "-m", str(bundle / "SHA256SUMS")], **quiet)
            self.assertIn("signed by a trusted key", self.run_it("check", bundle, "--keys", self.path))
        (bundle / "labels.txt").write_text("noon\ndusk\n")
        self.assertIn("is not what SHA256SUMS lists", self.run_it("check", bundle, "--keys", self.path, status=1))


class Published(Tool):
    """Models of the shared material as ordinary classifiers."""

    def assemble(self, name):
        done = subprocess.run([SOURCE / "tests" / "bundles" / "assemble", name, self.path / name],
                              env={**os.environ, "LOOKOUT_SHARED": str(SHARED)}, stderr=subprocess.DEVNULL)
        if done.returncode == 77:
            self.skipTest("needs the shared material")
        self.assertEqual(done.returncode, 0)
        return self.path / name

    def test_the_keyword_model_opens_as_a_bundle(self):
        text = self.run_it("check", "--allow-unsigned", self.assemble("keyword"))
        self.assertIn("mfcc 49 x 10 of 1000 ms", text)
        self.assertIn("self-test passed (8 samples)", text)

    def test_the_person_model_opens_as_a_bundle(self):
        text = self.run_it("check", "--allow-unsigned", self.assemble("person"))
        self.assertIn("grey 96x96", text)
        self.assertIn("self-test passed (8 samples)", text)

    def test_spoken_words_are_known_by_the_keyword_model(self):
        if subprocess.run(["sh", "-c", "command -v espeak-ng"], stdout=subprocess.DEVNULL).returncode != 0:
            self.skipTest("espeak-ng is not installed")
        bundle = self.assemble("keyword")
        for word in ("Go", "Left", "Off", "Right", "Up", "Yes"):
            path = self.data / "audio" / "test" / word / "0.wav"
            path.parent.mkdir(parents=True)
            subprocess.run(["espeak-ng", "-v", "en-us", "-s", "130", "-w", str(path), word], check=True)
        result = json.loads(self.run_it("eval", bundle, self.data, "--json"))
        self.assertGreaterEqual(result["sound"], 0.8)  # chance is 0.08; a wrong recipe gives that


if __name__ == "__main__":
    tap.main()
