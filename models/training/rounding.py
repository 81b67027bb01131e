# SPDX-License-Identifier: MIT
"""What 4 and 8 bits cost: the rounded, tuned encoders of finished runs beside the float32 ones, pair by pair.

Both were trained without the held-out part of train, and are asked about it; the head is fitted to each on that same part. A run whose
encoders were tuned on everything (`refit`) is tuned once more for this, without that part. Beside the float32 network that the rounded one
began as stands the ensemble that it followed.
"""

import dataclasses
import json
import pathlib

import numpy as np
import torch

from . import data, encode, evaluate, fuse, train
from .ablate import spread

KINDS = ("float32", "its ensemble", "4 and 8 bits")


def runs_of(config, outs: list) -> list:
    """(config with the seed of the run, folder of the run) for each of the bundles @outs."""
    found = []
    for out in outs:
        run = out.with_name(out.name + ".run")
        try:
            seed = json.loads((run / "figures.json").read_text(encoding="utf-8"))["seed"]
        except (OSError, ValueError, KeyError) as error:
            raise data.DataError(f"{run / 'figures.json'}: not the figures of a finished run ({error})") from error
        found.append((dataclasses.replace(config, seed=seed), run))
    return found


def missing(preset: str, root: pathlib.Path, runs: list, flags: list) -> list:
    """Commands that tune without the held-out part where that was not done. @flags  that the runs were made with."""
    jobs = [(chosen.seed, run, ["tune", modality.name, "--held"]) for chosen, run in runs for modality in chosen.modalities]
    return [["tune", preset, str(root), str(run), *rest, *flags, "--seed", str(seed)] for seed, run, (_, *rest) in jobs if not train.result_of(run, ["tune", *rest]).exists()]


def joined(members: list, x: torch.Tensor) -> tuple:
    """Embeddings and classifier of several encoders as of one, whose logits are the mean of theirs."""
    embeddings = torch.cat([one.embed(x) for one in members], 1)
    weights = torch.cat([one.classifier[0] for one in members], 1) / len(members)
    return embeddings, (weights, torch.stack([one.classifier[1] for one in members]).mean(0))


def right(config, root: pathlib.Path, run: pathlib.Path) -> tuple:
    """(kind, modalities that are there) -> [pairs] of 0 and 1, and likewise the groups of a bootstrap."""
    found, groups = {}, {}
    quiet = lambda _: None
    for kind in KINDS:
        held, classifiers, sides = [], [], []
        for modality in config.modalities:
            stage = train.stage_of(config, root, run, modality, True, quiet)
            members = range(1, (modality.ensemble if kind == "its ensemble" else 1) + 1)
            trained = [encode.load(stage.member(number), modality, "tuned.pt" if kind == "4 and 8 bits" else "pt") for number in members]
            x, labels, numbers = encode.held_features(stage, modality)
            embeddings, (weights, bias) = joined(trained, x)
            held.append(fuse.Held(embeddings, labels))
            classifiers.append((weights, bias))
            sides.append(evaluate.Side(embeddings @ weights.T + bias, labels, numbers))
        fusion = fuse.fit(held, classifiers, config.seed)
        for chosen in fuse.sets_of(len(sides)):
            p, truth = evaluate.answers(fusion, sides, chosen)
            name = evaluate.named(config.modalities, chosen)
            found[kind, name] = (p.argmax(1) == truth).astype(float)
            groups[name] = evaluate.groups_of(sides, chosen)
    return found, groups


def difference(runs: list, groups: np.ndarray, name: str, kind: str) -> str:
    """Points of the rounded above @kind, paired, and the bootstrap interval of their mean over seeds."""
    each = np.mean([found["4 and 8 bits", name] - found[kind, name] for found in runs], axis=0)
    low, high = evaluate.interval(each, groups)
    return f"{100 * each.mean():+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def table(runs: list, groups: dict) -> str:
    """Markdown. @runs  right() of each; @groups  of the first: all have the same examples."""
    text = "| present | " + " | ".join(f"{kind}, %" for kind in KINDS) + " | bits against float32, points | against the ensemble | pairs |\n" + "|---" * 7 + "|\n"
    for name, of_pairs in groups.items():
        cells = [spread([float(found[kind, name].mean()) for found in runs]) for kind in KINDS]
        cells += [difference(runs, of_pairs, name, kind) for kind in KINDS[:2]]
        text += f"| {name} | {' | '.join(cells)} | {len(of_pairs)} |\n"
    return text


def run(preset: str, config, root: pathlib.Path, outs: list, flags: list):
    """Tune what is not tuned, and print the table."""
    if not config.quantisation:
        raise data.DataError(f"{config.name}: the preset has no [quantisation]: nothing was rounded before the end")
    runs = runs_of(config, outs)
    train.side_by_side(missing(preset, root, runs, flags))
    found = [right(chosen, root, folder) for chosen, folder in runs]
    print(table([one for one, _ in found], found[0][1]))
    print(
        f"Seeds {', '.join(str(chosen.seed) for chosen, _ in runs)}; held-out part of train, on which the heads were fitted, too; mean ± standard deviation over seeds; paired "
        "differences with the bootstrap 95 % interval of their mean, drawing sounds (pictures where there is no sound)."
    )
