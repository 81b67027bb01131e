# SPDX-License-Identifier: MIT
"""Search for an encoder's depth, width and input within a budget of bytes, arena and multiply-adds, with the engine as the judge.

Regularised evolution (Real et al., arXiv 1802.01548): the first networks are the preset's own and random ones, then the best of a few drawn
from the last ones is changed in one place. Each is planned and run by the engine before it is trained; what does not fit is not trained. Training is short: it
ranks, no more. In the end the best and the preset's own network are trained longer with several seeds, beside each other. Every trial is
a file of its own in OUT; a search that was stopped goes on.
"""

import dataclasses
import json
import pathlib
import tempfile

import numpy as np

from . import ablate, config as presets, data, encode, learn, networks, sizes, train

BYTES = "bytes, 8 bits"
LIMITS = (BYTES, "arena bytes", "multiply-adds")  # columns of sizes.py
POPULATION, DRAWN = 12, 4
TRIES = 300  # to find a network within the budget
LEAST_SHARE = 0.5  # of the budget's bytes, of a random network
STEP_MS, BANDS, SIDES_PX = (10, 20, 25, 50), (16, 24, 32, 40, 48, 64), (16, 24, 32, 40, 48)
STEMS, WIDTHS = range(4, 49, 4), range(8, 321, 8)
DEPTHS = range(2, 13)  # blocks


@dataclasses.dataclass(frozen=True)
class Network:
    """What is searched for."""

    keys: tuple  # (key, value) of the input
    shape: networks.Shape

    def of(self, modality) -> presets.Modality:
        """@modality with this network."""
        return dataclasses.replace(modality, shape=self.shape, keys=modality.keys | dict(self.keys))

    def written(self) -> dict:
        return {"keys": dict(self.keys), "shape": str(self.shape)}

    @staticmethod
    def read(found: dict) -> "Network":
        return Network(tuple(found["keys"].items()), networks.Shape.read(found["shape"]))


def inputs_of(modality) -> dict:
    """Keys of the input and what they may be."""
    if modality.kind == "picture":
        return {"size_px": [f"{side}x{side}" for side in SIDES_PX]}
    hop_ms = float(modality.keys["hop_ms"])
    return {"step_ms": [str(step) for step in STEP_MS if hop_ms % step == 0], "bands": [str(bands) for bands in BANDS]}


def own(modality) -> Network:
    """The preset's."""
    return Network(tuple((key, modality.keys[key]) for key in inputs_of(modality)), modality.shape)


def nearest(allowed, wanted: float) -> int:
    return min(allowed, key=lambda one: abs(one - wanted))


def drawn(rng, modality) -> Network:
    """Any network: blocks that get wider, two or three of them with stride 2."""
    keys = tuple((key, str(rng.choice(values))) for key, values in inputs_of(modality).items())
    n, width = int(rng.integers(DEPTHS[0], 10)), float(rng.integers(2, 9) * 8)
    strided = set(rng.choice(n, min(n, int(rng.integers(1, 4))), replace=False).tolist())
    blocks = []
    for i in range(n):
        width *= float(rng.uniform(1, 1.6))
        blocks.append((nearest(WIDTHS, width), 2 if i in strided else 1))
    return Network(keys, networks.Shape(int(rng.choice(STEMS)), int(rng.integers(1, 3)), tuple(blocks), modality.shape.embedding))


def narrower(network: Network) -> Network:
    """All blocks and the stem with fewer channels; the same if there are no fewer."""
    shape = network.shape
    blocks = tuple((nearest(WIDTHS, 0.75 * width), stride) for width, stride in shape.blocks)
    return dataclasses.replace(network, shape=dataclasses.replace(shape, stem=nearest(STEMS, 0.75 * shape.stem), blocks=blocks))


def changed(rng, network: Network, modality) -> Network:
    """The same but for one thing."""
    shape, blocks = network.shape, list(network.shape.blocks)
    i = int(rng.integers(len(blocks)))
    width, stride = blocks[i]
    what = rng.choice(["width", "add", "remove", "stride", "all", "stem", "stem stride", "input"])
    if what == "width":
        blocks[i] = (nearest(WIDTHS, width * float(rng.choice([0.7, 0.85, 1.2, 1.4]))), stride)
    elif what == "add" and len(blocks) + 1 in DEPTHS:
        blocks.insert(i + 1, (width, 1))
    elif what == "remove" and len(blocks) - 1 in DEPTHS:
        del blocks[i]
    elif what == "stride":
        blocks[i] = (width, 3 - stride)
    elif what == "all":
        by = float(rng.choice([0.8, 0.9, 1.1, 1.25]))
        blocks = [(nearest(WIDTHS, one * by), its) for one, its in blocks]
    elif what == "stem":
        shape = dataclasses.replace(shape, stem=int(rng.choice(STEMS)))
    elif what == "stem stride":
        shape = dataclasses.replace(shape, stem_stride=3 - shape.stem_stride)
    keys = dict(network.keys)
    if what == "input":
        key = str(rng.choice(list(keys)))
        keys[key] = str(rng.choice(inputs_of(modality)[key]))
    return Network(tuple(keys.items()), dataclasses.replace(shape, blocks=tuple(blocks)))


def is_sound(network: Network, modality) -> bool:
    """Something is left of the input in the last map."""
    stride = network.shape.stem_stride
    for _, its in network.shape.blocks:
        stride *= its
    return min(network.of(modality).size) >= 2 * stride


class Judge:
    """The engine: what networks cost, and whether that is within the budget."""

    def __init__(self, modality, budget: dict):
        """@budget  column of sizes.py -> most; what is not there is the preset's own."""
        self.modality, self.folder = modality, tempfile.TemporaryDirectory()
        own_cost = self.cost(own(modality))
        self.budget = {key: budget.get(key) or own_cost[key] for key in LIMITS}

    def cost(self, network: Network, ms: int = 1) -> dict:
        return sizes.figures(network.of(self.modality), pathlib.Path(self.folder.name), ms)

    def fits(self, cost: dict) -> bool:
        return all(cost[key] <= most for key, most in self.budget.items())


class Search:
    """The trials of one modality, of which some are done."""

    def __init__(self, config, root: pathlib.Path, out: pathlib.Path, modality, options, say):
        self.config, self.root, self.out, self.modality, self.say = config, root, out, modality, say
        self.options, self.judge, self.trials = options, Judge(modality, options.budget), []
        out.mkdir(parents=True, exist_ok=True)
        learn.settle(out / "search.json", encode.settings_of(modality) | {"budget": self.judge.budget, "seed": config.seed})

    def proposed(self, number: int) -> tuple:
        """A network within the budget that was not tried yet, and what it costs. The same for the same trials before."""
        rng, seen = np.random.default_rng([self.config.seed, number]), {json.dumps(trial["network"]) for trial in self.trials}
        if number == 0 and self.judge.fits(cost := self.judge.cost(own(self.modality))):
            return own(self.modality), cost
        best = network = None
        for _ in range(TRIES):
            if number < POPULATION:
                less = narrower(network) if network else None  # than what did not fit
                network = less if less != network else drawn(rng, self.modality)
            else:
                last = self.trials[-POPULATION:]
                parent = min((last[i] for i in rng.choice(len(last), DRAWN, replace=False)), key=lambda trial: trial["loss"])
                network = changed(rng, Network.read(parent["network"]), self.modality)
            if not is_sound(network, self.modality) or json.dumps(network.written()) in seen:
                network = None
                continue
            cost = self.judge.cost(network)
            if not self.judge.fits(cost):
                continue
            if number >= POPULATION or cost[BYTES] >= LEAST_SHARE * self.judge.budget[BYTES]:
                return network, cost
            best, network = max(best or (network, cost), (network, cost), key=lambda one: one[1][BYTES]), None
        if not best:
            raise data.DataError(f"{self.modality.name}: no network of the search fits {self.judge.budget}; allow more")
        return best

    def trained(self, network: Network, steps: int, seed: int, run: pathlib.Path) -> dict:
        modality = dataclasses.replace(network.of(self.modality), steps=steps)
        return train.tried(dataclasses.replace(self.config, seed=seed), self.root, run, modality, self.say)

    def once(self, name: str, wanted: dict, make) -> dict:
        """@wanted and what @make gives, or gave for the same."""
        path = self.out / f"{name}.json"
        found = learn.read(path) if path.exists() else None
        if found is None or any(found.get(key) != value for key, value in wanted.items()):
            found = wanted | make()
            learn.write(path, json.dumps(found, indent=1) + "\n")
        return found

    def final(self, name: str, network: Network, seed: int) -> dict:
        steps = self.options.final_steps
        wanted = {"network": network.written(), "steps": steps}  # more trials may have found another
        return self.once(f"final-{name}-{seed}", wanted, lambda: self.trained(network, steps, seed, self.out / "final"))

    def trial(self, number: int) -> dict:
        network, cost = self.proposed(number)
        self.say(f"{self.modality.name}, trial {number + 1} of {self.options.trials}: {network.shape}, {dict(network.keys)}, {cost[BYTES]:,} bytes")
        run = self.out / f"trial-{number:03d}"
        return {"network": network.written(), "cost": cost} | self.trained(network, self.modality.steps, self.config.seed, run)

    def run(self, seeds: list) -> str:
        for number in range(self.options.trials):
            self.trials.append(self.once(f"trial-{number:03d}", {}, lambda: self.trial(number)))
        best = min(self.trials, key=lambda trial: trial["loss"])
        rows = {}
        for file, name, network in (("own", "the preset's", own(self.modality)), ("best", "searched", Network.read(best["network"]))):
            rows[name] = network, self.judge.cost(network, ms=300), [self.final(file, network, seed) for seed in seeds]
        return self.table(rows, best)

    def table(self, rows: dict, best: dict) -> str:
        columns = ("multiply-adds", "bytes, 8 bits", "arena bytes", "microseconds")
        budget = ", ".join(f"{key} {most:,}" for key, most in self.judge.budget.items())
        text = f"## {self.modality.name}\n\nBudget: {budget}. {len(self.trials)} networks of {self.modality.steps} steps; the best had {100 * best['accuracy']:.1f} %, "
        text += f"loss {best['loss']:.3f}, on {best['n']} held-out examples. Then {self.options.final_steps} steps:\n\n"
        text += "| network | sees | stem, blocks, embedding | " + " | ".join(columns) + " | accuracy, % | loss |\n" + "|---" * (len(columns) + 5) + "|\n"
        for name, (network, cost, final) in rows.items():
            sees = "x".join(map(str, (*network.of(self.modality).size, self.modality.channels)))
            cells = [f"{cost[key]:,}" for key in columns] + [ablate.spread([one["accuracy"] for one in final])]
            cells.append(ablate.spread([one["loss"] for one in final], 1, 3))
            text += f"| {name} | {sees} | {network.shape} | " + " | ".join(cells) + " |\n"
        return text


def run(config, root: pathlib.Path, out: pathlib.Path, seeds: list, say, options):
    """OUT/search.md. @options has trials, final_steps, modality (None: all) and budget."""
    sizes.check_program()
    text = f"# Search within a budget: {config.name}\n\nAccuracy and loss on the held-out part of train, by which the best was chosen, float32; "
    text += f"mean ± standard deviation over seeds {' '.join(map(str, seeds))}.\n\n"
    for modality in [config.modality(options.modality)] if options.modality else config.modalities:
        text += Search(config, root, out / modality.name, modality, options, say).run(seeds) + "\n"
        learn.write(out / "search.md", text)
    say(f"{out / 'search.md'} is ready")
