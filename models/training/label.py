# SPDX-License-Identifier: MIT
"""Say what is heard and seen in a recording: fills `label` and `split` of its pairs.csv. Needs no venv.

    ./dev label DIR                       asks in the terminal
    ./dev label DIR --audacity FILE       takes a label track exported from Audacity (File > Export > Export Labels)
    ./dev label DIR --show                prints the stretches

DIR is what `lookoutctl record` made. A stretch is a time from the begin of the sound (of the picture, where there is no sound).
"""

import argparse
import csv
import os
import pathlib
import sys

COLUMNS = ("recording", "sound", "sound_start_ms", "picture", "picture_start_ms", "duration_ms", "label", "split")
SPLITS = ("train", "test")
MOST_LABEL_BYTES = 63


class LabelError(Exception):
    """A sentence for the person who labels."""


def read(path: pathlib.Path) -> list:
    """Rows of pairs.csv as dicts, times as whole numbers of ms (None: no such file); `line` is where a row stands."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, strict=True)
            if tuple(table.fieldnames or ()) != COLUMNS:
                raise LabelError(f"{path}: the first line must be {','.join(COLUMNS)}")
            return [parsed(path, table.line_num, row) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"{path}: {error}") from error


def parsed(path, line: int, row: dict) -> dict:
    try:
        if None in row or None in row.values():
            raise ValueError(f"not {len(COLUMNS)} columns")
        row |= {"label": row["label"].strip(), "line": line}
        for side in ("sound", "picture"):
            row[f"{side}_start_ms"] = int(row[f"{side}_start_ms"]) if row[side] else None
        row["duration_ms"] = int(row["duration_ms"])
        if row["duration_ms"] < 0 or any((row[f"{side}_start_ms"] or 0) < 0 for side in ("sound", "picture")):
            raise ValueError("a negative time")
        if not row["sound"] and not row["picture"]:
            raise ValueError("neither sound nor picture")
    except ValueError as error:
        raise LabelError(f"{path}:{line}: {error}") from error
    check_label(f"{path}:{line}", row["label"])
    if row["split"] not in ("", *SPLITS):
        raise LabelError(f"{path}:{line}: split {row['split']!r} is none of {', '.join(SPLITS)}")
    return row


def check_label(where: str, label: str):
    if label == "unknown" or "]" in label or "/" in label or not label.isprintable() or label.startswith(".") or len(label.encode()) > MOST_LABEL_BYTES:
        raise LabelError(f"{where}: {label!r} cannot be a label")


def write(path: pathlib.Path, rows: list):
    """Whole or not at all."""
    part = path.with_suffix(".part")
    try:
        with open(part, "w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
            table.writeheader()
            table.writerows({key: "" if value is None else value for key, value in row.items()} for row in rows)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise LabelError(f"{path}: cannot be written ({error.strerror}); it is as it was") from error


def clock(row: dict) -> int:
    """Where the row begins, on the scale that people see: in the sound, or the picture if there is none."""
    return row["sound_start_ms"] if row["sound"] else row["picture_start_ms"]


def whole(rows: list) -> list:
    """One row for each pair of files, as recorded: without the stretches that were marked. Where only these are left, from the first to the last."""
    found = {}
    for row in sorted(rows, key=lambda row: row["label"] != ""):
        key = row["sound"], row["picture"]
        first = found.setdefault(key, dict(row, label="", split=""))
        begin, end = min(clock(first), clock(row)), max(clock(first) + first["duration_ms"], clock(row) + row["duration_ms"])
        move(first, begin, end)
    return list(found.values())


def move(row: dict, begin_ms: int, end_ms: int):
    """Let the row be the time from @begin_ms to @end_ms."""
    by = begin_ms - clock(row)
    for side in ("sound", "picture"):
        if row[side]:
            row[f"{side}_start_ms"] += by
    row["duration_ms"] = end_ms - begin_ms


def marked(rows: list, stretches: list, split: str) -> list:
    """
    The recording's own rows, which stay without label, and one for each of the @stretches (begin_ms, end_ms, label) within
    each of them. A stretch that is in none is an error.
    """
    pairs = whole(rows)
    found = [*pairs]
    for begin, end, label in stretches:
        check_label(f"{begin / 1000:.3f} to {end / 1000:.3f} s", label)
        inside = 0
        for pair in pairs:
            first, last = max(begin, clock(pair)), min(end, clock(pair) + pair["duration_ms"])
            if first < last:
                row = dict(pair, label=label, split=split)
                move(row, first, last)
                found.append(row)
                inside += 1
        if not inside:
            raise LabelError(f"{begin / 1000:.3f} to {end / 1000:.3f} s ({label}): not in this recording")
    return found


def audacity(path: pathlib.Path) -> list:
    """A label track: begin, end in seconds and the label, by tabs. Lines that begin with \\ hold frequencies and say nothing here."""
    found = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"{path}: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("\\"):
            continue
        try:
            begin, end, label = line.split("\t")
            stretch = round(float(begin) * 1000), round(float(end) * 1000), label.strip()
            if not 0 <= stretch[0] < stretch[1]:
                raise ValueError("a stretch must end after it begins")
            if not stretch[2]:
                raise ValueError("no label")
        except (ValueError, OverflowError) as error:
            raise LabelError(f"{path}:{number}: not `BEGIN<tab>END<tab>LABEL` with seconds ({error})") from error
        found.append(stretch)
    if not found:
        raise LabelError(f"{path}: no labels in it")
    return found


def ask(given=input) -> list:
    """Stretches from the terminal: `BEGIN END LABEL`, seconds; an empty line ends."""
    print("BEGIN END LABEL in seconds, for instance: 2.5 6 dog. An empty line ends, ^C leaves all as it was.")
    found = []
    while True:
        try:
            line = given("> ").strip()
        except EOFError:
            line = ""
        if not line:
            return found
        try:
            begin, end, label = line.split(maxsplit=2)
            stretch = round(float(begin) * 1000), round(float(end) * 1000), label
            if not 0 <= stretch[0] < stretch[1]:
                raise ValueError("a stretch must end after it begins")
            check_label(line, label)
        except (ValueError, OverflowError, LabelError) as error:
            print(f"not taken: {error}")
            continue
        found.append(stretch)


def show(rows: list) -> str:
    text = ""
    for row in rows:
        files = " + ".join(row[side] for side in ("sound", "picture") if row[side])
        text += f"{clock(row) / 1000:10.3f} to {(clock(row) + row['duration_ms']) / 1000:10.3f} s  {row['label'] or '-':20} {row['split'] or '-':5}  {files}\n"
    return text


def main():
    parser = argparse.ArgumentParser(prog="./dev label", description="Say what is heard and seen in a recording.")
    parser.add_argument("recording", type=pathlib.Path, help="the directory that `lookoutctl record` made")
    parser.add_argument("--audacity", type=pathlib.Path, metavar="FILE", help="a label track exported from Audacity, instead of asking")
    parser.add_argument("--split", choices=SPLITS, default="", help="where the recording goes; else one in five goes to test")
    parser.add_argument("--show", action="store_true", help="print the stretches and change nothing")
    arguments = parser.parse_args()
    path = arguments.recording / "pairs.csv"
    try:
        rows = read(path)
        if not arguments.show:
            stretches = audacity(arguments.audacity) if arguments.audacity else ask()
            if not stretches:
                raise LabelError("nothing was marked; all is as it was")
            rows = marked(rows, stretches, arguments.split)
            write(path, rows)
        print(show(rows), end="")
    except LabelError as error:
        sys.exit(f"label: {error}")
    except KeyboardInterrupt:
        sys.exit("\nlabel: all is as it was")


if __name__ == "__main__":
    main()
