# SPDX-License-Identifier: MIT
"""Looks at all of a data set before an hour is spent on it. What would spoil the result is refused, the rest is told."""

import collections
import hashlib
import pathlib
import re

import numpy as np
import soundfile
from PIL import Image

from . import data, features

LEAST_RECORDINGS, FEW_RECORDINGS = 8, 30  # of a label: fewer are refused; told
LEAST_MS = 50  # of a sound
EDGE = 10 * features.RATE_HZ // 1000  # samples that the resampler's filter changes at both ends
LOST = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)  # what libsndfile logs of a WAV file
STREAMED_BYTES = 0x7FFF0000  # so much, or more, says who did not know how much would come
MOST_TOLD, FEW_NAMES = 20, 3
MOST_LABELS, MOST_LABEL_BYTES = 64, 63  # of a bundle, docs/bundle.md


class Findings:
    def __init__(self):
        self.wrong, self.odd = [], []


def look_at_sound(path: str, modality, found: Findings):
    try:
        pcm, info = features.samples(path), soundfile.info(path)
        rate_hz, floats = info.samplerate, info.subtype in ("FLOAT", "DOUBLE")
        used = soundfile.read(path, features.MOST_S * rate_hz, dtype="float32")[0] if floats else pcm
    except (OSError, RuntimeError) as error:
        text = str(error)
        found.wrong.append(text if path in text else f"{path}: {text}")
        return
    if len(pcm) < LEAST_MS * features.RATE_HZ / 1000:
        found.wrong.append(f"{path}: {1000 * len(pcm) // features.RATE_HZ} ms of sound; at least {LEAST_MS} are needed")
    elif not np.any(pcm):
        found.wrong.append(f"{path}: nothing but digital silence")
    elif not np.ptp(pcm[EDGE:-EDGE]):
        found.wrong.append(f"{path}: all samples have the same value")
    if not np.isfinite(used).all():
        found.wrong.append(f"{path}: has samples that are infinite or no numbers")
    look_at_length(path, info, found)
    if rate_hz < 2 * float(modality.keys["high_hz"]):
        found.odd.append(f"{path}: sampled at {rate_hz} Hz, so nothing above {rate_hz // 2} Hz; the preset looks up to {modality.keys['high_hz']} Hz")


def look_at_length(path: str, info, found: Findings):
    """What is not heard of a sound. @info  of soundfile."""
    if info.duration > features.MOST_S:
        found.odd.append(f"{path}: {info.duration:.1f} s of sound, of which only the first {features.MOST_S} are used; cut it into pieces")
    lost = LOST.search(info.extra_info)
    if lost and int(lost[1]) < STREAMED_BYTES:
        found.odd.append(f"{path}: cut off; {int(lost[2]):,} of {int(lost[1]):,} bytes of sound are there, {info.duration:.2f} s")


def look_at_picture(path: str, modality, found: Findings):
    try:
        with Image.open(path) as image:
            size, deep = image.size, ";16" in str(image.tile) or image.mode in ("I", "F")
            blank = all(low == high for low, high in image.convert("RGB").getextrema())
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        text = str(error)
        found.wrong.append(text if path in text else f"{path}: {text}")
        return
    if deep:
        found.wrong.append(f"{path}: more than 8 bits a channel; save it with 8")
    if max(size) > features.MOST_SIDE_PX:
        found.wrong.append(f"{path}: {size[0]}x{size[1]} pixels; a side has at most {features.MOST_SIDE_PX}")
    if blank:
        found.odd.append(f"{path}: all of one colour")
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


def check_only_tested(root: pathlib.Path, kind: str, labels: list, found: Findings):
    folder = root / data.FOLDERS[kind] / "test"
    for label in data.names_in(folder):
        if label not in labels and (folder / label).is_dir():
            found.odd.append(f"{folder / label}: left out, for train has no label {label}")


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


def check_table(root: pathlib.Path, kind: str, examples: list, others: list, found: Findings):
    """Of audio.csv or images.csv, if there is one: rows and files that do not find each other."""
    table, source = root / f"{data.FOLDERS[kind]}.csv", data.recordings(root, kind)
    if not table.is_file():
        return
    used = {data.row_of(e.path, source) for e in [*examples, *others]}
    without = [data.name_of(e) for e in examples if not data.row_of(e.path, source)]
    unused = [file for file in source if file not in used]
    if len(without) == len(examples):
        form = f"a name with its suffix, or a path as {data.FOLDERS[kind]}/train/LABEL/FILE"
        found.wrong.append(f"{table}: no row has a file of this set and its recording; file is {form}")
        return
    if unused:
        found.odd.append(f"{table}: {len(unused)} rows name no file of this set: {few(unused)}")
    if without:
        found.odd.append(f"{table}: {len(without)} files have no recording there and count as one each: {few(without)}")


def few(names: list) -> str:
    return ", ".join(names[:FEW_NAMES]) + (" ..." if len(names) > FEW_NAMES else "")


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
            check_only_tested(root, kind, labels, found)
        digests, others = {}, everything_other(root, modality, len(labels))
        for example in [*examples["train"], *examples["test"], *others]:
            try:
                digests[example.path] = hashlib.sha256(pathlib.Path(example.path).read_bytes()).digest()
            except OSError as error:
                found.wrong.append(f"{example.path}: {error.strerror}")
                continue
            LOOK[kind](example.path, modality, found)
        check_other_held(root, modality, found)
        check_table(root, kind, [*examples["train"], *examples["test"]], others, found)
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
