# SPDX-License-Identifier: MIT
"""Make more examples for `digits`: voices of espeak-ng and drawn digits, and things that are no digits.

usage: made_digits.py OUT

They let the networks follow the demonstration's scene, which speaks with espeak-ng and draws. The scene's own voices
(VOICES of demo/make-scene) and drawings are not among them; a test holds the two lists apart.
"""

import itertools
import pathlib
import random
import subprocess
import sys
import tempfile
import wave

import strokes

WORDS = "zero one two three four five six seven eight nine".split()
OTHER_WORDS = (
    "hello yes no please thank you door window water table morning evening garden letter music paper yellow green purple "
    "stop go left right up down open close camera daemon module kernel Monday August winter apple people under over"
).split()
VOICES = [
    f"{language}+{variant}"
    for language in ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029")
    for variant in ("m1", "m2", "m5", "m6", "m7", "f1", "f2", "f4", "f5")
]
MANNERS = [(120, 40), (150, 60), (185, 50)]  # words a minute, pitch
DRAWN = 250  # of each digit
SCRIBBLES = 800
SIZE_PX = 28
LOUD = 12000.0  # peak of a spoken word, steps of int16


def speak(text: str, voice: str, speed: int, pitch: int, path: pathlib.Path):
    """16-bit WAV of a word, silence cut off at both ends."""
    import numpy as np

    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(
            ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "-w", file.name, text], check=True
        )
        with wave.open(file.name) as sound:
            rate_hz = sound.getframerate()
            samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(float)
    loud = np.nonzero(np.abs(samples) > 0.02 * np.abs(samples).max())[0]
    samples = samples[loud[0] : loud[-1] + 1] * (LOUD / np.abs(samples).max())
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(samples.astype("<i2").tobytes())


def main(out: pathlib.Path):
    rng = random.Random(1)
    for value, word in enumerate(WORDS):
        spoken, drawn = out / "audio" / "train" / str(value), out / "images" / "train" / str(value)
        spoken.mkdir(parents=True)
        drawn.mkdir(parents=True)
        for voice, (speed, pitch) in itertools.product(VOICES, MANNERS):
            speak(
                word, voice, speed + rng.randint(-10, 10), pitch + rng.randint(-10, 10), spoken / f"{voice}_{speed}.wav"
            )
        for i in range(DRAWN):
            strokes.digit(value, rng, SIZE_PX).save(drawn / f"drawn_{i:04}.png")
    spoken, drawn = out / "audio" / "none", out / "images" / "none"
    spoken.mkdir()
    drawn.mkdir()
    for word in OTHER_WORDS:
        for voice in rng.sample(VOICES, 6):
            speak(word, voice, rng.randint(120, 190), rng.randint(30, 70), spoken / f"{word}_{voice}.wav")
    for i in range(SCRIBBLES):
        strokes.scribble(rng, SIZE_PX).save(drawn / f"scribble_{i:04}.png")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
