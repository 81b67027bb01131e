# SPDX-License-Identifier: MIT
"""A data set of two labels, or three, that anything can learn, and a preset for it. For tests that run in the venv."""
import wave

import numpy as np
from PIL import Image

PRESET = '''
[bundle]
name = tiny
version = 1
licence = MIT
[modality sound]
kind = sound
rate_hz = 16000
window_ms = 500
hop_ms = 250
features = logmel
frame_ms = 32
step_ms = 10
bands = 16
low_hz = 80
high_hz = 7000
floor = 1e-6
stem = 4/2
blocks = 8/2 8
embedding = 16
steps = 40
[modality picture]
kind = picture
size_px = 16x16
colour = rgb
crop = centre-square
stem = 4/2
blocks = 8/2 8
steps = 40
[quantisation]
budget_bytes = 10500
[training]
refit = no
[head]
unknown = 0.3
[detector]
on = 0.6
off = 0.4
'''


def write_sound(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), 'wb') as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.astype('<i2').tobytes())


def made_others(root):
    """Sounds of two more labels, which are not asked for."""
    rng = np.random.default_rng(2)
    for i in range(4):
        write_sound(root / 'audio-other' / 'hiss' / f'{i}.wav', rng.normal(0, 3000, 16000))
        write_sound(root / 'audio-other' / 'tick' / f'{i}.wav', (np.arange(16000) % 4000 < 80) * 9000.0)


LABELS = (('high', 2000, (200, 40, 40)), ('low', 300, (40, 40, 200)), ('middle', 800, (40, 200, 40)))


def made_data(root, n_labels=2):
    """Labels, told apart by pitch and by colour."""
    rng = np.random.default_rng(1)
    for split, n in (('train', 24), ('test', 4)):
        for label, pitch_hz, colour in LABELS[:n_labels]:
            sounds, pictures = root / 'audio' / split / label, root / 'images' / split / label
            sounds.mkdir(parents=True)
            pictures.mkdir(parents=True)
            for i in range(n):
                wave_of = np.sin(np.arange(16000) * 2 * np.pi * pitch_hz / 16000) * 8000 + rng.normal(0, 300, 16000)
                write_sound(sounds / f'{i}.wav', wave_of)
                noisy = np.clip(np.array(colour) + rng.normal(0, 20, (24, 32, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(noisy).save(pictures / f'{i}.png')
