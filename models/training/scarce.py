# SPDX-License-Identifier: MIT
"""What pre-training (pretrain.py) is worth where labels are scarce.

Encoders begin from nothing, from masked patches or from clusters, and learn from 1, 10 and 100 % of the labels, each with as many
steps; besides, without any step: a linear classifier from 5 and 20 examples of each label on encoders that stay as they are.
Sounds of other labels have no labels here. Accuracy on the held-out part of train, float32. Every cell is a file of its own.
"""

import dataclasses
import json
import pathlib

import numpy as np
import torch

from . import ablate, data, encode, learn, leftout, networks, pretrain, train

STARTS = ("nothing", *pretrain.METHODS)
SHARES = (0.01, 0.1, 1.0)


class Bench:
    """One modality and one seed."""

    def __init__(self, config, root: pathlib.Path, out: pathlib.Path, modality, seed: int, say):
        self.config, self.out, self.say = dataclasses.replace(config, seed=seed), out, say
        self.modality = modality
        self.root, self.seed = root, seed

    def stage(self, share: float, run: pathlib.Path) -> encode.Stage:
        return dataclasses.replace(train.stage_of(self.config, self.root, run, self.modality, True, self.say), share=share)

    def pretrained(self, start: str) -> networks.Encoder:
        """An encoder to begin with."""
        torch.manual_seed(self.seed)
        encoder = networks.Encoder(self.modality.channels, self.modality.shape)
        if start == "nothing":
            return encoder
        path, stage = self.out / f"{self.modality.name}-{start}-{self.seed}.pretrained.pt", self.stage(1.0, self.out)
        if not path.exists():
            pretrain.train(stage, self.modality, start, self.modality.steps, path)
        pretrain.begin(encoder, path, pretrain.facts(stage, self.modality, start, self.modality.steps))
        return encoder

    def learned(self, start: str, share: float) -> dict:
        """One cell: trained with a share of the labels."""
        weights = self.pretrained(start).state_dict()
        begin = lambda encoder: encoder.load_state_dict(weights)
        run = self.out / f"{self.modality.name}-{start}-{share:g}-{self.seed}"
        keys = {key: value for key, value in self.modality.keys.items() if key not in ("other", "teacher")}  # which know more labels
        modality = dataclasses.replace(self.modality, keys=keys)
        stage = dataclasses.replace(self.stage(share, run), begin=begin)
        if not encode.path_of(stage, modality, "pt").exists():
            encode.train(stage, modality, modality.steps)
        held = self.examples(True)
        one = encode.load(stage, modality)
        shown = leftout.Shown.by(one.embed, modality, held)
        return {"accuracy": leftout.right(one.classifier, shown), "n": len(held), "examples": len(encode.found(stage, modality)[0])}

    def examples(self, held: bool) -> list:
        stage = self.stage(1.0, self.out)
        everything = data.examples(self.root, self.modality.kind, "train", stage.labels)
        return [e for e in everything if data.held_out(e, stage.parts) == held]

    def frozen(self, start: str) -> dict:
        """One cell: a linear classifier from few examples of each label, mean over draws."""
        encoder = self.pretrained(start).eval()

        def embed(x):
            with torch.no_grad():
                return torch.cat([encoder(part) for part in x.split(256)])

        kept, held = (leftout.Shown.by(embed, self.modality, part) for part in (leftout.fewer(self.examples(False)), self.examples(True)))
        rng, found, n = np.random.default_rng(self.seed), {}, int(held.labels.max()) + 1
        for shots in leftout.SHOTS:
            accuracies = []
            for _ in range(leftout.DRAWS):
                chosen = [torch.from_numpy(rng.permutation(kept.examples_of(label).numpy())[:shots]) for label in range(n)]
                accuracies.append(leftout.right(leftout.fitted([kept.only(torch.cat(chosen))], n), held))
            found[str(shots)] = float(np.mean(accuracies))
        return found


def table(results: dict, modalities, seeds: list) -> str:
    """@results  (modality, seed, start) -> {"frozen": Bench.frozen(), share: Bench.learned()}."""
    columns = [f"{100 * share:g} % of the labels" for share in SHARES] + [f"{shots} a label, frozen" for shots in leftout.SHOTS]
    text = "| sees | begins from | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 2) + "|\n"
    for modality in modalities:
        for start in STARTS:
            mine = [results[key] for seed in seeds if (key := (modality.name, seed, start)) in results]
            if not mine:
                continue
            cells = [ablate.spread([one[f"{share:g}"]["accuracy"] for one in mine]) for share in SHARES]
            cells += [ablate.spread([one["frozen"][str(shots)] for one in mine]) for shots in leftout.SHOTS]
            text += f"| {modality.name} | {start} | " + " | ".join(cells) + " |\n"
    return text


def about(config, results: dict, seeds: list) -> str:
    steps = ", ".join(f"{m.name} {m.shape}: {m.steps} steps of each kind" for m in config.modalities)
    counts = []
    for modality in config.modalities:
        one = next((found for (name, _, _), found in results.items() if name == modality.name), None)
        if one:
            counts.append(f"{modality.name}: " + ", ".join(f"{one[f'{share:g}']['examples']} ({100 * share:g} %)" for share in SHARES) + f", {one['1']['n']} held out")
    return (
        f"# Pre-training and scarce labels: {config.name}\n\nAccuracy on the held-out part of train, percent, float32; mean ± standard deviation over seeds "
        f"{' '.join(map(str, seeds))}. {steps}. Examples: {'; '.join(counts)}; of each label at least one. Pre-training saw all that is not held out and, of sounds, "
        f"those of other labels, without labels. Frozen: a linear classifier, mean over {leftout.DRAWS} draws.\n\n"
    )


def run(config, root: pathlib.Path, out: pathlib.Path, seeds: list, say, _options=None):
    """All cells that have no result yet, then OUT/scarce.md."""
    learn.settle(out / "scarce.json", {m.name: encode.settings_of(m) for m in config.modalities})
    results = {}
    for seed in seeds:
        for modality in config.modalities:
            for start in STARTS:
                bench = Bench(config, root, out, modality, seed, say)
                path = out / f"{modality.name}-{start}-{seed}.json"
                if not path.exists():
                    say(f"{modality.name} from {start}, seed {seed}")
                    found = {f"{share:g}": bench.learned(start, share) for share in SHARES} | {"frozen": bench.frozen(start)}
                    learn.write(path, json.dumps(found, indent=1) + "\n")
                results[modality.name, seed, start] = learn.read(path)
                learn.write(out / "scarce.md", about(config, results, seeds) + table(results, config.modalities, seeds))
    say(f"{out / 'scarce.md'} is ready")
