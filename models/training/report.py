# SPDX-License-Identifier: MIT
"""A run as one HTML page that needs nothing else: accuracy, calibration, confusion, robustness, cost by threshold, bits and bytes, curves."""

import csv
import html
import json
import pathlib

from . import card, learn, plot, unknown
from .card import percent

STYLE = """
:root{color-scheme:light dark;--text:#222;--soft:#555;--line:#e0e0e0;--back:#fff;--head:#f7f7f7}
@media(prefers-color-scheme:dark){:root{--text:#ddd;--soft:#aaa;--line:#3a3d42;--back:#16181c;--head:#202328}}
body{font:15px/1.45 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:var(--text);background:var(--back)}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px solid var(--line)}.note{color:var(--soft)}
section{display:flex;flex-wrap:wrap;gap:1rem}section>section,section>.note,details{flex:1 1 100%;margin:0}
figure{margin:0;flex:1 1 27rem;max-width:36rem;overflow-x:auto}figcaption{font-weight:600}summary{cursor:pointer}
svg{width:100%;font-size:11px;fill:var(--text)}.grid,.cell{stroke:var(--line)}.mark{stroke:var(--text);stroke-width:1.5}.diamond{stroke:var(--back)}
table{border-collapse:collapse;font-size:13px}td,th{padding:.2rem .45rem;text-align:right;border:1px solid var(--line);font-weight:400}
th{text-align:left;background:var(--head)}.key{margin-right:1rem;font-size:13px}
.key i{display:inline-block;width:1.2rem;margin-right:.3rem;vertical-align:middle}
"""
COSTS = ((1, 1), (10, 1), (1, 10))  # of a miss, of a false alarm
GREY = 5  # of plot.COLOURS


def rows_of(path: pathlib.Path) -> list:
    if not path.is_file():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def note(text: str) -> str:
    return f'<p class="note">{html.escape(text)}</p>'


def folded(title: str, content: str) -> str:
    return f"<details><summary>{html.escape(title)}</summary>{content}</details>"


def bundle_of(run: pathlib.Path) -> pathlib.Path:
    """OUT of OUT.run."""
    return run.resolve().with_name(run.resolve().name.removesuffix(".run"))


def by_engine(found: dict, root: pathlib.Path, run: pathlib.Path, say) -> dict:
    """Set of modalities -> accuracy by `lookout-model eval`; none if that cannot be run."""
    measured = card.evaluation(bundle_of(run), root, say) or {}
    names = {name: "both" if "+" in name and len(found["sets"]) == 3 else name for name in found["sets"]}
    return {name: measured[key] for name, key in names.items() if key in measured}


def curves(run: pathlib.Path) -> str:
    """Of the encoders in @run, and of the members of ensembles in its folders."""
    text = ""
    for path in sorted([*run.glob("*.curve.csv"), *run.glob("member-*/*.curve.csv")], key=lambda path: (path.name, len(path.parts), path)):
        member = f", {path.parent.name.replace('-', ' ')}" if path.parent != run else ""
        title, rows = path.name.removesuffix(".curve.csv") + member, rows_of(path)
        points = lambda key: [(int(row["step"]), float(row[key])) for row in rows if row[key]]
        losses = [{"name": "training", "points": points("loss")}]
        if points("held loss"):
            losses.append({"name": "held out", "points": points("held loss"), "dash": True})
        charts = plot.chart(f"{title}: loss", losses, "step", "loss")
        if points("accuracy"):
            charts += plot.chart(f"{title}: accuracy", [{"name": "held out", "points": points("accuracy"), "dash": True}], "step", "accuracy")
        text += f"<section>{charts}</section>"
    return text and text + note("Training sees mixed, shifted and spoilt examples, so its loss may well lie above that of what is held out.")


def accuracies(found: dict) -> str:
    rows, engine = [], found.get("engine", {})
    for name, one in found["sets"].items():
        low, high = one["interval"]
        text = f"{percent(one['accuracy'])} ({100 * low:.1f}–{100 * high:.1f})"
        mark = {"mark": engine[name]} if name in engine else {}
        rows.append({"name": name, "value": one["accuracy"], "text": text, "interval": (low, high)} | mark)
    label = "accuracy; line: 95 % interval" + ("; diamond: the engine" if engine else "")
    said = ", ".join(f"{name} {percent(value)}" for name, value in engine.items())
    return plot.bars("Modalities that are present", rows, label, (0, 1)) + note(
        f"What this page says of {found['split']} is of the shipped encoders with weights and activations rounded, in PyTorch. The card's accuracy is of the C "
        "front end and engine, by `lookout-model eval`, where the head is rounded too: a few answers differ."
        + (f" The engine has {said}." if said else "")
    )


def calibration(found: dict) -> str:
    text, rows = "", []
    for name, one in found["sets"].items():
        series = [{"name": "as sure as right", "points": [(0, 0), (1, 1)], "colour": GREY}]
        if "reliability uncalibrated" in one:
            series.append({"name": "before", "points": [(sure, right) for sure, right, _ in one["reliability uncalibrated"]], "colour": 1, "dash": True})
        series.append({"name": "after calibration", "points": [(sure, right) for sure, right, _ in one["reliability"]], "colour": 0})
        text += plot.chart(f"Reliability of {name}", series, "confidence", "share that is right", x_range=(0, 1), y_range=(0, 1))
        rows.append((name, [(one["n"], None), (f"{one['nll uncalibrated']:.3f} → {one['nll']:.3f}", None),
                            (f"{100 * one['ece uncalibrated']:.1f} → {100 * one['ece']:.1f} %", None), (one["temperature"], None)]))
    text += plot.cells("Before → after calibration", ["pairs", "NLL", "adaptive ECE", "temperature"], rows)
    return text + note("Each point of reliability is a bin of equally many answers.")


def confusions(found: dict) -> str:
    text, labels = "", found["labels"]
    for name, one in found["sets"].items():
        rows = []
        for label, line in zip(labels, one["confusion"]):
            words = [f"{label}, answered {answer}: {n} of {sum(line)}" for answer, n in zip(labels, line)]
            rows.append((label, [(n, n / sum(line), what) if n else None for n, what in zip(line, words)]))
        text += plot.heat(f"{name}: true label by row, answer by column", labels, rows)
    return text


def costs(found: dict) -> str:
    one = list(found["sets"].values())[-1]["thresholds"]
    series = []
    for miss, alarm in COSTS:
        points = [(t, miss * m + alarm * w) for t, m, w in zip(one["threshold"], one["missed"], one["wrong"])]
        most = max(cost for _, cost in points) or 1
        least = min(points, key=lambda point: point[1])
        name = f"a miss {miss}, a false alarm {alarm}: least at {least[0]:.2f}"
        series.append({"name": name, "points": [(t, cost / most) for t, cost in points], "mark": (least[0], least[1] / most)})
    text = plot.chart("Cost by threshold, all modalities", series, "threshold of the best score", "cost, each as share of its own largest")
    parts = [{"name": name, "points": list(zip(one["threshold"], one[key]))}
             for key, name in (("missed", "right, but not sure enough"), ("wrong", "wrong label reported"), ("unanswered", "answered `unknown`"))]
    return text + plot.chart("Misses and false alarms by threshold", parts, "threshold of the best score", "share of answers")


def frontier(run: pathlib.Path) -> str:
    rows, text = rows_of(run / "frontier.csv"), ""
    for key in [key for key in (rows[0] if rows else {}) if key.endswith("accuracy")]:
        series = []
        for choice in ("knapsack", "random", "inverse"):
            points = [(int(row["bytes"]), float(row[key])) for row in rows if row["choice"] == choice]
            series.append({"name": choice, "points": sorted(points), "dots": choice == "random"})
        text += plot.chart(f"{key} over bytes, held out, not tuned", series, "bytes of all files", key)
    return text


def robustness(found: dict) -> str:
    rows, names = found["robustness"], list(found["examples"])
    everything, sets = list(found["sets"])[-1], list(found["sets"])
    failed = sum(not row["holds"] for row in rows)
    said = f"{everything} is more than one point below the better modality alone in {failed} of {len(rows)} conditions" + (" (↓)." if failed else ".")
    table = []
    for row in rows:
        condition = ", ".join(f"{name}: {row[name]}" for name in names)
        values = [(percent(row["accuracy"][one]), row["accuracy"][one]) for one in sets]
        table.append((condition, [*values, ("yes" if row["holds"] else "no", None)]))
    table = plot.cells("Accuracy with spoilt sensors", [*sets, "no more than 1 point below the best alone"], table)
    return spoilt(rows, names, everything) + note(said) + folded("As a table, and each modality alone", table)


def spoilt(rows: list, names: list, everything: str) -> str:
    """What spoils the first modality by row, the others by column; the colour is from the worst to the best of @rows."""
    values = [row["accuracy"][everything] for row in rows]
    low, high = min(values), max(values)
    grid, columns = {}, []
    for row, value in zip(rows, values):
        column = ", ".join(row[name] for name in names[1:]) or "accuracy"
        columns += [column] if column not in columns else []
        words = ", ".join(f"{name} {row[name]}" for name in names) + f": {percent(value)}"
        grid.setdefault(row[names[0]], {})[column] = (percent(value) + ("" if row["holds"] else " ↓"), 0.1 + 0.9 * (value - low) / (high - low or 1), words)
    title = f"Accuracy of {everything}: {names[0]} by row" + (f", {' and '.join(names[1:])} by column" if names[1:] else "")
    return plot.heat(title, columns, [(name, [line.get(column) for column in columns]) for name, line in grid.items()])


def network(found: dict, run: pathlib.Path) -> str:
    """What the files have, and what 4 bits cost in each layer, by tune.choose()."""
    path = run / "bits.json"
    chosen = learn.read(path) if path.is_file() else {"layers": []}
    rows, plots = [], ""
    for name in [*found["examples"], "head"]:
        file = bundle_of(run) / f"{name}.tflite"
        layers = [layer for layer in chosen["layers"] if layer["modality"] == name]
        four = sum(layer["bits"] == 4 for layer in layers)
        rows.append((name, [(f"{file.stat().st_size:,}" if file.is_file() else "not there", None), (f"{four} of {len(layers)}" if layers else "", None)]))
        if layers:
            lines = [{"name": layer["layer"], "value": layer["loss"], "text": f"{layer['saved_bytes']:,} bytes", "colour": int(layer["bits"] == 8)}
                     for layer in layers]
            label, keys = "more training loss, were this layer alone 4 bits", [("has 4 bits", 0), ("has 8 bits", 1)]
            plots += plot.bars(f"{name}: what 4 bits cost and save", lines, label, keys=keys)
    text = plot.cells("Networks", ["bytes", "layers with 4 bits"], rows)
    if chosen["layers"]:
        sizes = [("all 8 bits", "bytes_8"), ("as chosen", "bytes"), ("all 4 bits", "bytes_4"), ("allowed", "budget_bytes")]
        lines = [{"name": name, "value": chosen[key], "text": f"{chosen[key]:,}", "colour": GREY if key == "budget_bytes" else 0} for name, key in sizes]
        text = plot.bars("Bytes of all networks, as planned", lines, "bytes") + text
    return text + plots


def others(run: pathlib.Path) -> str:
    """Of what train.finish() kept of unknown.of_others()."""
    path, text = run / "unknown.json", ""
    for name, one in (learn.read(path) if path.is_file() else {}).items():
        columns = ["examples", f"not unknown ({one['threshold']:g})", f"not unknown ({one['kept']:.2f}: 95 % of the right answers held out)", "reported"]
        rows = []
        for what, shares in one["rows"].items():
            cells = [(percent(shares[key]), shares[key]) for key in ("answered", "answered, 95 % kept", "reported")]
            rows.append((what, [(shares["n"], None), *cells]))
        text += plot.cells(f"{name} alone: what is answered", columns, rows)
        series = [{"name": what, "points": list(zip(unknown.THRESHOLDS, shares["by threshold"]))} for what, shares in one["rows"].items()]
        text += plot.chart(f"{name} alone: answered by threshold", series, "threshold `unknown`", "share that is not unknown", y_range=(0, 1))
    return text or note("There are no examples of other labels in this data set.")


def page(config, found: dict, run: pathlib.Path) -> str:
    """@found  what evaluate.figures() gave, and "engine", of by_engine()."""
    name = html.escape(config.name)
    counts = ", ".join(f"{n} of {modality}" for modality, n in found["examples"].items())
    sections = (
        ("Accuracy", accuracies(found)),
        ("Robustness", robustness(found)),
        ("Confusion", confusions(found)),
        ("Calibration", calibration(found)),
        ("Misses and false alarms", costs(found)),
        ("Other labels", others(run)),
        ("Bits and bytes", network(found, run) + frontier(run)),
        ("Training", curves(run)),
    )
    body = "".join(f"<h2>{title}</h2><section>{text}</section>" for title, text in sections if text)
    about = (
        f"Split {found['split']}: {counts}. Pairs of sound and picture are made by label, so their errors are independent and the gain "
        f"of both over one is optimistic. Seed {config.seed}, one run: its spread is not known. Intervals draw whole examples of the scarcer modality."
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{name}</title>'
        f"<style>{STYLE}</style><h1>{name}</h1>{note(about)}{body}</html>\n"
    )


def write(config, found: dict, root: pathlib.Path, run: pathlib.Path, say) -> pathlib.Path:
    """figures.json and the page. @root  data set, for the engine."""
    found = found | {"engine": by_engine(found, root, run, say)}
    learn.write(run / "figures.json", json.dumps(found, indent=1) + "\n")
    path = run / "report.html"
    learn.write(path, page(config, found, run))
    return path
