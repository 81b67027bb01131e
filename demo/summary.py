#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what the scene had with what was recognised.

    summary.py --length SCENE.csv               prints the scene's length in seconds
    summary.py SCENE.csv EVENTS STATUS          prints the comparison

SCENE.csv has a row for each thing that happens: begin_s,end_s,label and, if it wants, sound
and picture: what of it there is to hear and to see. EVENTS and STATUS are what
`lookoutctl events --json` and `lookoutctl status --json` printed.
"""
import csv
import json
import math
import os
import sys

# A decision looks back over its window, and events end late on purpose: this much after a
# thing has ended an event of its label still belongs to it.
AFTER_S = 3.0
# A modality that contributes less was not needed: the others were as sure without it.
SMALL_SHARE = 0.1
# Of no interest: what the labels call nothing at all.
QUIET = ("background", "unknown", "nothing")


def read_scene(path):
    with open(path, encoding="utf-8", newline="") as file:
        return [{**row, "begin_s": float(row["begin_s"]), "end_s": float(row["end_s"])}
                for row in csv.DictReader(file)]


def read_events(path, start_ns):
    """One dict for each event, whatever its number of messages."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            message = json.loads(line)
            event = message.get("event", message)
            one = found.setdefault(event["id"], {"label": event["label"], "best": 0.0, "evidence": event["evidence"]})
            one["begin_s"] = (int(event["began"]["monotonic_ns"]) - start_ns) / 1e9
            one["end_s"] = (int(event["at"]["monotonic_ns"]) - start_ns) / 1e9
            one["best"] = max(one["best"], event["confidence"])
    return sorted(found.values(), key=lambda one: one["begin_s"])


def overlap_s(thing, event):
    return min(thing["end_s"] + AFTER_S, event["end_s"]) - max(thing["begin_s"], event["begin_s"])


def match(scene, events):
    """Gives each event to the thing of its label that it shares most time with."""
    for event in events:
        event["thing"] = None
        same = [thing for thing in scene if thing["label"] == event["label"] and overlap_s(thing, event) >= 0]
        if same:
            event["thing"] = max(same, key=lambda thing: overlap_s(thing, event))


def because(evidence):
    """Whose doing the event was when it began."""
    present = [one["modality"] for one in evidence if one["present"]]
    if len(present) == 1:
        return present[0] + " alone"
    needed = [one["modality"] for one in evidence if one["present"] and one["share"] > SMALL_SHARE]
    return " and ".join(needed) or "either"


def write_table(rows, heading):
    rows = [heading, *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heading))]
    for row in rows:
        print(("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths))).rstrip())


def compare(scene, events):
    rows, n_seen = [], 0
    for thing in scene:
        mine = [event for event in events if event["thing"] is thing]
        row = [f"{thing['begin_s']:5.1f} s", thing["label"], thing.get("sound") or "", thing.get("picture") or ""]
        if mine:
            n_seen += 1
            best = max(mine, key=lambda event: event["best"])
            delay_s = max(mine[0]["begin_s"] - thing["begin_s"], 0)
            row += [f"yes, {100 * best['best']:.0f} %", f"{delay_s:.1f} s", because(mine[0]["evidence"])]
        elif thing["label"] in QUIET:
            row += ["no event, as it should be", "", ""]
            n_seen += 1
        else:
            row += ["missed", "", ""]
        rows.append(row)
    print("\nWhat the scene had, and what lookoutd made of it")
    write_table(rows, ["AT", "WAS", "TO HEAR", "TO SEE", "RECOGNISED", "AFTER", "BY"])
    extra = [event for event in events if event["thing"] is None and event["label"] not in QUIET]
    print(f"\n{n_seen} of {len(scene)} right, {len(extra)} false alarm{'' if len(extra) == 1 else 's'}"
          + "".join(f"; {event['label']} at {event['begin_s']:.1f} s" for event in extra) + ".")


def cost(status):
    """CPU of the daemon as a share of one core since its start, from proc(5), and its memory."""
    pid = status["pid"]
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    with open("/proc/uptime", encoding="ascii") as file:
        uptime_s = float(file.read().split()[0])
    ticks_hz = os.sysconf("SC_CLK_TCK")
    used_s = (int(fields[11]) + int(fields[12])) / ticks_hz
    lived_s = max(uptime_s - int(fields[19]) / ticks_hz, 0.1)
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        resident_kib = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    print(f"lookoutd used {100 * used_s / lived_s:.1f} % of one core and {resident_kib / 1024:.1f} MiB of memory.")


def latency(status):
    statistics = status["statistics"]
    if statistics.get("published_ms_p50") is not None:
        print(f"From the end of what was seen and heard to the event on the socket: median "
              f"{statistics['published_ms_p50']:.0f} ms, 99 % under {statistics['published_ms_p99']:.0f} ms.")


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "--length":
        print(math.ceil(max(thing["end_s"] for thing in read_scene(arguments[1]))))
        return
    scene_path, events_path, status_path = arguments
    with open(status_path, encoding="utf-8") as file:
        status = json.load(file)
    scene, events = read_scene(scene_path), read_events(events_path, int(status["since"]["monotonic_ns"]))
    match(scene, events)
    compare(scene, events)
    latency(status)
    cost(status)


if __name__ == "__main__":
    main(sys.argv[1:])
