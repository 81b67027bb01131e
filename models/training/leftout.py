# SPDX-License-Identifier: MIT
"""Labels that nothing was trained on: what is answered to them, and how well they are learned later from a few examples.

Labels are left out in turns, a few at a time. Float encoders and head are trained on the rest as train.py does, with the preset's
steps or fewer, but without pre-training and without examples that a script makes. Then the left-out labels' examples are shown to them (unknown.py), and a label is taught from 5 and 20 of its
examples: the encoders stay as they are, only a linear classifier on their embeddings is fitted anew. All figures are of
examples that were not trained on. Every turn is a file of its own in OUT; a run that was stopped goes on.
"""

import dataclasses
import json
import pathlib

import numpy as np
import torch
from torch.nn import functional

from . import ablate, data, encode, evaluate, fuse, learn, train, unknown

TURNS = 5
SHOTS, DRAWS = (5, 20), 5
MOST_EXAMPLES = 200  # of a label: to teach known labels with, and of one that was left out
DECAY, FIT_STEPS = 1e-4, 60  # of the linear classifier, by L-BFGS


def turns(labels: list) -> list:
    """Which labels are left out in each turn."""
    n = min(TURNS, len(labels))
    return [tuple(labels[i::n]) for i in range(n)]


def area(known: np.ndarray, other: np.ndarray) -> float:
    """Under the ROC: how often a known example's best score is above an other's; ties count half."""
    both = np.sort(other)
    below = np.searchsorted(both, known, "left") + np.searchsorted(both, known, "right")
    return float(below.mean() / (2 * len(other)))


def fewer(examples: list) -> list:
    """At most MOST_EXAMPLES of each label, the same in every run."""
    found, count = [], {}
    for example in sorted(examples, key=data.share_of):
        count[example.label] = count.get(example.label, 0) + 1
        if count[example.label] <= MOST_EXAMPLES:
            found.append(example)
    return found


@dataclasses.dataclass
class Shown:
    """Embeddings of examples."""

    x: torch.Tensor  # [windows, items]
    labels: torch.Tensor  # [windows]
    numbers: torch.Tensor  # [windows], of the example

    @staticmethod
    def by(embed, modality, examples: list) -> "Shown":
        x, labels, numbers = encode.features_of(examples, modality)
        return Shown(embed(x), labels, numbers)

    def only(self, chosen: torch.Tensor) -> "Shown":
        """The examples with these numbers."""
        which = torch.isin(self.numbers, chosen)
        return Shown(self.x[which], self.labels[which], self.numbers[which])

    def examples_of(self, label: int) -> torch.Tensor:
        return torch.unique(self.numbers[self.labels == label])


def fitted(parts: list, n_labels: int) -> tuple:
    """Weights and bias of a linear classifier on what @parts show; labels count alike."""
    x, y = torch.cat([part.x for part in parts]), torch.cat([part.labels for part in parts])
    weight = learn.label_weights(y.numpy(), n_labels, 1.0)
    w, b = torch.zeros(n_labels, x.shape[1], requires_grad=True), torch.zeros(n_labels, requires_grad=True)
    tuner = torch.optim.LBFGS([w, b], max_iter=FIT_STEPS, line_search_fn="strong_wolfe")

    def loss():
        tuner.zero_grad()
        found = functional.cross_entropy(x @ w.T + b, y, weight, reduction="sum") / len(y) + DECAY * w.square().sum()
        found.backward()
        return found

    tuner.step(loss)
    return w.detach(), b.detach()


def right(classifier: tuple, shown: Shown) -> float:
    """Share of the examples that are answered right, by the mean over their windows."""
    w, b = classifier
    p, (names, place) = (shown.x @ w.T + b).softmax(1), torch.unique(shown.numbers, return_inverse=True)
    total = torch.zeros(len(names), p.shape[1]).index_add_(0, place, p)
    labels = torch.zeros(len(names), dtype=torch.long).scatter_(0, place, shown.labels)
    return float((total.argmax(1) == labels).float().mean())


def taught(known: Shown, held: Shown, new: Shown, n_labels: int, seed: int) -> dict:
    """
    shots -> shares that are right, for one new label of number @n_labels.
    @known  to fit on; @held  to ask; @new  all examples of the new label.
    """
    rng, found = np.random.default_rng(seed), {}
    before = right(fitted([known], n_labels), held)
    numbers = torch.unique(new.numbers)
    for shots in SHOTS:
        if len(numbers) < 2 * shots:
            continue
        rows = []
        for _ in range(DRAWS):
            order = numbers[torch.from_numpy(rng.permutation(len(numbers)))]
            one = fitted([known, new.only(order[:shots])], n_labels + 1)
            rows.append({"new": right(one, new.only(order[shots:])), "known": right(one, held), "known before": before})
        found[str(shots)] = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    return found


class Turn:
    """Encoders and head without some labels, and what was left out."""

    def __init__(self, config, root: pathlib.Path, out: pathlib.Path, without: tuple, seed: int, say):
        self.config, self.root, self.without, self.seed = dataclasses.replace(config, seed=seed), root, without, seed
        self.folder = out / f"{'+'.join(without)}-{seed}"
        self.stages = {}
        for modality in config.modalities:
            stage = train.stage_of(self.config, root, self.folder, modality, True, say)
            self.stages[modality.name] = dataclasses.replace(stage, without=without)

    @property
    def labels(self) -> list:
        return next(iter(self.stages.values())).labels

    def trained(self, modality) -> encode.Trained:
        stage = self.stages[modality.name]
        if not encode.path_of(stage, modality, "pt").exists():
            encode.train(stage, modality, modality.steps)
        return encode.load(stage, modality)

    def examples(self, modality) -> tuple:
        """Of known labels: trained on, held out; of the left-out ones."""
        everything = data.examples(self.root, modality.kind, "train", self.labels)
        parts = self.stages[modality.name].parts
        kept, held = ([e for e in everything if data.held_out(e, parts) == side] for side in (False, True))
        left = data.examples(self.root, modality.kind, "train", list(self.without))
        return fewer(kept), held, fewer(left)

    def run(self) -> dict:
        modalities = self.config.modalities
        trained = [self.trained(modality) for modality in modalities]
        known, held, left = ([Shown.by(one.embed, one.modality, found) for one, found in zip(trained, side)]
                             for side in zip(*[self.examples(modality) for modality in modalities]))
        fusion = fuse.fit([fuse.Held(shown.x, shown.labels) for shown in held], [one.classifier for one in trained], self.seed, self.others(trained))
        found = {"unknown": self.unknown(trained, fusion, held, left), "few": {}}
        for i, modality in enumerate(modalities):
            for label, name in enumerate(self.without):
                new = left[i].only(left[i].examples_of(label))
                new.labels = torch.full_like(new.labels, len(self.labels))
                found["few"][f"{modality.name} {name}"] = taught(known[i], held[i], new, len(self.labels), self.seed)
        return found

    def others(self, trained: list) -> dict:
        """As train.embeddings() has them."""
        found = {}
        for i, one in enumerate(trained):
            examples = data.others(self.root, one.modality.keys, len(self.labels)) if self.config.none else []
            if examples:
                found[i] = Shown.by(one.embed, one.modality, examples).x
        return found

    def unknown(self, trained: list, fusion, held: list, left: list) -> dict:
        sides = [[self.side(one, shown) for one, shown in zip(trained, part)] for part in (held, left)]
        found = {}
        for chosen in fuse.sets_of(len(trained)):
            (p, truth), (p_left, _) = (evaluate.answers(fusion, part, chosen) for part in sides)
            kept = unknown.keeping(p, truth)
            own, theirs = (unknown.row(one, self.config, self.labels, kept) for one in (p, p_left))
            facts = {"accuracy": evaluate.accuracy(p, truth), "area": area(p.max(1), p_left.max(1)), "known answered": own["answered"]}
            found[evaluate.named(self.config.modalities, chosen)] = {**theirs, **facts}
        return found

    @staticmethod
    def side(one: encode.Trained, shown: Shown) -> evaluate.Side:
        w, b = one.classifier
        return evaluate.Side(shown.x @ w.T + b, shown.labels, shown.numbers)


def by_seed(results: dict, seeds: list, values_of) -> str:
    """`mean ± standard deviation` over seeds of the mean over turns. @results  (without, seed) -> what Turn.run() gave."""
    means = []
    for seed in seeds:
        found = [value for (_, its), one in results.items() if its == seed for value in values_of(one)]
        means += [float(np.mean(found))] if found else []
    return ablate.spread(means) if means else ""


def table(results: dict) -> str:
    seeds, first = sorted({seed for _, seed in results}), next(iter(results.values()))
    text = "## What is answered to labels that were left out\n\n"
    text += "| sees | examples | accuracy, known | not unknown, known | not unknown, left out | not unknown, 95 % kept | reported | area |\n" + "|---" * 8 + "|\n"
    for name in first["unknown"]:
        keys = ("accuracy", "known answered", "answered", "answered, 95 % kept", "reported", "area")
        n = sum(one["unknown"][name]["n"] for (_, seed), one in results.items() if seed == seeds[0])
        cells = " | ".join(by_seed(results, seeds, lambda one, key=key: [one["unknown"][name][key]]) for key in keys)
        text += f"| {name} | {n} | {cells} |\n"
    text += "\n## A new label from a few examples, encoders as they are\n\n| sees | examples | new label | known before | known after |\n|---|---|---|---|---|\n"
    for modality in dict.fromkeys(name.split()[0] for name in first["few"]):
        for shots in map(str, SHOTS):
            def values(one, key):
                return [cell[shots][key] for name, cell in one["few"].items() if name.split()[0] == modality and shots in cell]

            if any(values(one, "new") for one in results.values()):
                cells = " | ".join(by_seed(results, seeds, lambda one, key=key: values(one, key)) for key in ("new", "known before", "known"))
                text += f"| {modality} | {shots} | {cells} |\n"
    return text


def about(config, results: dict, labels: list) -> str:
    steps = ", ".join(f"{m.name} {m.shape}: {m.steps} steps" for m in config.modalities)
    turn_names = "; ".join(" ".join(without) for without in turns(labels))
    return (
        f"# Labels that were left out: {config.name}\n\nLeft out in turns: {turn_names}. Float encoders ({steps}). {len(results)} turns, seeds "
        f"{' '.join(map(str, sorted({seed for _, seed in results})))}. Percent, mean over turns, then mean ± standard deviation over seeds. Known labels' figures "
        "are of the held-out part of train, on which the head was fitted too; left-out labels' examples are all from train, which nothing here was trained "
        f"on. Sound and picture are paired by label. `unknown` = {config.head.get('unknown', 0)}; 95 % kept: with a threshold that lets 95 % of the right answers "
        f"through. A new label is taught {DRAWS} times, with other examples each time.\n\n"
    )


def run(config, root: pathlib.Path, out: pathlib.Path, seeds: list, say, _options=None):
    """All turns that have no result yet, then OUT/leftout.md."""
    labels = data.labels_of(root, [m.kind for m in config.modalities])
    if len(labels) < 3:
        raise data.DataError(f"{root}: {len(labels)} labels; to leave one out there must be three")
    facts = {"head": config.head, "detector": config.detector, "none": config.none} | {m.name: encode.settings_of(m) for m in config.modalities}
    learn.settle(out / "leftout.json", facts)
    results = {}
    for seed in seeds:
        for without in turns(labels):
            turn = Turn(config, root, out, without, seed, say)
            turn.folder.mkdir(parents=True, exist_ok=True)
            path = turn.folder / "result.json"
            if not path.exists():
                say(f"without {', '.join(without)}, seed {seed}")
                learn.write(path, json.dumps(turn.run(), indent=1) + "\n")
            results[without, seed] = learn.read(path)
            learn.write(out / "leftout.md", about(config, results, labels) + table(results))
    say(f"{out / 'leftout.md'} is ready")
