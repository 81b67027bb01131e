# SPDX-License-Identifier: MIT
"""The model card: what the preset's author says (presets/NAME.card.md), and the figures of this run."""

import json
import os
import pathlib
import subprocess

PRESETS = pathlib.Path(__file__).parent / "presets"
PROGRAM = pathlib.Path(__file__).parents[2] / "build" / "models" / "lookout-model"


def program() -> str:
    """lookout-model, of this build."""
    return os.environ.get("LOOKOUT_MODEL", str(PROGRAM))


def evaluation(out: pathlib.Path, root: pathlib.Path, say):
    """What `lookout-model eval` finds on test, or None if that cannot be run."""
    if not os.access(program(), os.X_OK):
        say(f"no figures of the test split in the card: {program()} is missing")
        return None
    done = subprocess.run(
        [program(), "eval", str(out), str(root), "--split", "test", "--json"], capture_output=True, text=True
    )
    if done.returncode != 0:
        say(f"no figures of the test split in the card: {done.stderr.strip()}")
        return None
    return json.loads(done.stdout)


def parameters(graph) -> int:
    return sum(t.data.size for t in graph.tensors if t.data is not None and t.name != "axes")


def macs(graph) -> int:
    total = 0
    for operator in graph.operators:
        y = graph.tensors[operator.output]
        if operator.kind in ("CONV_2D", "FULLY_CONNECTED"):
            total += y.size * graph.tensors[operator.inputs[1]].data[0].size
        elif operator.kind == "DEPTHWISE_CONV_2D":
            total += y.size * graph.tensors[operator.inputs[1]].data[0, :, :, 0].size
    return total


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def figures(out: pathlib.Path, config, graphs: dict, held: dict, more: list, root: pathlib.Path, say) -> str:
    """@more  paragraphs and tables that follow."""
    text = "| module | parameters | multiply-adds | bytes |\n|---|---|---|---|\n"
    for name, graph in graphs.items():
        text += f"| {name}.tflite | {parameters(graph)} | {macs(graph)} | {(out / f'{name}.tflite').stat().st_size} |\n"
    found = evaluation(out, root, say)
    text += "\n| modalities present | held-out part of train | test |\n|---|---|---|\n"
    everything = "+".join(m.name for m in config.modalities)
    for name, result in held.items():
        key = "both" if name == everything and len(config.modalities) == 2 else name
        test = f"{percent(found[key])} of {found['n'][key]}" if found and key in found else "not measured"
        text += f"| {name} | {percent(result['accuracy'])} of {result['n']} | {test} |\n"
    shipped = {
        "yes": "the shipped ones were trained on all of train",
        "tune": "the shipped ones were then tuned on all of train",
        "no": "these are the shipped ones",
    }[config.refit]
    rounded = config.quantisation and config.refit != "tune"
    bits = "with the bits that were chosen" if rounded else "in float32"
    text += (
        f"\nOne run, with seed {config.seed}; what others give, `./dev train seeds` tells. The held-out column is of encoders that were trained without that "
        f"part, {bits}; {shipped}. Weights of the head and temperatures were learned on that same part, so its last row is a "
        "little too good. The test column is by `lookout-model eval`, the C front end and engine, on the shipped files. "
        "Nothing in this run was chosen by test.\n"
    )
    if found and "per_label" in found:
        text += "\n" + per_label(found["per_label"])
    return text + "".join(f"\n{one}" for one in more if one)


def rounding(config, chosen: dict, bytes_: int) -> str:
    """What got 4 bits. @chosen  bits.json, of allocate.write(); @bytes_  of the bundle's networks together."""
    layers, bytes_8 = chosen["layers"], chosen["bytes_8"]
    members = " and ".join(f"{m.ensemble} of {m.name}" for m in config.modalities)
    return (
        f"{sum(layer['bits'] == 4 for layer in layers)} of {len(layers)} layers of the encoders have 4 bits, for {bytes_:,} of {bytes_8:,} bytes: {percent(bytes_ / bytes_8)} of what 8 bits take. "
        f"Float32 encoders that were followed while tuning: {members}.\n"
    )


def certainty(measured: dict) -> str:
    """Intervals and calibration. @measured  evaluate.figures()."""
    text = "| present | 95 % interval | NLL | adaptive ECE | temperature |\n" + "|---" * 5 + "|\n"
    for name, one in measured["sets"].items():
        low, high = one["interval"]
        text += (
            f"| {name} | {100 * low:.1f} to {percent(high)} | {one['nll uncalibrated']:.3f} → {one['nll']:.3f} "
            f"| {100 * one['ece uncalibrated']:.1f} → {percent(one['ece'])} | {one['temperature']} |\n"
        )
    return text + (
        "\nOn test, of the shipped files rounded in PyTorch: bootstrap over sounds (pictures where there is no sound); before → after calibration, which was fitted "
        "on the held-out part of train; ECE with 15 bins of as many examples each: few examples give some of it by chance.\n"
    )


def spoilt(measured: dict) -> str:
    """What is answered when sensors are spoilt."""
    rows = measured["robustness"]
    text = by_condition(list(measured["sets"]), rows, lambda i, name: percent(rows[i]["accuracy"][name]))
    below = sum(not row["holds"] for row in rows)
    return text + f"\nIn {below} of these {len(rows)} conditions all together are more than a point below the best one alone.\n"


def by_condition(names: list, rows: list, cell) -> str:
    """Markdown: a line for each of @rows of evaluate.robustness(). @names  sets of modalities; @cell(i, name)  what to say of line i by this set."""
    modalities = [name for name in names if "+" not in name]
    text = "".join(f"| {name} is " for name in modalities) + "".join(f"| by {name} " for name in names) + "|\n"
    text += "|---" * (len(modalities) + len(names)) + "|\n"
    for i, row in enumerate(rows):
        text += f"| {' | '.join([row[name] for name in modalities] + [cell(i, name) for name in names])} |\n"
    return text


def per_label(found) -> str:
    rows = found.items() if isinstance(found, dict) else ((row["label"], row) for row in found)
    rows = [(label, row) for label, row in rows if isinstance(row, dict)]
    keys = [key for key in ("both", "sound", "picture") if rows and isinstance(rows[0][1].get(key), (int, float))]
    text = "".join(f"| {key} " for key in ["of the label, on test"] + keys) + "|\n" + "|---" * (len(keys) + 1) + "|\n"
    for label, row in rows:
        text += f"| {label} | " + " | ".join(percent(row[key]) if row[key] is not None else "" for key in keys) + " |\n"
    return text if keys else ""


def write(out: pathlib.Path, config, graphs: dict, held: dict, more: list, root: pathlib.Path, say):
    told = PRESETS / f"{config.name}.card.md"
    text = told.read_text(encoding="utf-8") if told.is_file() else f"# {config.name}\n\n## Figures\n\n{{figures}}\n"
    (out / "CARD.md").write_text(
        text.replace("{figures}", figures(out, config, graphs, held, more, root, say)), encoding="utf-8"
    )
