# SPDX-License-Identifier: MIT
"""Labelled recordings (SET/RECORDING/pairs.csv) to a data set of examples that belong together.

Each labelled stretch is cut into pieces as long as the longest window; a piece gives one sound and one picture, the frame
nearest to its end. Both have the same name, so that whoever pairs examples by the order of their names pairs what was
recorded together. Splits go by recording.
"""

import hashlib
import pathlib
import shutil
import wave

from . import data, label

MARKER, SOI, EOI, SOS, COM = 0xFF, 0xD8, 0xD9, 0xDA, 0xFE
TIME_COMMENT = b"lookout-time-ns="
TEST_PARTS = 5  # one recording in so many is for test, if nobody says
BYTES = 2  # a sample
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
                if file.getnchannels() != 1 or file.getsampwidth() != BYTES:
                    raise wave.Error("not mono with 16 bits, as lookoutctl records")
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

    def write(self, path: pathlib.Path, at_ms: int):
        at_ns = self.frames[0][0] + at_ms * 1_000_000
        path.write_bytes(min(self.frames, key=lambda frame: abs(frame[0] - at_ns))[1])


def split_of(table: pathlib.Path, rows: list) -> str:
    said = {row["split"] for row in rows} - {""}
    if len(said) > 1:
        raise data.DataError(f"{table}: in train and in test; a whole recording belongs to one side")
    by_name = hashlib.sha256(table.parent.name.encode()).digest()[0] % TEST_PARTS == 0
    return said.pop() if said else ("test" if by_name else "train")


def cut(root: pathlib.Path, out: pathlib.Path, piece_ms: int, kinds: set) -> int:
    """
    Examples of all recordings below @root into @out, laid out as a data set. Returns the number of pieces.
    @kinds  what every piece must have: sound, picture.
    """
    part, n, names = out.with_name(out.name + ".part"), 0, []
    shutil.rmtree(part, ignore_errors=True)
    for table in found_in(root):
        try:
            rows = [row for row in label.read(table) if row["label"]]
        except label.LabelError as error:
            raise data.DataError(str(error)) from error
        split, opened = split_of(table, rows), {}
        for row in rows:
            missing = [kind for kind in sorted(kinds) if not row[kind]]
            if missing:
                raise data.DataError(f"{table}: {row['label']} has no {missing[0]} with it")
            for kind, reader in (("sound", Sound), ("picture", Pictures)):
                if kind in kinds and row[kind] not in opened:
                    opened[row[kind]] = reader(table.parent / row[kind])
            for start in range(0, max(row["duration_ms"] - piece_ms, 0) + 1, piece_ms):
                name = f"{table.parent.name}-{label.clock(row) + start:09d}"
                write_piece(part, split, row, name, opened, start, piece_ms, kinds)
                names.append((name, table.parent.name))
                n += 1
    if n == 0:
        raise data.DataError(f"{root}: no labelled recordings; `./dev label RECORDING` marks them")
    for kind in kinds:
        suffix = SUFFIXES[kind]
        lines = [f"{name}.{suffix},{recording}\n" for name, recording in names]
        (part / f"{data.FOLDERS[kind]}.csv").write_text("file,source_recording\n" + "".join(lines), encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
    return n


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
