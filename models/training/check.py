# SPDX-License-Identifier: MIT
"""Looks at all of a data set before an hour is spent on it. What would spoil the result is refused, the rest is told."""

import collections
import hashlib
import pathlib

import numpy as np
import soundfile
from PIL import Image

from . import data, features

LEAST_RECORDINGS, FEW_RECORDINGS = 8, 30  # of a label: fewer are refused; told
LEAST_MS = 50  # of a sound
MOST_TOLD = 20
MOST_LABELS, MOST_LABEL_BYTES = 64, 63  # of a bundle, docs/bundle.md


class Findings:
    def __init__(self):
        self.wrong, self.odd = [], []


def look_at_sound(path: str, modality, found: Findings):
    try:
        pcm, rate_hz = features.samples(path), soundfile.info(path).samplerate
    except (OSError, RuntimeError) as error:
        text = str(error)
        found.wrong.append(text if path in text else f"{path}: {text}")
        return
    if len(pcm) < LEAST_MS * features.RATE_HZ / 1000:
        found.wrong.append(f"{path}: {1000 * len(pcm) // features.RATE_HZ} ms of sound; at least {LEAST_MS} are needed")
    elif not np.any(pcm):
        found.wrong.append(f"{path}: nothing but digital silence")
    if rate_hz < 2 * float(modality.keys["high_hz"]):
        found.odd.append(f"{path}: sampled at {rate_hz} Hz, so nothing above {rate_hz // 2} Hz; the preset looks up to {modality.keys['high_hz']} Hz")


def look_at_picture(path: str, modality, found: Findings):
    try:
        with Image.open(path) as image:
            image.load()
            size = image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        text = str(error)
        found.wrong.append(text if path in text else f"{path}: {text}")
        return
    if size[0] < modality.size[1] or size[1] < modality.size[0]:
        found.odd.append(f"{path}: {size[0]}x{size[1]} pixels, smaller than the {modality.keys['size_px']} that the network sees")


LOOK = {"sound": look_at_sound, "picture": look_at_picture}


def check_labels(labels: list, found: Findings):
    if len(labels) > MOST_LABELS:
        found.wrong.append(f"{len(labels)} labels; a bundle has at most {MOST_LABELS}")
    if len(labels) < 2:
        found.wrong.append(f"the only label is {' '.join(labels)}; there must be two at least, for instance one for everything else")
    for label in labels:
        if label == "unknown" or "]" in label or not label.isprintable() or len(label.encode()) > MOST_LABEL_BYTES:
            found.wrong.append(f"label {label!r}: a bundle cannot have it; docs/bundle.md tells what labels may be")


def check_detectors(config, labels: list, found: Findings):
    for title in config.detector:
        label = title.partition(" ")[2]
        if label and label not in labels:
            found.wrong.append(f"the preset has [{title}], but there is no label {label}; take the section away, or add examples of it")


def check_groups(examples: dict, labels: list, kind: str, parts: int, found: Findings):
    """@examples  split -> examples."""
    # A file without a recording counts as one; such names may be alike by chance.
    groups = [{e.group for e in examples[split] if e.group != pathlib.Path(e.path).name} for split in ("train", "test")]
    for group in sorted(groups[0] & groups[1])[:MOST_TOLD]:
        found.wrong.append(f"recording {group}: in train and in test; whole recordings belong to one side")
    by_label = collections.defaultdict(set)
    for example in examples["train"]:
        by_label[example.label].add(example.group)
    for i, label in enumerate(labels):
        n = len(by_label[i])
        if n < LEAST_RECORDINGS:
            found.wrong.append(f"label {label}: {n} {kind} recordings to train on; {LEAST_RECORDINGS} are the least, hundreds are better")
        elif n < FEW_RECORDINGS:
            found.odd.append(f"label {label}: only {n} {kind} recordings to train on")
        one = (e for e in examples["train"] if e.label == i)
        if n >= LEAST_RECORDINGS and not any(data.held_out(e, parts) for e in one):
            found.odd.append(f"label {label}: none of its {kind} recordings is held out, so the head does not see it; more would help")


def check_copies(examples: dict, digests: dict, labels: list, found: Findings):
    """The same bytes on both sides, or under two labels."""
    train = {digests[e.path]: e for e in examples["train"] if e.path in digests}
    for example in examples["test"]:
        copy = train.get(digests.get(example.path))
        if copy:
            found.wrong.append(f"{example.path}: the same file as {copy.path}, which is trained on")
    for example in examples["train"]:
        copy = train.get(digests.get(example.path))
        if copy and copy.label != example.label:
            found.wrong.append(f"{example.path}: the same file is also under {labels[copy.label]}")


def everything_other(root: pathlib.Path, modality, n_labels: int) -> list:
    return [example for heard in (True, False) for example in data.others(root, modality.keys, n_labels, heard)]


def check_other_held(root: pathlib.Path, modality, found: Findings):
    for label in modality.keys.get("other_held", "").split():
        if not (root / modality.keys.get("other", "") / label).is_dir():
            found.wrong.append(f"other_held: there is no {label} in {root / modality.keys.get('other', '')}")


def check(root: pathlib.Path, config, parts: dict) -> Findings:
    """@parts  kind -> one in so many is held out."""
    found = Findings()
    labels = data.labels_of(root, [m.kind for m in config.modalities])
    check_labels(labels, found)
    check_detectors(config, labels, found)
    for modality in config.modalities:
        kind = modality.kind
        examples = {"train": data.examples(root, kind, "train", labels), "test": []}
        if (root / data.FOLDERS[kind] / "test").is_dir():
            examples["test"] = data.examples(root, kind, "test", labels)
        digests = {}
        for example in [*examples["train"], *examples["test"], *everything_other(root, modality, len(labels))]:
            try:
                digests[example.path] = hashlib.sha256(pathlib.Path(example.path).read_bytes()).digest()
            except OSError as error:
                found.wrong.append(f"{example.path}: {error.strerror}")
                continue
            LOOK[kind](example.path, modality, found)
        check_other_held(root, modality, found)
        check_groups(examples, labels, kind, parts[kind], found)
        check_copies(examples, digests, labels, found)
    return found


def listed(sentences: list) -> str:
    more = f"\n  and {len(sentences) - MOST_TOLD} more" if len(sentences) > MOST_TOLD else ""
    return "".join(f"\n  {sentence}" for sentence in sentences[:MOST_TOLD]) + more


def run(root: pathlib.Path, config, parts: dict, say):
    """DataError with all that is wrong; what is only odd is said."""
    found = check(root, config, parts)
    if found.odd:
        say(f"{root}: worth a look:{listed(found.odd)}")
    if found.wrong:
        raise data.DataError(f"{root}: {len(found.wrong)} things are wrong with this data:{listed(found.wrong)}")
