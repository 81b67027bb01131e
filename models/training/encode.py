# SPDX-License-Identifier: MIT
"""Train the encoder of one modality, and use it: embeddings and an int8 graph."""

import dataclasses
import functools
import math
import pathlib

import numpy as np
import torch

from . import data, features, follow, learn, networks, picture, quantise, sound
from .graph import range_parameters

PIXEL_SCALE, PIXEL_ZERO_POINT = float(np.float32(1 / 255)), -128  # every pixel value has its own int8
FRONT_END = {"window_ms", "frame_ms", "step_ms", "bands", "low_hz", "high_hz", "floor", "size_px", "colour", "crop"}
LOUDEST = 10.5  # natural logarithm of the energy of a band at full scale, about
MEMBER_SEEDS = 1000  # between the seeds of an ensemble
CALIBRATION_BATCHES = 16  # of training examples, for the ranges of activations


@dataclasses.dataclass
class Stage:
    """What all of a run's stages know."""

    config: object
    root: pathlib.Path  # the data set
    extra: list  # more folders laid out alike, for training only
    run: pathlib.Path  # checkpoints and results
    parts: int  # one in so many is held out; 0: none
    say: object
    without: tuple = ()  # labels that are left out
    share: float = 1.0  # of the examples to train on
    begin: object = None  # function that gives an encoder its first weights

    def member(self, number: int) -> "Stage":
        """The stage of another encoder of an ensemble, with a seed of its own; the first is the stage itself."""
        if number == 1:
            return self
        config = dataclasses.replace(self.config, seed=self.config.seed + MEMBER_SEEDS * (number - 1))
        return dataclasses.replace(self, config=config, run=self.run / f"member-{number}")

    @property
    def labels(self) -> list:
        return [label for label in data.labels_of(self.root, [m.kind for m in self.config.modalities]) if label not in self.without]


def path_of(stage: Stage, modality, suffix: str) -> pathlib.Path:
    return stage.run / f"{modality.name}-{'held' if stage.parts else 'all'}.{suffix}"


def found(stage: Stage, modality):
    """Examples to train on, held-out ones, other labels' (their own classes), and ones that show nothing (label -1)."""
    everything = data.examples(stage.root, modality.kind, "train", stage.labels)
    for extra in stage.extra:
        everything += data.examples(extra, modality.kind, "train", stage.labels)
    kept = data.share_of_each([e for e in everything if not data.held_out(e, stage.parts)], stage.share)
    held = [e for e in everything if data.held_out(e, stage.parts)]
    other = data.others(stage.root, modality.keys, len(stage.labels))
    nothing = [e for extra in stage.extra for e in data.nothing(extra, modality.kind)]
    kept_nothing = [e for e in nothing if not data.held_out(e, stage.parts)]
    stage.say(
        f"{modality.name}: {len(kept)} examples to train on, {len(held)} held out, {len(other)} of other labels, "
        f"{len(kept_nothing)} of nothing"
    )
    return kept, held, other, kept_nothing


def clips_of(examples: list, modality) -> sound.Clips:
    rows = [features.rows(features.samples(e.path), modality.keys) for e in examples]
    return sound.Clips.join(rows, [e.label for e in examples])


def batches_of(examples: list, modality, n_labels: int):
    """Batches of @examples; labels from n_labels on are other targets, -1 is nothing."""
    y = np.array([e.label for e in examples], dtype=np.int64)
    n_targets = int(y.max()) + 1
    weights = learn.label_weights(y[y >= 0], n_targets, modality.balance)
    if modality.kind == "picture":
        return picture.Batches(modality, data.pictures(examples, modality), y, weights, n_targets)
    return sound.Batches(modality, clips_of(examples, modality), weights, n_targets, n_labels)


def prepare(stage: Stage, modality, examples: tuple = None):
    """Batches to train on, what is held out (examples, features), number of targets. @examples  what found() gave."""
    kept, held, other, nothing = examples or found(stage, modality)
    batches = batches_of(kept + other + nothing, modality, len(stage.labels))
    return batches, given(held, modality), batches.n_targets


def given(held: list, modality) -> tuple:
    """Held-out examples and their features, for judge_of()."""
    if modality.kind == "picture":
        return held, data.pictures(held, modality)
    return held, clips_of(held, modality) if held else None


def probabilities(model, modality, kept: tuple, n_labels: int) -> torch.Tensor:
    """Of held-out examples, as `lookout-model eval` computes them."""
    _, seen = kept
    if modality.kind == "sound":
        return sound.clip_scores(model, seen, modality, n_labels)
    with torch.no_grad():
        return torch.cat([model(part)[:, :n_labels].softmax(1) for part in picture.tensor(seen).split(256)])


def judge_of(modality, kept: tuple, n_labels: int):
    if not kept[0]:
        return None
    y = torch.tensor([e.label for e in kept[0]])

    def judge(model) -> tuple:
        p = probabilities(model, modality, kept, n_labels)
        loss = -p[torch.arange(len(y)), y].clamp(min=1e-9).log().mean()
        return float((p.argmax(1) == y).float().mean()), float(loss)

    return judge


def settings_of(modality) -> dict:
    """What the preset says of a float encoder and its training."""
    settings = {field.name: getattr(modality, field.name) for field in dataclasses.fields(modality) if field.name != "keys"}
    return {key: str(value) for key, value in (settings | modality.keys).items() if not key.startswith("tune_") and key != "ensemble"}


def made_with(stage: Stage, modality, bits: dict = None) -> dict:
    """What a checkpoint depends on; with other values it is of no use. @bits  of a tuned encoder's layers; None: a float one."""
    facts = settings_of(modality) | {"seed": str(stage.config.seed), "labels": " ".join(stage.labels), "held out": str(stage.parts)}
    if bits is None:
        return facts
    tuned = {"tune_steps": modality.tune_steps, "tune_rate": modality.tune_rate, "ensemble": modality.ensemble}
    tuned |= {"follow": stage.config.quantisation.follow, "teachers": " ".join(stage.config.quantisation.teachers)}
    return facts | {"bits": bits} | {key: str(value) for key, value in tuned.items()}


def elsewhere(stage: Stage, modality, run: pathlib.Path) -> Stage:
    """Of another run. What is trained on all examples may follow an encoder that was not; never the other way round."""
    there = dataclasses.replace(stage, run=run)
    return there if stage.parts or path_of(there, modality, "pt").exists() else dataclasses.replace(there, parts=1)


def labels_loss(stage: Stage, modality) -> dict:
    """How learn.label_loss() is asked."""
    return {"n_labels": len(stage.labels), "reject": float(modality.keys.get("reject", 0))}


def train(stage: Stage, modality, steps: int):
    """The whole stage; its result lies at path_of(..., "pt")."""
    stage.run.mkdir(parents=True, exist_ok=True)
    seed = stage.config.seed
    torch.manual_seed(seed)
    examples = found(stage, modality)
    taught_by = follow.opened(stage, modality, examples[0]) if "teacher" in modality.keys else None
    batches, kept, n_targets = prepare(stage, modality, examples)
    judge = judge_of(modality, kept, len(stage.labels))
    model = networks.Classifier(
        networks.Encoder(modality.channels, modality.shape), n_targets, modality.shape.embedding
    )
    if stage.begin:
        stage.begin(model.encoder)
    say = lambda text: stage.say(f"{modality.name}: {text}")
    settings = learn.Settings(steps, modality.rate, modality.decay, modality.drop, seed, made_with(stage, modality))
    loss_of = functools.partial(learn.cross_entropy, **labels_loss(stage, modality))
    if taught_by:
        loss_of = follow.Follow(stage, modality, batches, len(examples[0]), taught_by)
        loss_of.prepare(model, modality.shape.embedding)
    model = learn.train(model, batches, settings, path_of(stage, modality, "checkpoint"), say, judge, loss_of=loss_of)
    if taught_by:
        loss_of.forget(model)
    with torch.no_grad():
        calibration = torch.cat([batches()[0] for _ in range(CALIBRATION_BATCHES)])
    keep(stage, modality, "pt", model, n_targets, calibration)
    path_of(stage, modality, "checkpoint").unlink(missing_ok=True)


def keep(stage: Stage, modality, suffix: str, model, n_targets: int, calibration: torch.Tensor, bits: dict = None):
    """@bits  of a tuned encoder's layers; None: a float one."""
    state = {"model": model.state_dict(), "labels": stage.labels, "n_targets": n_targets, "calibration": calibration}
    learn.save(path_of(stage, modality, suffix), state | {"bits": bits, "made_with": made_with(stage, modality, bits)})


@dataclasses.dataclass
class Trained:
    """An encoder ready for use."""

    modality: object
    model: networks.Classifier  # its encoder is a networks.Encoder, or a quantise.Encoder once it was tuned
    calibration: torch.Tensor  # features of training examples
    n_labels: int

    @property
    def classifier(self) -> tuple:
        """Weights [labels, items] and bias [labels]."""
        return self.model.logits.weight[: self.n_labels].detach(), self.model.logits.bias[: self.n_labels].detach()

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """Features [n, channels, rows, columns] to embeddings [n, items]."""
        with torch.no_grad():
            return torch.cat([self.model.encoder(part) for part in x.split(256)])

    def rounded(self) -> quantise.Encoder:
        """The encoder with 8 bits, or as it was tuned."""
        encoder = self.model.encoder
        if isinstance(encoder, quantise.Encoder):
            return encoder
        return quantise.Encoder(encoder, *input_parameters(self.modality)).eval().observe(self.calibration)

    def graph(self):
        """The encoder in integers."""
        return self.rounded().graph(self.modality.name, (self.modality.channels, *self.modality.size))


def blank(modality) -> quantise.Encoder:
    """One of 8 bits that knows nothing."""
    torch.manual_seed(1)
    encoder = networks.Encoder(modality.channels, modality.shape).eval()
    return quantise.Encoder(encoder, *input_parameters(modality)).eval().observe(torch.rand(8, modality.channels, *modality.size))


def input_parameters(modality) -> tuple:
    if modality.kind == "picture":
        return PIXEL_SCALE, PIXEL_ZERO_POINT
    return range_parameters(math.log(float(modality.keys["floor"])), LOUDEST)


def load(stage: Stage, modality, suffix: str = "pt", any_settings: bool = False) -> Trained:
    """@any_settings  of another run: only what it sees and answers must be the same."""
    state = learn.restore(path_of(stage, modality, suffix), None)
    wanted = made_with(stage, modality, state.get("bits"))
    if not any_settings:
        learn.compare(path_of(stage, modality, suffix), state["made_with"], wanted)
    else:
        for key in ("labels", *(key for key in modality.keys if key in FRONT_END)):
            learn.compare(path_of(stage, modality, suffix), {key: state["made_with"].get(key)}, {key: wanted[key]})
        modality = dataclasses.replace(modality, shape=networks.Shape.read(state["made_with"]["shape"]))
    encoder = networks.Encoder(modality.channels, modality.shape)
    if state["bits"]:
        encoder = quantise.Encoder(encoder, *input_parameters(modality)).use(state["bits"])
        encoder.set_ranges()
    model = networks.Classifier(encoder, state["n_targets"], modality.shape.embedding)
    model.load_state_dict(state["model"])
    return Trained(modality, model.eval(), state["calibration"], len(state["labels"]))


def held_features(stage: Stage, modality):
    """features_of() what load()'s encoder was not trained on."""
    everything = data.examples(stage.root, modality.kind, "train", stage.labels)
    return features_of([e for e in everything if data.held_out(e, stage.parts)], modality)


def features_of(examples: list, modality):
    """Features [n, channels, rows, columns], labels [n] and numbers of the examples [n]: a sound has as many rows as windows."""
    if modality.kind == "picture":
        pixels = picture.tensor(data.pictures(examples, modality))
        return pixels, torch.tensor([e.label for e in examples]), torch.arange(len(examples))
    clips = clips_of(examples, modality)
    parts = [sound.windows(modality, clips.of(i)) for i in range(len(examples))]
    number = torch.tensor([i for i, part in enumerate(parts) for _ in part])
    return torch.from_numpy(np.concatenate(parts)), torch.from_numpy(clips.labels)[number], number
