# SPDX-License-Identifier: MIT
"""Runs that differ in nothing but the seed, as one table: mean, spread, and what both remove of the better one's errors.

Accuracy is by `lookout-model eval`, the C engine on the shipped files. Intervals are of the mean over seeds, by a bootstrap (Efron, 1979) over the
test examples: sounds and pictures are drawn anew, each by itself, and a pair counts as often as both of its examples were drawn.
"""

import dataclasses
import json
import pathlib

import numpy as np

from . import card, data, learn, report, train, tune
from .ablate import spread

DRAWS = 2000


@dataclasses.dataclass
class Run:
    """A finished run: what evaluate.figures() and `lookout-model eval` found."""

    seed: int
    sets: dict  # names of the modalities that are there -> evaluate.of_sets()
    engine: dict  # likewise -> accuracy
    robustness: list  # evaluate.robustness()
    frontier: list = dataclasses.field(default_factory=list)  # rows of tune.frontier(); none if that was not run


def read(out: pathlib.Path, folder: str, say) -> Run:
    """Of the bundle @out. @folder is the data set, or the folder that it is in."""
    path = out.with_name(out.name + ".run") / "figures.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        run = Run(found["seed"], found["sets"], {}, found["robustness"])
        root = train.data_set(folder, found["name"])
    except (OSError, ValueError, KeyError) as error:
        raise data.DataError(f"{path}: not the figures of a finished run ({error}); `models/training/run report` writes them anew") from error
    run.engine = report.by_engine(found, root, path.parent, say)
    if not run.engine:
        raise data.DataError(f"{out}: `lookout-model eval` does not answer")
    points = path.with_name("frontier.json")
    if points.is_file():
        run.frontier = list(learn.read(points)["rows"].values())
    return run


def checked(runs: list) -> list:
    """DataError if they are not the same but for the seed."""
    first = runs[0]
    for run in runs[1:]:
        if any(run.sets.get(name, {}).get("pairs") != one["pairs"] for name, one in first.sets.items()):
            raise data.DataError(f"seeds {first.seed} and {run.seed} were not tested with the same examples")
    if len({run.seed for run in runs}) < len(runs):
        raise data.DataError(f"two runs have the same seed: {' '.join(str(run.seed) for run in runs)}")
    return runs


def drawn(runs: list, seed: int = 1) -> dict:
    """name -> accuracy, mean over seeds, of each draw [DRAWS]; the same draws of examples for all names."""
    rng, sets = np.random.default_rng(seed), runs[0].sets
    names = sorted({part for name in sets for part in name.split("+")})
    counts = {part: 1 + max(one["pairs"][i][name.split("+").index(part)] for name, one in sets.items() if part in name.split("+")
                            for i in range(len(one["pairs"]))) for part in names}
    weight = {part: rng.multinomial(n, np.full(n, 1 / n), DRAWS) for part, n in counts.items()}  # [DRAWS, examples]
    found = {}
    for name, one in sets.items():
        pairs = np.array(one["pairs"])
        each = np.prod([weight[part][:, pairs[:, i]] for i, part in enumerate(name.split("+"))], axis=0)
        right = np.mean([run.sets[name]["right"] for run in runs], axis=0)
        found[name] = each @ right / np.maximum(each.sum(1), 1)
    return found


def interval(values: np.ndarray) -> str:
    low, high = np.percentile(values, (2.5, 97.5))
    return f"{100 * low:.1f} to {100 * high:.1f}"


def table(runs: list) -> str:
    """Markdown. @runs are checked()."""
    draws, sets = drawn(runs), runs[0].sets
    text = "| present | accuracy, % | by seed | 95 % interval | pairs | NLL | adaptive ECE, % |\n" + "|---" * 7 + "|\n"
    for name in sets:
        of = lambda key: np.mean([run.sets[name][key] for run in runs])
        values = [run.engine[name] for run in runs]
        text += (
            f"| {name} | {spread(values)} | {', '.join(f'{100 * value:.1f}' for value in values)} | {interval(draws[name])} | {sets[name]['n']} "
            f"| {of('nll uncalibrated'):.3f} → {of('nll'):.3f} | {100 * of('ece uncalibrated'):.1f} → {100 * of('ece'):.1f} |\n"
        )
    mean = {name: np.mean([run.engine[name] for run in runs]) for name in sets}
    everything, better = list(sets)[-1], max((name for name in sets if "+" not in name), key=mean.get)
    if everything != better:
        removed = 1 - (1 - mean[everything]) / (1 - mean[better])
        of_draws = 1 - (1 - draws[everything]) / np.maximum(1 - draws[better], 1e-9)
        gains = ", ".join(f"+{100 * (mean[everything] - mean[name]):.1f} over {name}" for name in sets if "+" not in name)
        text += f"\n{everything} removes {100 * removed:.0f} % ({interval(of_draws)}) of the errors of {better}, the better one alone; points gained: {gains}.\n"
    seeds = ", ".join(str(run.seed) for run in runs)
    return text + spoilt(runs) + frontiers(runs) + (
        f"\nSeeds {seeds}; accuracy by `lookout-model eval` on test, mean ± standard deviation. Intervals are of the mean over these seeds, by bootstrap over sounds and "
        "pictures; NLL and ECE before → after calibration. Pairs are made by label, so errors are independent and the gain of both is optimistic.\n"
    )


def spoilt(runs: list) -> str:
    """Mean over seeds for each way to spoil the sensors, and where all together are below the best one alone."""
    rows = runs[0].robustness
    text = card.by_condition(list(runs[0].sets), rows, lambda i, name: spread([run.robustness[i]["accuracy"][name] for run in runs]))
    below = ", ".join(str(sum(not row["holds"] for row in run.robustness)) for run in runs)
    return f"\n{text}\nConditions of these {len(rows)} in which all together are more than a point below the best one alone, by seed: {below}.\n"


def frontiers(runs: list) -> str:
    """Mean over seeds of accuracy over bytes, where every run has it."""
    if not all(run.frontier for run in runs):
        return ""

    def by_seed(mine, key):
        return [np.mean([row[key] for row in mine if row["seed"] == run.seed]) for run in runs]

    names = [name for name in runs[0].sets if "+" not in name]
    text = tune.frontier_cells(names, [row | {"seed": run.seed} for run in runs for row in run.frontier], by_seed)
    return f"\n{text}\nAccuracy on the held-out part of train over bytes of the encoders, percent; weights rounded, not tuned. Random: the mean of a seed's choices.\n"
