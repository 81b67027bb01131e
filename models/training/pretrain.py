# SPDX-License-Identifier: MIT
"""Pre-training of an encoder on examples without labels: the set's own and, of sounds, those of other labels.

- patches: half of the places of the last map are hidden in the input, and a 1x1 convolution on the map must say what stood there
  (Xie et al., SimMIM, arXiv 2111.09886).
- clusters: k-means gives labels, the encoder learns them from changed examples, and what it has learned gives better clusters
  (Caron et al., Deep Clustering, arXiv 1807.05520). The first are clusters of the features themselves.

Labels are never looked at. The result is where encode.train() begins.
"""

import dataclasses
import pathlib

import torch
from torch import nn
from torch.nn import functional

from . import data, encode, learn, networks

METHODS = ("patches", "clusters")
HIDDEN_SHARE = 0.5  # of the places
ROUNDS = 3  # of clusters
CLUSTERS_OF, MOST_CLUSTERS = 16, 512  # so many examples in a cluster, about
MEANS_STEPS = 20


def path_of(run: pathlib.Path, modality) -> pathlib.Path:
    return run / f"{modality.name}.pretrained.pt"


def of_preset(modality) -> tuple:
    """Method and steps that the preset asks for; ("", 0) if it does not."""
    method = modality.keys.get("pretrain", "no")
    return ("", 0) if method == "no" else (method, int(modality.keys.get("pretrain_steps", modality.steps)))


def of_run(stage, held, modality):
    """@stage, to begin where pre-training ended in the same run, if the preset asks for it. @held is the stage that was pre-trained in."""
    method, steps = of_preset(modality)
    if not method:
        return stage
    wanted = facts(held, modality, method, steps)
    return dataclasses.replace(stage, begin=lambda encoder: begin(encoder, path_of(stage.run, modality), wanted))


def facts(stage, modality, method: str, steps: int) -> dict:
    """What a pre-trained encoder was made with: also `other_held`, for it must not have seen those."""
    facts = encode.made_with(stage, modality) | {"method": method, "steps": str(steps)}
    del facts["labels"]
    return facts


def examples_of(stage, modality) -> list:
    """All that is not held out, with one label: none."""
    kept, _, other, nothing = encode.found(stage, modality)
    return [dataclasses.replace(example, label=0) for example in kept + other + nothing]


class Patches(nn.Module):
    """An encoder, and what guesses the hidden places from its last map."""

    def __init__(self, encoder: networks.Encoder, modality):
        super().__init__()
        self.encoder, (rows, columns) = encoder, modality.size
        with torch.no_grad():
            self.size = tuple(encoder.eval().last_map(torch.zeros(1, modality.channels, rows, columns)).shape[2:])
        encoder.train()
        self.patch = (-(-rows // self.size[0]), -(-columns // self.size[1]))
        self.guess = nn.Conv2d(modality.shape.blocks[-1][0], modality.channels * self.patch[0] * self.patch[1], 1)

    def padded(self, x):
        rows, columns = (places * side for places, side in zip(self.size, self.patch))
        return functional.pad(x, (0, columns - x.shape[3], 0, rows - x.shape[2]), mode="replicate")

    def patches(self, x):
        """[n, values, rows, columns] of the places, each of mean 0 and deviation 1."""
        n, channels, _, _ = x.shape
        y = self.padded(x).reshape(n, channels, self.size[0], self.patch[0], self.size[1], self.patch[1])
        y = y.permute(0, 1, 3, 5, 2, 4).reshape(n, -1, *self.size)
        return (y - y.mean(1, keepdim=True)) / (y.std(1, keepdim=True) + 0.1)

    def loss(self, x):
        """Mean squared error of the guesses at the hidden places of x [n, channels, rows, columns]."""
        hidden = (torch.rand(len(x), 1, *self.size) < HIDDEN_SHARE).float()
        cover = hidden.repeat_interleave(self.patch[0], 2).repeat_interleave(self.patch[1], 3)[:, :, : x.shape[2], : x.shape[3]]
        seen = x * (1 - cover) + x.mean((1, 2, 3), keepdim=True) * cover
        wrong = (self.guess(self.encoder.last_map(seen)) - self.patches(x)).square().mean(1, keepdim=True)
        return (wrong * hidden).sum() / hidden.sum().clamp(min=1)


def from_patches(batches, encoder, modality, settings, checkpoint, say):
    model = Patches(encoder, modality)
    loss_of = lambda model, batch, _drop: model.loss(batch[0].contiguous(memory_format=torch.channels_last))
    return learn.train(model, batches, settings, checkpoint, say, loss_of=loss_of).encoder


def k_means(x: torch.Tensor, k: int) -> torch.Tensor:
    """Cluster of each row of x [n, values]; none is empty if rows differ."""
    x = (x - x.mean(0)) / (x.std(0) + 1e-6)
    centres = x[torch.randperm(len(x))[:k]]
    for _ in range(MEANS_STEPS):
        found = torch.cdist(x, centres).argmin(1)
        count = torch.bincount(found, minlength=k)
        centres = torch.zeros_like(centres).index_add_(0, found, x) / count.clamp(min=1).view(-1, 1)
        empty = torch.nonzero(count == 0)[:, 0]
        centres[empty] = x[torch.randint(len(x), (len(empty),))]
    return torch.cdist(x, centres).argmin(1)


def described(encoder, features: tuple, modality) -> torch.Tensor:
    """
    One row for each example: of what the encoder has in its last map, or (None) of the features.
    @features  what encode.features_of() gave.
    """
    x, _, numbers = features
    with torch.no_grad():
        if encoder is not None:
            rows = torch.cat([encoder.eval().last_map(part).mean((2, 3)) for part in x.split(256)])
        elif modality.kind == "sound":
            rows = torch.cat([x.mean(2), x.std(2)], 2)[:, 0]
        else:
            rows = functional.adaptive_avg_pool2d(x, 4).flatten(1)
    n = int(numbers.max()) + 1
    count = torch.bincount(numbers, minlength=n).view(-1, 1)
    return torch.zeros(n, rows.shape[1]).index_add_(0, numbers, rows) / count


def relabel(batches, clusters: torch.Tensor, n: int):
    """Let the batches' examples have these labels, all of the same weight."""
    if hasattr(batches, "clips"):
        batches.clips.labels = clusters.numpy()
    else:
        batches.labels = clusters
    batches.n_targets, batches.weights = n, torch.ones(n)


def from_clusters(batches, encoder, modality, settings, checkpoint, say, features):
    n, weights = max(2, min(len(features[2].unique()) // CLUSTERS_OF, MOST_CLUSTERS)), None
    part = dataclasses.replace(settings, steps=max(1, settings.steps // ROUNDS))
    for turn in range(ROUNDS):
        done = checkpoint.with_suffix(f".{turn}")
        if done.exists():
            weights = learn.restore(done, settings.made_with)["encoder"]
            continue
        torch.manual_seed(settings.seed + turn)
        if weights:
            encoder.load_state_dict(weights)
        relabel(batches, k_means(described(encoder if weights else None, features, modality), n), n)
        say(f"{n} clusters, round {turn + 1} of {ROUNDS}")
        model = learn.train(networks.Classifier(encoder, n, modality.shape.embedding), batches, part, checkpoint, say)
        weights = model.encoder.state_dict()
        learn.save(done, {"encoder": weights, "made_with": settings.made_with})
        checkpoint.unlink(missing_ok=True)
    encoder.load_state_dict(weights)
    for turn in range(ROUNDS):
        checkpoint.with_suffix(f".{turn}").unlink(missing_ok=True)
    return encoder


def train(stage, modality, method: str, steps: int, path: pathlib.Path):
    """The whole of it; the result lies at @path."""
    if method not in METHODS:
        raise data.DataError(f"[modality {modality.name}] has no pretrain = {' or '.join(METHODS)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(stage.config.seed)
    examples = examples_of(stage, modality)
    batches = encode.batches_of(examples, dataclasses.replace(modality, mixup=0.0, balance=0.0), 1)
    encoder = networks.Encoder(modality.channels, modality.shape)
    say = lambda text: stage.say(f"{modality.name}, {method}: {text}")
    made_with = facts(stage, modality, method, steps)
    settings = learn.Settings(steps, modality.rate / 2, modality.decay, 0.0, stage.config.seed, made_with)
    checkpoint = path.with_suffix(".checkpoint")
    if method == "patches":
        encoder = from_patches(batches, encoder, modality, settings, checkpoint, say)
    else:
        encoder = from_clusters(batches, encoder, modality, settings, checkpoint, say, encode.features_of(examples, modality))
    learn.save(path, {"encoder": encoder.state_dict(), "made_with": made_with})
    checkpoint.unlink(missing_ok=True)


def begin(encoder: networks.Encoder, path: pathlib.Path, wanted: dict):
    """Let @encoder begin where train() ended. @wanted is what facts() gave."""
    encoder.load_state_dict(learn.restore(path, wanted)["encoder"])
