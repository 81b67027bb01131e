# SPDX-License-Identifier: MIT
"""A run as one HTML page that needs nothing else: curves, confusion, reliability, frontier, robustness, cost by threshold."""

import csv
import html
import json
import pathlib

from . import learn, plot, unknown

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px solid #ddd}
section{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;flex:1 1 27rem}figcaption{font-weight:600}
svg{width:100%;font-size:11px;fill:#444}.grid{stroke:#e4e4e4}table{border-collapse:collapse;font-size:13px}
td,th{padding:.2rem .45rem;text-align:right;border:1px solid #e4e4e4;font-weight:400}th{text-align:left;background:#fafafa}
.key{margin-right:1rem;font-size:13px}.key i{display:inline-block;width:.8rem;height:.8rem;margin-right:.3rem}.note{color:#555}
"""
COSTS = ((1, 1), (10, 1), (1, 10))  # of a miss, of a false alarm


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def rows_of(path: pathlib.Path) -> list:
    if not path.is_file():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def curves(run: pathlib.Path) -> str:
    text = ""
    for path in sorted(run.glob("*.curve.csv")):
        rows = rows_of(path)
        series = [{"name": "loss", "points": [(int(row["step"]), float(row["loss"])) for row in rows]}]
        held = [(int(row["step"]), float(row["accuracy"])) for row in rows if row["accuracy"]]
        if held:
            series.append({"name": "accuracy, held out", "points": held})
        text += plot.chart(path.name.removesuffix(".curve.csv"), series, "step", "loss, accuracy")
    return text


def summary(found: dict) -> str:
    rows = []
    for name, one in found["sets"].items():
        low, high = one["interval"]
        rows.append((name, [(percent(one["accuracy"]), None), (f"{percent(low)} to {percent(high)}", None), (one["n"], None),
                            (f"{one['nll uncalibrated']:.3f} → {one['nll']:.3f}", None),
                            (f"{100 * one['ece uncalibrated']:.1f} → {100 * one['ece']:.1f} %", None), (one["temperature"], None)]))
    columns = ["accuracy", "95 % interval", "pairs", "NLL", "adaptive ECE", "temperature"]
    return plot.cells("Modalities that are present; before → after calibration", columns, rows)


def confusions(found: dict) -> str:
    text = ""
    for name, one in found["sets"].items():
        table = one["confusion"]
        rows = [(label, [(n, n / max(1, sum(line))) for n in line]) for label, line in zip(found["labels"], table)]
        text += plot.cells(f"{name}: true label by row, answer by column", [label[:4] for label in found["labels"]], rows)
    return text


def reliabilities(found: dict) -> str:
    series = [{"name": "as sure as right", "points": [(0, 0), (1, 1)]}]
    series += [{"name": name, "points": [(sure, right) for sure, right, _ in one["reliability"]]} for name, one in found["sets"].items()]
    return plot.chart("Reliability: bins of equally many answers", series, "confidence", "share that is right", x_range=(0, 1), y_range=(0, 1))


def costs(found: dict) -> str:
    text = ""
    one = list(found["sets"].values())[-1]["thresholds"]
    series = []
    for miss, alarm in COSTS:
        points = [(t, miss * m + alarm * w) for t, m, w in zip(one["threshold"], one["missed"], one["wrong"])]
        most = max(cost for _, cost in points) or 1
        least = min(points, key=lambda point: point[1])
        name = f"a miss {miss}, a false alarm {alarm}: least at {least[0]:.2f}"
        series.append({"name": name, "points": [(t, cost / most) for t, cost in points]})
    text += plot.chart("Cost by threshold, all modalities", series, "threshold of the best score", "cost, share of the largest")
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
    text, everything = "", "+".join(names)
    sets = list(rows[0]["accuracy"]) if rows else []
    table = []
    for row in rows:
        condition = ", ".join(f"{name}: {row[name]}" for name in names)
        values = [(percent(row["accuracy"][one]), row["accuracy"][one]) for one in sets]
        table.append((condition, [*values, ("yes" if row["holds"] else "no", None)]))
    text += plot.cells("Accuracy with spoilt sensors", [*sets, "no more than 1 point below the best alone"], table)
    failed = sum(not row["holds"] for row in rows)
    note = f"{everything} is more than one point below the better modality alone in {failed} of {len(rows)} conditions."
    return text + f'<p class="note">{html.escape(note)}</p>'


def others(run: pathlib.Path) -> str:
    """Of what train.finish() kept of unknown.of_others()."""
    path, text = run / "unknown.json", ""
    for name, one in (json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}).items():
        columns = ["examples", f"not unknown ({one['threshold']:g})", f"not unknown ({one['kept']:.2f}: 95 % of the right answers held out)", "reported"]
        rows = []
        for what, shares in one["rows"].items():
            cells = [(percent(shares[key]), shares[key]) for key in ("answered", "answered, 95 % kept", "reported")]
            rows.append((what, [(shares["n"], None), *cells]))
        text += plot.cells(f"{name} alone: what is answered", columns, rows)
        series = [{"name": what, "points": list(zip(unknown.THRESHOLDS, shares["by threshold"]))} for what, shares in one["rows"].items()]
        text += plot.chart(f"{name} alone: answered by threshold", series, "threshold `unknown`", "share that is not unknown", y_range=(0, 1))
    return text or '<p class="note">There are no examples of other labels in this data set.</p>'


def page(config, found: dict, run: pathlib.Path) -> str:
    """@found  what evaluate.figures() gave."""
    name = html.escape(config.name)
    counts = ", ".join(f"{n} of {modality}" for modality, n in found["examples"].items())
    sections = (
        ("Accuracy and calibration", summary(found) + reliabilities(found)),
        ("Confusion", confusions(found)),
        ("Misses and false alarms", costs(found)),
        ("Robustness", robustness(found)),
        ("Other labels", others(run)),
        ("Bits and bytes", frontier(run)),
        ("Training", curves(run)),
    )
    body = "".join(f"<h2>{title}</h2><section>{text}</section>" for title, text in sections if text)
    about = (
        f"Split {html.escape(found['split'])}: {counts}. Pairs of sound and picture are made by label, so their errors are independent and the gain "
        f"of both over one is optimistic. Seed {config.seed}, one run: its spread is not known. Intervals draw whole examples of the scarcer modality."
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{name}</title>'
        f"<style>{STYLE}</style><h1>{name}</h1><p class=\"note\">{about}</p>{body}</html>\n"
    )


def write(config, found: dict, run: pathlib.Path) -> pathlib.Path:
    learn.write(run / "figures.json", json.dumps(found, indent=1) + "\n")
    path = run / "report.html"
    learn.write(path, page(config, found, run))
    return path
