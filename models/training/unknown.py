# SPDX-License-Identifier: MIT
"""What is answered to what has no label of ours: how much of it is not `unknown`, and how much would be reported.

An answer is `unknown` while its best score is below `[head] unknown`. That threshold is the preset's; beside it stands the one
that lets 95 % of the right answers through on what was held out.
"""

import numpy as np

from . import data, evaluate, fuse

KEPT_SHARE = 0.95  # of the right answers
THRESHOLDS = evaluate.THRESHOLDS


def keeping(p: np.ndarray, truth: np.ndarray) -> float:
    """The highest threshold of the best score that lets KEPT_SHARE of the right answers through. @p [n, labels]."""
    right = p.max(1)[p.argmax(1) == truth]
    return float(np.quantile(right, 1 - KEPT_SHARE, method="lower")) if len(right) else 0.0


def reported(p: np.ndarray, config, labels: list) -> np.ndarray:
    """[n] bool: a label that the detector reports reaches its `on`, and the answer is not `unknown`."""
    common = config.detector.get("detector", {})
    keys = [common | config.detector.get(f"detector {label}", {}) for label in labels]
    on = np.array([float(key.get("on", 0.7)) if key.get("report", "yes") == "yes" else np.inf for key in keys])
    return (p >= on).any(1) & (p.max(1) >= float(config.head.get("unknown", 0)))


def row(p: np.ndarray, config, labels: list, kept: float) -> dict:
    """Shares of the answers @p [n, labels]. @kept is what keeping() gave."""
    best = p.max(1)
    return {
        "n": len(p),
        "answered": float((best >= float(config.head.get("unknown", 0))).mean()),
        "answered, 95 % kept": float((best >= kept).mean()),
        "reported": float(reported(p, config, labels).mean()),
        "by threshold": [float((best >= t).mean()) for t in THRESHOLDS],
    }


def of_others(config, root, trained: list, fusion: fuse.Fusion, labels: list, kept: dict) -> dict:
    """
    modality -> {"threshold", "kept", "rows": {what: row()}}, of the modalities with other labels' examples; each is alone.
    @kept  modality -> what keeping() gave.
    """
    found = {}
    for i, one in enumerate(trained):
        modality = one.modality
        sets = {name: data.others(root, modality.keys, len(labels), heard) for name, heard in (("trained on", True), ("never trained on", False))}
        sets = {f"other labels, {name}": examples for name, examples in sets.items() if examples}
        if not sets:
            continue
        if (root / data.FOLDERS[modality.kind] / "test").is_dir():
            sets = {"its own labels, test": data.examples(root, modality.kind, "test", labels)} | sets
        rows = {}
        for what, examples in sets.items():
            sides = [evaluate.side(one, examples) if k == i else None for k in range(len(trained))]
            p, _ = evaluate.answers(fusion, sides, (i,))
            rows[what] = row(p, config, labels, kept[modality.name])
        found[modality.name] = {"threshold": float(config.head.get("unknown", 0)), "kept": kept[modality.name], "rows": rows}
    return found


def markdown(found: dict) -> str:
    """A table of what of_others() gave."""
    text = ""
    for name, one in found.items():
        text += f"| {name} alone | examples | not `unknown` ({one['threshold']:g}) | not `unknown` ({one['kept']:.2f}) | reported |\n|---|---|---|---|---|\n"
        for what, shares in one["rows"].items():
            values = " | ".join(f"{100 * shares[key]:.1f} %" for key in ("answered", "answered, 95 % kept", "reported"))
            text += f"| {what} | {shares['n']} | {values} |\n"
        text += "\nThe second threshold lets 95 % of the right answers on what was held out through.\n"
    return text
