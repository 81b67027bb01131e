# SPDX-License-Identifier: MIT
"""Stage one: the encoder of one modality."""

import pathlib

import numpy as np
import torch

from . import data, features, learn, picture, sound


def split(found: list, parts: int):
    """Examples to train on, and those held out (one part in @parts; none if 0)."""
    return [e for e in found if not data.held_out(e, parts)], [e for e in found if data.held_out(e, parts)]


def of_pictures(config, modality, root: pathlib.Path, run: pathlib.Path, steps: int, parts: int, say):
    labels = data.labels_of(root, [m.kind for m in config.modalities])
    kept, held = split(data.examples(root, "picture", "train", labels), parts)
    say(f"{modality.name}: {len(kept)} pictures to train on, {len(held)} held out")
    y = np.array([e.label for e in kept])
    pixels = data.pictures(kept, modality)
    weights = learn.label_weights(y, len(labels), modality.balance)
    torch.manual_seed(config.seed)
    batches = picture.Batches(modality, pixels, y, weights, len(labels))
    judge = None
    if held:
        held_x = picture.tensor(data.pictures(held, modality))
        held_y = torch.tensor([e.label for e in held])
        judge = lambda model: f"held out {learn.accuracy(model, held_x, held_y):.3f}"
    model = learn.classifier(modality, len(labels))
    model = learn.train(model, batches, modality, steps, config.seed, run / f"{modality.name}.checkpoint", say, judge)
    learn.save(run / f"{modality.name}.pt", {"model": model.state_dict(), "labels": labels, "parts": parts})


def clips_of(found: list, modality, targets: list) -> sound.Clips:
    return sound.Clips.join([features.rows(features.samples(e.path), modality.keys) for e in found], targets)


def of_sounds(config, modality, root: pathlib.Path, run: pathlib.Path, steps: int, parts: int, say):
    labels = data.labels_of(root, [m.kind for m in config.modalities])
    kept, held = split(data.examples(root, "sound", "train", labels), parts)
    other = data.others(root, modality.keys.get("other"), len(labels))
    say(f"{modality.name}: {len(kept)} clips to train on, {len(other)} of other labels, {len(held)} held out")
    clips = clips_of(kept + other, modality, [e.label for e in kept + other])
    n_targets = int(clips.labels.max()) + 1
    weights = learn.label_weights(clips.labels, n_targets, modality.balance)
    torch.manual_seed(config.seed)
    batches = sound.Batches(modality, clips, weights, n_targets, len(labels), float(modality.keys["floor"]))
    judge = None
    if held:
        held_clips = clips_of(held, modality, [e.label for e in held])
        held_y = torch.from_numpy(held_clips.labels)

        def judge(model):
            scores = sound.clip_scores(model, held_clips, modality, len(labels))
            return f"held out {float((scores.argmax(1) == held_y).float().mean()):.3f}, loss {float(-scores[torch.arange(len(held_y)), held_y].log().mean()):.3f}"

    model = learn.classifier(modality, n_targets)
    model = learn.train(model, batches, modality, steps, config.seed, run / f"{modality.name}.checkpoint", say, judge)
    learn.save(run / f"{modality.name}.pt", {"model": model.state_dict(), "labels": labels, "parts": parts})
