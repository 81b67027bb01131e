# SPDX-License-Identifier: MIT
"""Between float encoders and the bundle: bits for each layer within the budget, then tuning with these bits.

`[quantisation] budget_bytes` holds for the files of all encoders and the head together. README.md tells the keys.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
import statistics

import torch

from . import ablate, allocate, distil, encode, fuse, learn, tflite

MEASURE_BATCHES = 16  # for the change of loss
BUDGET_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.2, 0.0)  # of what 4 bits can save, points of the frontier
RANDOM_CHOICES = 5


def head_bytes(config, n_labels: int) -> int:
    """Of a head that knows nothing: its size is the same."""
    n = len(config.modalities)
    fusion = fuse.Fusion(torch.ones(n), torch.zeros(n_labels, n), torch.zeros(n_labels), {})
    zeros = [torch.zeros(n_labels, m.shape.embedding) for m in config.modalities]
    classifiers = [(values, torch.zeros(n_labels)) for values in zeros]
    return len(tflite.model(fuse.graph(fusion, classifiers, zeros)))


def rounded_classifier(stage, modality) -> tuple:
    """(networks.Classifier with a quantise.Encoder of 8 bits, its file), from the float one that was trained."""
    trained = encode.load(stage, modality)
    trained.model.encoder = trained.rounded()
    return trained.model.eval()


def digest(stage, modality) -> str:
    """SHA-256 of the float encoder's file."""
    return hashlib.sha256(encode.path_of(stage, modality, "pt").read_bytes()).hexdigest()


def fixed_batches(stage, modality) -> tuple:
    """Batches as training draws them, the same every time; and what is held out."""
    torch.manual_seed(stage.config.seed)
    batches, kept, _ = encode.prepare(stage, modality)
    return [batches() for _ in range(MEASURE_BATCHES)], kept


class Budget:
    """The encoders of a run at 8 bits, what each layer's 4 bits cost and save, and what the files may have."""

    def __init__(self, config, stage_of):
        self.models, self.kept, self.items, self.encoders = {}, {}, [], {}
        self.labels = stage_of(config.modalities[0]).labels
        self.head = head_bytes(config, len(self.labels))
        self.bytes_8 = self.head
        for modality in config.modalities:
            stage = stage_of(modality)
            model = rounded_classifier(stage, modality)
            batches, self.kept[modality.name] = fixed_batches(stage, modality)
            self.bytes_8 += allocate.file_bytes(model.encoder, modality.name, (modality.channels, *modality.size))
            self.items += self.measured(stage, modality, model, batches)
            self.models[modality.name] = model
            self.encoders[modality.name] = digest(stage, modality)

    @staticmethod
    def measured(stage, modality, model, batches: list) -> list:
        """allocate.measure(), or what it found before for the same encoder."""
        path, encoder = stage.run / f"{modality.name}.sensitivity.json", digest(stage, modality)
        if path.is_file():
            found = learn.read(path)
            if found["encoder"] == encoder:
                return [allocate.Item(**row) for row in found["layers"]]
        stage.say(f"{modality.name}: what does 4 bits cost in each of {len(model.encoder.layers)} layers?")
        items = allocate.measure(model, modality.name, (modality.channels, *modality.size), batches)
        learn.write(path, json.dumps({"encoder": encoder, "layers": [dataclasses.asdict(item) for item in items]}, indent=1) + "\n")
        return items

    @property
    def most_saved(self) -> int:
        return sum(item.saved_bytes for item in self.items)

    def bytes_of(self, chosen: list) -> int:
        return self.bytes_8 - sum(item.saved_bytes for item in chosen)

    def facts(self, chosen: list) -> dict:
        return {"bytes": self.bytes_of(chosen), "bytes_8": self.bytes_8, "bytes_4": self.bytes_8 - self.most_saved}


def choose(config, stage_of, path, say):
    """Measure, choose the layers that get 4 bits, and write that to @path."""
    budget = Budget(config, stage_of)
    least, allowed = budget.bytes_8 - budget.most_saved, config.quantisation.budget_bytes
    if allowed < least:
        raise encode.data.DataError(
            f"[quantisation] budget_bytes = {allowed}: with all layers at 4 bits the files still have {least} bytes; "
            "allow more, or make the encoders smaller"
        )
    chosen = allocate.knapsack(budget.items, budget.bytes_8 - allowed)
    allocate.write(path, budget.items, chosen, budget.facts(chosen) | {"budget_bytes": allowed})
    sizes = f"{budget.bytes_of(chosen)} bytes, at 8 bits {budget.bytes_8}, allowed {allowed}"
    say(f"{len(chosen)} of {len(budget.items)} layers get 4 bits: {sizes}")


def frontier(config, stage_of, path, say):
    """
    Loss and accuracy on what is held out over bytes, not tuned: by knapsack, at random, and the worst way round. @path is a table; points
    lie beside it as JSON, so that a run that was stopped goes on.
    """
    budget, points = Budget(config, stage_of), path.with_suffix(".json")
    found = learn.read(points) if points.is_file() else {}
    rows = found["rows"] if found.get("encoders") == budget.encoders else {}
    n_points = len(BUDGET_SHARES) * (2 + RANDOM_CHOICES)
    figures_of = functools.cache(lambda name, bits: held_figures(budget, config.modality(name), dict(bits)))
    for share in BUDGET_SHARES:
        to_save = round(budget.most_saved * (1 - share))
        choices = [("knapsack", 0, allocate.knapsack(budget.items, to_save)), ("inverse", 0, allocate.inverse(budget.items, to_save))]
        choices += [("random", seed, allocate.random(budget.items, to_save, seed)) for seed in range(RANDOM_CHOICES)]
        for choice, seed, chosen in choices:
            key = f"{share:g} {choice} {seed}"
            if key in rows:
                continue
            rows[key] = {"choice": choice, "share": share, "bytes": budget.bytes_of(chosen)}
            for name, bits in allocate.bits_of(budget.items, chosen).items():
                rows[key] |= figures_of(name, tuple(bits.items()))
            learn.write(points, json.dumps({"encoders": budget.encoders, "rows": rows}, indent=1) + "\n")
            say(f"{learn.bar(len(rows), n_points)} {choice}: {rows[key]['bytes']} bytes")
    learn.write(path, allocate.as_csv(list(rows.values())))
    learn.write(path.with_suffix(".md"), frontier_table(list(rows.values()), [m.name for m in config.modalities]))
    say(f"{path}: {len(rows)} points; `report` puts them into report.html")


def frontier_table(rows: list, names: list) -> str:
    """Markdown of one run: accuracy by choice; of the random ones mean and standard deviation of choices."""
    text = frontier_cells(names, rows, lambda mine, key: [row[key] for row in mine])
    return text + "\nAccuracy on the held-out part of train, percent; weights rounded, not tuned. Random: mean ± standard deviation of choices.\n"


def frontier_cells(names: list, rows: list, values) -> str:
    """@rows  of one run or of several. @values(rows of a cell, column)  whose mean and spread the cell is."""
    columns = [(choice, name) for name in names for choice in ("knapsack", "random", "inverse")]
    text = "| bytes by knapsack | " + " | ".join(f"{name}, {choice}" for choice, name in columns) + " |\n" + "|---" * (len(columns) + 1) + "|\n"
    for share in dict.fromkeys(row["share"] for row in rows):
        mine = [row for row in rows if row["share"] == share]
        size = statistics.fmean(row["bytes"] for row in mine if row["choice"] == "knapsack")
        cells = [ablate.spread(values([row for row in mine if row["choice"] == choice], f"{name} accuracy")) for choice, name in columns]
        text += f"| {size:,.0f} | " + " | ".join(cells) + " |\n"
    return text


def held_figures(budget: Budget, modality, bits: dict) -> dict:
    model = budget.models[modality.name]
    model.encoder.use(bits)
    examples, _ = kept = budget.kept[modality.name]
    p = encode.probabilities(model, modality, kept, len(budget.labels))
    model.encoder.use({layer: 8 for layer in bits})
    y = torch.tensor([e.label for e in examples])
    loss = -p[torch.arange(len(y)), y].clamp(min=1e-9).log().mean()
    right = (p.argmax(1) == y).float().mean()
    return {f"{modality.name} accuracy": round(float(right), 4), f"{modality.name} loss": round(float(loss), 4)}


def followed(stage, source, modality) -> list:
    """The float networks whose logits are followed: the ensemble of the one that is tuned, and those of other runs."""
    models = [encode.load(source.member(number), modality).model for number in range(1, modality.ensemble + 1)]
    for folder in stage.config.quantisation.teachers:
        other = dataclasses.replace(source, run=pathlib.Path(folder))
        models.append(encode.load(other, modality, any_settings=True).model)
    return models


def following(models: list, weight: float, **how):
    """Cross-entropy with the labels (learn.label_loss(@how)), and with what @models say of the same features on average."""

    def loss_of(model, batch, drop: float):
        x, y, weights = batch
        x = x.contiguous(memory_format=torch.channels_last)
        logits = model(x, drop)
        labels = learn.label_loss(logits, y, weights, **how)
        with torch.no_grad():
            theirs = torch.stack([other(x) for other in models]).mean(0)
        return labels + weight * distil.logits_loss(logits, theirs)

    return loss_of


def tune(stage, source, modality, bits: dict):
    """
    Train on with rounded weights and activations; the result lies at encode.path_of(..., "tuned.pt").
    @source  the stage whose float encoder is the beginning.
    """
    trained = encode.load(source, modality)
    model = trained.model
    model.encoder = trained.rounded().use(bits)
    torch.manual_seed(stage.config.seed)
    batches, kept, n_targets = encode.prepare(stage, modality)
    if n_targets != model.logits.out_features:
        raise encode.data.DataError(f"{encode.path_of(source, modality, 'pt')}: has {model.logits.out_features} targets, not {n_targets}")

    steps = modality.tune_steps

    def before(step: int):
        model.encoder.set_ranges(moves=step < steps // 2)

    checkpoint = encode.path_of(stage, modality, "tuned.checkpoint")
    made_with = encode.made_with(stage, modality, bits)
    settings = learn.Settings(steps, modality.tune_rate, modality.decay, modality.drop, stage.config.seed, made_with)
    judge = encode.judge_of(modality, kept, len(stage.labels))
    say = lambda text: stage.say(f"{modality.name}, tuned: {text}")
    before(0)
    follow = stage.config.quantisation.follow
    how = encode.labels_loss(stage, modality)
    loss_of = following(followed(stage, source, modality), follow, **how) if follow else functools.partial(learn.cross_entropy, **how)
    model = learn.train(model, batches, settings, checkpoint, say, judge, before, loss_of)
    encode.keep(stage, modality, "tuned.pt", model, n_targets, trained.calibration, bits)
    checkpoint.unlink(missing_ok=True)
