# SPDX-License-Identifier: MIT
"""Labelled recordings (SET/RECORDING/pairs.csv) to a data set of examples that belong together.

Each labelled stretch is cut into pieces as long as the longest window; a piece gives one sound and one picture, the frame
nearest to its end. Both have the same name, so that whoever pairs examples by the order of their names pairs what was
recorded together. Splits go by recording.
"""

import csv
import hashlib
import itertools
import pathlib
import shutil
import wave

from . import data, label

MARKER, SOI, EOI, SOS, COM = 0xFF, 0xD8, 0xD9, 0xDA, 0xFE
TIME_COMMENT = b"lookout-time-ns="
TEST_PARTS = 5  # one recording in so many is for test, if nobody says
BYTES = 2  # a sample
DRIFT_MS = 250  # a sound may have ended so much before the clock says
LASTS_MS = 1000  # what the last picture shows; as long as the others, if they come more seldom
SUFFIXES = {"sound": "wav", "picture": "jpg"}


def found_in(root: pathlib.Path) -> list:
    """Tables of the recordings below @root."""
    return sorted(root.glob("*/pairs.csv"))


def frames(content: bytes, path) -> list:
    """(time in ns or None, JPEG) of each picture of a Motion JPEG file; ITU-T T.81, annex B.1.1. What is cut off at the end is left out."""
    found, start = [], 0
    while start + 4 <= len(content):
        if content[start : start + 2] != bytes([MARKER, SOI]):
            raise data.DataError(f"{path}: no JPEG begins at byte {start}")
        at, time_ns = start + 2, None
        while at + 4 <= len(content):
            if content[at] != MARKER:
                raise data.DataError(f"{path}: the picture at byte {start} is damaged")
            code = content[at + 1]
            if code == EOI:
                break
            if code == MARKER or code == 1 or 0xD0 <= code <= 0xD7:
                at += 1 if code == MARKER else 2
                continue
            length = int.from_bytes(content[at + 2 : at + 4], "big")
            text = content[at + 4 : at + 2 + length].rstrip(b"\0")
            if code == COM and text.startswith(TIME_COMMENT) and text[len(TIME_COMMENT) :].isdigit():
                time_ns = int(text[len(TIME_COMMENT) :])
            at += 2 + length
            if code == SOS:
                at = after_coded(content, at)
        if at + 2 > len(content) or content[at + 1] != EOI:
            break
        found.append((time_ns, content[start : at + 2]))
        start = at + 2
    return found


def after_coded(content: bytes, at: int) -> int:
    """The marker that ends the coded bytes."""
    while True:
        at = content.find(bytes([MARKER]), at)
        if at < 0 or at + 1 >= len(content):
            return len(content)
        if content[at + 1] != 0 and not 0xD0 <= content[at + 1] <= 0xD7:
            return at
        at += 2


class Sound:
    def __init__(self, path: pathlib.Path):
        try:
            with wave.open(str(path)) as file:
                self.rate_hz, self.samples = file.getframerate(), file.readframes(file.getnframes())
                if file.getnchannels() != 1 or file.getsampwidth() != BYTES or not self.rate_hz:
                    raise wave.Error("not mono with 16 bits, as lookoutctl records")
                self.end_ms = 1000 * len(self.samples) // (BYTES * self.rate_hz)
        except (OSError, EOFError, wave.Error) as error:
            raise data.DataError(f"{path}: {error}") from error

    def write(self, path: pathlib.Path, start_ms: int, n_ms: int):
        first, last = (BYTES * (ms * self.rate_hz // 1000) for ms in (start_ms, start_ms + n_ms))
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(BYTES)
            file.setframerate(self.rate_hz)
            file.writeframes(self.samples[first:last])


class Pictures:
    def __init__(self, path: pathlib.Path):
        try:
            self.frames = frames(path.read_bytes(), path)
        except OSError as error:
            raise data.DataError(f"{path}: {error.strerror}") from error
        if not self.frames or any(time is None for time, _ in self.frames):
            raise data.DataError(f"{path}: no pictures with times of capture, as lookoutctl records them")
        last_ms = (self.frames[-1][0] - self.frames[0][0]) // 1_000_000
        self.end_ms = last_ms + max(LASTS_MS, last_ms // max(len(self.frames) - 1, 1))

    def write(self, path: pathlib.Path, at_ms: int):
        at_ns = self.frames[0][0] + at_ms * 1_000_000
        path.write_bytes(min(self.frames, key=lambda frame: abs(frame[0] - at_ns))[1])


def split_of(table: pathlib.Path, rows: list) -> str:
    said = {row["split"] for row in rows} - {""}
    if len(said) > 1:
        raise data.DataError(f"{table}: in train and in test; a whole recording belongs to one side")
    data.check_name(table.parent.parent, table.parent.name)
    by_name = hashlib.sha256(table.parent.name.encode()).digest()[0] % TEST_PARTS == 0
    return said.pop() if said else ("test" if by_name else "train")


def cut(root: pathlib.Path, out: pathlib.Path, piece_ms: int, kinds: set) -> int:
    """
    Examples of all recordings below @root into @out, laid out as a data set. Returns the number of pieces.
    @kinds  what every piece must have: sound, picture.
    """
    part, names = out.with_name(out.name + ".part"), {}
    shutil.rmtree(part, ignore_errors=True)
    for table in found_in(root):
        try:
            rows = [row for row in label.read(table) if row["label"]]
        except label.LabelError as error:
            raise data.DataError(str(error)) from error
        split, opened = split_of(table, rows), {}
        check_overlaps(table, rows, piece_ms)
        for row in rows:
            where = f"{table}:{row['line']}"
            missing = [kind for kind in sorted(kinds) if not row[kind]]
            if missing:
                raise data.DataError(f"{where}: {row['label']} has no {missing[0]} with it")
            for kind, reader in (("sound", Sound), ("picture", Pictures)):
                if kind in kinds and row[kind] not in opened:
                    opened[row[kind]] = reader(table.parent / row[kind])
            check_times(where, row, opened, piece_ms, kinds)
            for start in range(0, max(row["duration_ms"] - piece_ms, 0) + 1, piece_ms):
                name = name_of(table, row, start)
                if name in names:
                    at_s = (label.clock(row) + start) / 1000
                    raise data.DataError(f"{where}: {row['label']} at {at_s:.3f} s is in line {names[name][1]}, too; take one away")
                write_piece(part, split, row, name, opened, start, piece_ms, kinds)
                names[name] = table.parent.name, row["line"]
    if not names:
        raise data.DataError(f"{root}: no labelled recordings; `./dev label RECORDING` marks them")
    for kind in kinds:
        suffix = SUFFIXES[kind]
        with open(part / f"{data.FOLDERS[kind]}.csv", "w", encoding="utf-8", newline="") as file:
            written = csv.writer(file, lineterminator="\n")
            written.writerow(("file", "source_recording"))
            written.writerows((f"{name}.{suffix}", recording) for name, (recording, _) in names.items())
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
    return len(names)


def name_of(table: pathlib.Path, row: dict, start: int) -> str:
    """RECORDING-SOUND-PICTURE-TIME: of several microphones or cameras, each has its own."""
    files = [str(pathlib.Path(row[kind]).with_suffix("")).replace("/", "-") for kind in ("sound", "picture") if row[kind]]
    return "-".join([table.parent.name, *files, f"{label.clock(row) + start:09d}"])


def check_times(where: str, row: dict, opened: dict, piece_ms: int, kinds: set):
    """A stretch is in its files: every piece of it has half of its sound at least."""
    n_ms = row["duration_ms"]
    if not n_ms:
        raise data.DataError(f"{where}: {row['label']} lasts 0 ms")
    drift_ms = min(DRIFT_MS, piece_ms // 2, n_ms // 2)
    for kind in kinds:
        end_ms = row[f"{kind}_start_ms"] + n_ms
        if end_ms > opened[row[kind]].end_ms + drift_ms:
            there_ms = opened[row[kind]].end_ms
            raise data.DataError(f"{where}: {row['label']} ends at {end_ms / 1000:.3f} s of {row[kind]}, which ends at {there_ms / 1000:.3f} s")


def check_overlaps(table: pathlib.Path, rows: list, piece_ms: int):
    """Two labels for one time: an example has one. What overlaps by less than half a piece was not marked exactly."""
    for one, other in itertools.combinations(rows, 2):
        if (one["sound"], one["picture"]) != (other["sound"], other["picture"]) or one["label"] == other["label"]:
            continue
        first, last = max(label.clock(one), label.clock(other)), min(label.clock(row) + row["duration_ms"] for row in (one, other))
        if last - first > piece_ms / 2:
            both = f"{other['label']} here and {one['label']} in line {one['line']}; an example has one label"
            raise data.DataError(f"{table}:{other['line']}: {first / 1000:.3f} to {last / 1000:.3f} s is {both}")


def write_piece(part, split: str, row: dict, name: str, opened: dict, start: int, piece_ms: int, kinds: set):
    n_ms = min(piece_ms, row["duration_ms"] - start)
    for kind in kinds:
        folder = part / data.FOLDERS[kind] / split / row["label"]
        folder.mkdir(parents=True, exist_ok=True)
        path, at = folder / f"{name}.{SUFFIXES[kind]}", row[f"{kind}_start_ms"] + start
        if kind == "sound":
            opened[row[kind]].write(path, at, n_ms)
        else:
            opened[row[kind]].write(path, at + n_ms)
