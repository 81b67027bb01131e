# SPDX-License-Identifier: MIT
"""Train one encoder with a classifier of its own on top, and keep checkpoints to go on from.

AdamW with one warm-up and a cosine to zero; what is kept is a moving average of the weights (Polyak and Juditsky,
1992), which is worth a point or two in runs as short as these.
"""

import copy
import dataclasses
import json
import math
import os
import pathlib
import pickle
import time

import numpy as np
import torch
from torch.nn import functional

WARM_UP = 0.05  # share of the steps
AVERAGE_STEPS = 300  # time constant of the moving average, reached step by step
LONGEST_GRADIENT = 2.0  # of a model, or of each of its `parts` if it has such
REPORT_STEPS = 250
BAR_PLACES = 20
CHECKPOINT_STEPS = 1000


def label_weights(labels: np.ndarray, n_labels: int, balance: float) -> torch.Tensor:
    """Weight of each label's examples, mean 1 over the examples."""
    count = np.bincount(labels, minlength=n_labels).astype(np.float64)
    weight = np.where(count > 0, np.maximum(count, 1) ** -balance, 0)
    return torch.tensor(weight * count.sum() / (weight * count).sum(), dtype=torch.float32)


def rate_at(step: int, steps: int, highest: float) -> float:
    warm = max(1, int(steps * WARM_UP))
    if step < warm:
        return highest * (step + 1) / warm
    return highest * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def optimiser(model, decay: float):
    """Decay for matrices and filters only; not for batch normalisation and biases."""
    heavy = [p for p in model.parameters() if p.ndim > 1]
    light = [p for p in model.parameters() if p.ndim <= 1]
    return torch.optim.AdamW([{"params": heavy, "weight_decay": decay}, {"params": light, "weight_decay": 0.0}], lr=0.0)


class Average:
    """Moving average of a model's weights and statistics."""

    def __init__(self, model):
        self.model = copy.deepcopy(model).eval()
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)

    def update(self, model, step: int):
        keep = min(1 - 1 / AVERAGE_STEPS, (step + 1) / (step + 10))
        with torch.no_grad():
            for mine, theirs in zip(self.model.state_dict().values(), model.state_dict().values()):
                if mine.dtype.is_floating_point:
                    mine.lerp_(theirs, 1 - keep)
                else:
                    mine.copy_(theirs)


@dataclasses.dataclass(frozen=True)
class Settings:
    steps: int
    rate: float  # the highest
    decay: float  # of weights
    drop: float  # dropout before the embedding
    seed: int
    made_with: dict  # what the checkpoint must have been made with, to go on from it


class KeepError(Exception):
    """A sentence on a file that cannot be written, or is not what it should be."""


def bar(done: int, total: int) -> str:
    """How far it is, to look at: a line for each report, so that several trainings can print side by side."""
    filled = round(BAR_PLACES * done / total)
    return f"[{'#' * filled}{'.' * (BAR_PLACES - filled)}] {done}/{total}"


def save(path: pathlib.Path, state: dict):
    """Whole or not at all: a full disk must not cost the last checkpoint."""
    part = path.with_suffix(".part")
    try:
        torch.save(state, part)
        os.replace(part, path)
    except (OSError, RuntimeError) as error:  # torch tells a full disk as RuntimeError
        part.unlink(missing_ok=True)
        raise KeepError(f"{path}: cannot be written ({error}); what was there before is kept") from error


def write(path: pathlib.Path, text: str):
    """A table or page beside the checkpoints: whole or not at all, too."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise KeepError(f"{path}: cannot be written ({error.strerror}); what was there before is kept") from error


def restore(path: pathlib.Path, made_with: dict) -> dict:
    """A state that save() wrote, if it was made with the same settings (None: with any)."""
    try:
        state = torch.load(path, weights_only=True)
        found = state["made_with"]
    except (OSError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise KeepError(f"{path}: damaged, or not of this kit ({error}); remove it to train anew") from error
    if made_with is not None:
        compare(path, found, made_with)
    return state


def compare(path: pathlib.Path, found: dict, wanted: dict, what_to_do: str = "remove the file to train anew, or name another OUT"):
    """KeepError if what @path was made with is not what is wanted."""
    for key in wanted | found:
        if wanted.get(key) != found.get(key):
            raise KeepError(f"{path}: made with other settings: {key} was {found.get(key)}, now it is {wanted.get(key)}; {what_to_do}")


def read(path: pathlib.Path) -> dict:
    """What was written as JSON; KeepError if it is not that."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KeepError(f"{path}: damaged, or not of this kit ({error}); remove it to have it made anew") from error


def settle(path: pathlib.Path, facts: dict, what_to_do: str = "name another OUT"):
    """Say in @path what the results beside it are made with; KeepError if some were made with something else."""
    facts = {key: str(value) for key, value in facts.items()}
    if path.exists():
        compare(path, read(path), facts, what_to_do)
    write(path, json.dumps(facts, indent=1) + "\n")


class Curve:
    """A table beside the checkpoint: step, loss, and accuracy and loss on what is held out."""

    def __init__(self, checkpoint: pathlib.Path, first: int):
        """@first  step of the checkpoint: rows after it will come again, and a last row may be cut off."""
        self.path = checkpoint.with_suffix(".curve.csv")
        rows = self.path.read_text(encoding="utf-8").splitlines(keepends=True)[1:] if self.path.is_file() else []
        kept = [row for row in rows if row.endswith("\n") and int(row.split(",")[0]) <= first]
        write(self.path, "step,loss,accuracy,held loss\n" + "".join(kept))

    def add(self, step: int, loss: float, held: tuple):
        held = held or ("", "")
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(",".join(str(round(value, 4) if value != "" else "") for value in (step, loss, *held)) + "\n")
        except OSError as error:
            raise KeepError(f"{self.path}: cannot be written ({error}); the last checkpoint is kept") from error


def label_loss(logits, y, weight, n_labels: int = 0, reject: float = 0.0):
    """
    Weighted cross-entropy with distributions @y [n, targets]. With @reject, what is of other targets than the first
    @n_labels must look like none of these: even among them (outlier exposure, Hendrycks et al., arXiv 1812.04606).
    """
    loss = (weight * -(y * functional.log_softmax(logits, 1)).sum(1)).mean()
    if reject:
        other = y[:, n_labels:].sum(1)
        loss = loss + reject * (other * -functional.log_softmax(logits[:, :n_labels], 1).mean(1)).mean()
    return loss


def cross_entropy(model, batch, drop: float, **how):
    """@batch: features [n, c, h, w], targets [n, labels], weights [n]. @how is label_loss()'s."""
    x, y, weight = batch
    return label_loss(model(x.contiguous(memory_format=torch.channels_last), drop), y, weight, **how)


def train(model, batch_of, settings: Settings, checkpoint: pathlib.Path, say, judge=None, before=None, loss_of=cross_entropy):
    """
    Train @model and return the average of its weights.
    @batch_of  function of no arguments: what @loss_of takes.
    @judge     function of a model: accuracy and loss on examples that are not trained on, asked now and then.
    @before    function of the step, called before each.
    @loss_of   function of model, batch and dropout.
    """
    steps = settings.steps
    torch.manual_seed(settings.seed)
    model = model.to(memory_format=torch.channels_last)
    average, tuner, first = Average(model), optimiser(model, settings.decay), 0
    if checkpoint.exists():
        state = restore(checkpoint, settings.made_with)
        model.load_state_dict(state["model"])
        average.model.load_state_dict(state["average"])
        tuner.load_state_dict(state["tuner"])
        first = state["step"]
        torch.manual_seed(settings.seed + first)
        say(f"goes on from step {first} of {steps}")
    curve = Curve(checkpoint, first)
    began, loss_sum, n_sum = time.monotonic(), 0.0, 0
    model.train()
    for step in range(first, steps):
        for group in tuner.param_groups:
            group["lr"] = rate_at(step, steps, settings.rate)
        if before:
            before(step)
        loss = loss_of(model, batch_of(), settings.drop)
        tuner.zero_grad()
        loss.backward()
        for part in getattr(model, "parts", [model]):
            torch.nn.utils.clip_grad_norm_(part.parameters(), LONGEST_GRADIENT)
        tuner.step()
        average.update(model, step)
        loss_sum, n_sum = loss_sum + float(loss.detach()), n_sum + 1
        if not math.isfinite(loss_sum):
            raise KeepError(f"step {step + 1}: the loss is no number any more; try a lower rate than {settings.rate}")
        if (step + 1) % REPORT_STEPS == 0 or step + 1 == steps:
            left = (time.monotonic() - began) / (step + 1 - first) * (steps - step - 1)
            judged = judge and ((step + 1) % (4 * REPORT_STEPS) == 0 or step + 1 == steps)
            found = judge(average.model) if judged else None
            held = f", held out {found[0]:.3f} loss {found[1]:.3f}" if found else ""
            curve.add(step + 1, loss_sum / n_sum, found)
            say(f"{bar(step + 1, steps)}, loss {loss_sum / n_sum:.3f}{held}, {left / 60:.1f} min left")
            loss_sum, n_sum = 0.0, 0
        if (step + 1) % CHECKPOINT_STEPS == 0 and step + 1 < steps:
            parts = {"model": model, "average": average.model, "tuner": tuner}
            state = {name: part.state_dict() for name, part in parts.items()}
            save(checkpoint, state | {"step": step + 1, "made_with": settings.made_with})
    return average.model
