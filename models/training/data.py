# SPDX-License-Identifier: MIT
"""The examples of a data set laid out as SET/{audio,images}/{train,test}/LABEL/FILE, and how they are split."""

import csv
import dataclasses
import hashlib
import os
import pathlib

import numpy as np
from PIL import Image

from . import features

FOLDERS = {"sound": "audio", "picture": "images"}


class DataError(Exception):
    """A sentence for the person who brought the data."""


@dataclasses.dataclass(frozen=True)
class Example:
    path: str
    label: int
    group: str  # examples of one group are never on both sides of a split


def name_of(example: Example) -> str:
    """LABEL/FILE."""
    return "/".join(example.path.rsplit("/", 2)[1:])


def by_bytes(names):
    return sorted(names, key=os.fsencode)


def labels_of(root: pathlib.Path, kinds) -> list:
    """Labels that every kind of @kinds has training examples of."""
    found = []
    for kind in kinds:
        folder = root / FOLDERS[kind] / "train"
        if not folder.is_dir():
            raise DataError(f"{folder}: not there; a data set is laid out as SET/{FOLDERS[kind]}/train/LABEL/FILE")
        found.append({entry.name for entry in folder.iterdir() if entry.is_dir()})
    for kind, names in zip(kinds, found):
        missing = set.union(*found) - names
        if missing:
            raise DataError(f"{root / FOLDERS[kind] / 'train'}: no examples of {', '.join(by_bytes(missing))}")
    return by_bytes(found[0])


def recordings(root: pathlib.Path, kind: str) -> dict:
    """File name -> source recording, from audio.csv or images.csv where there is one."""
    table = root / f"{FOLDERS[kind]}.csv"
    if not table.is_file():
        return {}
    try:
        with open(table, encoding="utf-8", newline="") as file:
            return {row["file"]: row["source_recording"] for row in csv.DictReader(file)}
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: not a table with the columns file and source_recording ({error})") from error


def examples(root: pathlib.Path, kind: str, split: str, labels: list) -> list:
    source = recordings(root, kind)
    found = []
    for index, label in enumerate(labels):
        folder = root / FOLDERS[kind] / split / label
        names = by_bytes(os.listdir(folder)) if folder.is_dir() else []
        if not names:
            raise DataError(f"{folder}: no examples")
        found += [Example(str(folder / name), index, source.get(name, name)) for name in names]
    return found


def others(root: pathlib.Path, keys: dict, first: int, heard: bool = True) -> list:
    """
    Examples of labels that are not asked for, in SET/FOLDER/LABEL (`other` of @keys): encoders learn from telling them apart, too.
    @heard  False: of the labels that `other_held` names, which nothing is trained on, instead.
    """
    folder, held = keys.get("other"), keys.get("other_held", "").split()
    if not folder or not (root / folder).is_dir():
        return []
    found = []
    chosen = [label for label in by_bytes(os.listdir(root / folder)) if (label in held) != heard]
    for index, label in enumerate(chosen):
        inside = root / folder / label
        found += [Example(str(inside / name), first + index, name) for name in by_bytes(os.listdir(inside))]
    return found


def nothing(root: pathlib.Path, kind: str) -> list:
    """Examples in SET/{audio,images}/none that show or say nothing that was asked for: label -1."""
    folder = root / FOLDERS[kind] / "none"
    return [Example(str(folder / name), -1, name) for name in by_bytes(os.listdir(folder))] if folder.is_dir() else []


def share_of(example: Example) -> float:
    """0 to 1, the same in every run: to take a part of the examples."""
    return int.from_bytes(hashlib.sha256(example.path.rsplit("/", 1)[-1].encode()).digest()[4:8], "big") / 2**32


def share_of_each(examples: list, share: float) -> list:
    """A share of each label's examples, at least one; what a smaller share has, a larger one has too."""
    by_label = {}
    for example in examples:
        by_label.setdefault(example.label, []).append(example)
    chosen = {e.path for mine in by_label.values() for e in sorted(mine, key=share_of)[: max(1, round(share * len(mine)))]}
    return [e for e in examples if e.path in chosen]


def held_out(example: Example, parts: int) -> bool:
    """One part in @parts, by a hash of the group: the same in every run, never both sides of a recording."""
    return parts > 0 and hashlib.sha256(example.group.encode()).digest()[0] % parts == 0


def pictures(found: list, modality) -> np.ndarray:
    """[n, channels, rows, columns] uint8, as the front end makes them."""
    rows, columns = modality.size
    out = np.empty((len(found), rows, columns, modality.channels), np.uint8)
    for i, example in enumerate(found):
        try:
            with Image.open(example.path) as image:
                pixels = np.asarray(image.convert("RGB"))
        except OSError as error:
            raise DataError(f"{example.path}: {error}") from error
        out[i] = features.shrink(pixels, (rows, columns), modality.channels, modality.keys.get("crop", "none"))
    return np.ascontiguousarray(out.transpose(0, 3, 1, 2))
