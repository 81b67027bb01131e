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
MOST_PARTS = 4  # of the path of a file in a table: audio/train/LABEL/FILE


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


def names_in(folder: pathlib.Path) -> list:
    """What is in @folder, by bytes."""
    names = by_bytes(os.listdir(folder))
    for name in names:
        check_name(folder, name)
    return names


def check_name(folder: pathlib.Path, name: str):
    """DataError if it is not UTF-8: no table and no message could hold it."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{folder}: the name {os.fsencode(name)} is not UTF-8; rename it") from error


def labels_of(root: pathlib.Path, kinds) -> list:
    """Labels that every kind of @kinds has training examples of."""
    found = []
    for kind in kinds:
        folder = root / FOLDERS[kind] / "train"
        if not folder.is_dir():
            raise DataError(f"{folder}: not there; a data set is laid out as SET/{FOLDERS[kind]}/train/LABEL/FILE")
        found.append({name for name in names_in(folder) if (folder / name).is_dir()})
    for kind, names in zip(kinds, found):
        missing = set.union(*found) - names
        if missing:
            raise DataError(f"{root / FOLDERS[kind] / 'train'}: no examples of {', '.join(by_bytes(missing))}")
    return by_bytes(found[0])


def recordings(root: pathlib.Path, kind: str) -> dict:
    """
    File -> source recording, from audio.csv or images.csv where there is one. A file is there as the table has it: by its name,
    or by its path, of which the last parts are kept, at most audio/train/LABEL/FILE. Rows without a recording are left out.
    """
    table, found = root / f"{FOLDERS[kind]}.csv", {}
    if not table.is_file():
        return found
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, restval="")
            for row in rows:
                path, source = pathlib.PurePosixPath(row["file"].strip().replace("\\", "/")), row["source_recording"].strip()
                key = "/".join(path.parts[-MOST_PARTS:])
                if source and found.setdefault(key, source) != source:
                    advice = f"a path, as {FOLDERS[kind]}/train/LABEL/FILE, tells files apart"
                    raise DataError(f"{table}:{rows.line_num}: {key} is of recording {source} here, of {found[key]} before; {advice}")
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: not a table with the columns file and source_recording, in UTF-8 and with commas ({error})") from error
    return found


def row_of(path: str, source: dict) -> str | None:
    """The file of @source, from recordings(), that @path is; the longest one."""
    parts = path.split("/")
    tails = ("/".join(parts[-n:]) for n in range(MOST_PARTS, 0, -1))
    return next((tail for tail in tails if tail in source), None)


def examples(root: pathlib.Path, kind: str, split: str, labels: list) -> list:
    source = recordings(root, kind)
    found = []
    for index, label in enumerate(labels):
        folder = root / FOLDERS[kind] / split / label
        names = names_in(folder) if folder.is_dir() else []
        if not names:
            raise DataError(f"{folder}: no examples")
        found += [Example(str(folder / name), index, source.get(row_of(str(folder / name), source), name)) for name in names]
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
    chosen = [label for label in names_in(root / folder) if (label in held) != heard]
    for index, label in enumerate(chosen):
        inside = root / folder / label
        found += [Example(str(inside / name), first + index, name) for name in names_in(inside)]
    return found


def nothing(root: pathlib.Path, kind: str) -> list:
    """Examples in SET/{audio,images}/none that show or say nothing that was asked for: label -1."""
    folder = root / FOLDERS[kind] / "none"
    return [Example(str(folder / name), -1, name) for name in names_in(folder)] if folder.is_dir() else []


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
            out[i] = features.shrink(pixels, (rows, columns), modality.channels, modality.keys.get("crop", "none"))
        except (OSError, ValueError) as error:
            raise DataError(f"{example.path}: {error}") from error
    return np.ascontiguousarray(out.transpose(0, 3, 1, 2))
