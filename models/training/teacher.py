# SPDX-License-Identifier: MIT
"""Teachers. Each maps a batch to Taught: logits, and whatever else of embeddings and maps it has.

- Multimodal: DS-CNN bodies, tokens of their last maps, self-attention within and cross-attention between modalities
  (arXiv 2110.08270); trained here, with modality dropout.
- Encoders: float encoders of this kit that were trained alone (checkpoints), the mean of their logits.
- Script: any PyTorch network as TorchScript, features to logits.
- File: logits (and embeddings) of examples by file name, in a .npz.
"""

import dataclasses

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from . import networks

WIDTH, HEADS = 64, 4


class TeacherError(Exception):
    """A sentence on a teacher that does not fit."""


@dataclasses.dataclass
class Taught:
    logits: torch.Tensor  # [n, labels]
    embeddings: dict = dataclasses.field(default_factory=dict)  # modality -> [n, items]
    maps: dict = dataclasses.field(default_factory=dict)  # (level, modality) -> [n, rows, columns], sum 1; early, late


@dataclasses.dataclass
class Batch:
    """Examples of one or more modalities with the same labels."""

    x: dict  # modality -> features [n, channels, rows, columns]
    y: torch.Tensor  # [n, labels]
    weight: torch.Tensor  # [n]
    index: dict  # modality -> numbers of the examples [n]


class Attention(nn.Module):
    """Tokens look at others; what they had is added, and normalised."""

    def __init__(self):
        super().__init__()
        self.attention, self.norm = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True), nn.LayerNorm(WIDTH)

    def forward(self, tokens, others):
        """Tokens [n, t, WIDTH] after looking at others [n, u, WIDTH], and how much each of the others was looked at [n, u]."""
        y, weights = self.attention(tokens, others, others)
        return self.norm(tokens + y), weights.mean(1)


class Stem(nn.Module):
    """One modality of the teacher."""

    def __init__(self, modality, labels: int):
        super().__init__()
        self.body = networks.Encoder(modality.channels, modality.shape)
        channels = modality.shape.blocks[-1][0]
        with torch.no_grad():
            self.size = tuple(self.body.eval().last_map(torch.zeros(1, modality.channels, *modality.size)).shape[2:])
        self.body.train()
        self.enter = nn.Linear(channels, WIDTH)
        self.place = nn.Parameter(torch.randn(1, self.size[0] * self.size[1], WIDTH) * 0.02)
        self.within, self.across = Attention(), Attention()
        self.look = nn.Linear(WIDTH, 1)
        self.embed = nn.Linear(WIDTH, modality.shape.embedding)
        self.alone = nn.Linear(modality.shape.embedding, labels)

    def tokens(self, x):
        return self.enter(self.body.last_map(x).flatten(2).transpose(1, 2)) + self.place

    def as_map(self, weights):
        return weights.view(-1, *self.size)


class Multimodal(nn.Module):
    def __init__(self, modalities, labels: int):
        super().__init__()
        self.stems = nn.ModuleDict({m.name: Stem(m, labels) for m in modalities})
        self.logits = nn.Linear(WIDTH, labels)

    def forward(self, x: dict) -> tuple:
        """@x features of the modalities that are there. Returns Taught and the logits of each modality alone."""
        tokens, taught, alone, pooled = {}, Taught(None), {}, []
        for name, features in x.items():
            stem = self.stems[name]
            before = stem.tokens(features)
            tokens[name], seen = stem.within(before, before)
            taught.maps["early", name] = stem.as_map(seen)
        for name, mine in tokens.items():
            stem, others = self.stems[name], [theirs for other, theirs in tokens.items() if other != name]
            if others:
                mine, _ = stem.across(mine, torch.cat(others, 1))
            weights = stem.look(mine)[:, :, 0].softmax(1)
            taught.maps["late", name] = stem.as_map(weights)
            one = (weights.unsqueeze(2) * mine).sum(1)
            pooled.append(one)
            taught.embeddings[name] = functional.normalize(stem.embed(one), dim=1, eps=1e-6)
            alone[name] = stem.alone(taught.embeddings[name])
        taught.logits = self.logits(torch.stack(pooled).mean(0))
        return taught, alone

    def teach(self, batch: Batch) -> Taught:
        with torch.no_grad():
            return self.eval()(batch.x)[0]


ALONE_SHARE = 0.3  # of the teacher's loss, for what each modality says alone
DROPPED_SHARE = 0.3  # of the batches, with one modality only


def teacher_loss(model: Multimodal, batch: Batch, drop: float):
    names = list(batch.x)
    if len(names) > 1 and torch.rand(()) < DROPPED_SHARE:
        names = [names[int(torch.randint(len(names), ()))]]
    taught, alone = model({name: batch.x[name] for name in names})

    def loss(logits):
        return (batch.weight * -(batch.y * functional.log_softmax(logits, 1)).sum(1)).mean()

    return loss(taught.logits) + ALONE_SHARE * sum(loss(logits) for logits in alone.values())


class Lesson:
    """What a teacher has said of a batch already."""

    def __init__(self, taught: Taught):
        self.taught = taught

    def teach(self, _batch: Batch) -> Taught:
        return self.taught


class Encoders:
    """networks.Classifier of one modality, trained before; several: the mean of what they say."""

    def __init__(self, modality: str, models: list, n_labels: int):
        self.modality, self.models, self.n_labels = modality, [model.eval() for model in models], n_labels

    def teach(self, batch: Batch) -> Taught:
        with torch.no_grad():
            x = batch.x[self.modality]
            logits = torch.stack([model(x)[:, : self.n_labels] for model in self.models]).mean(0)
            return Taught(logits, {self.modality: self.models[0].encoder(x)})


class Script:
    """A TorchScript file: features [n, channels, rows, columns] of one modality to logits, or to (logits, embedding)."""

    def __init__(self, path: str, modality, n_labels: int):
        self.modality = modality.name
        try:
            self.model = torch.jit.load(path, map_location="cpu").eval()
            logits, _ = self.answers(torch.zeros(2, modality.channels, *modality.size))
        except (RuntimeError, ValueError, OSError) as error:
            why = str(error).strip().splitlines()[0]
            raise TeacherError(f"{path}: no TorchScript network for {modality.name} (torch.jit.script(net).save(...) writes one): {why}") from error
        if tuple(logits.shape) != (2, n_labels):
            raise TeacherError(f"{path}: gives {tuple(logits.shape)} for two examples, not two rows of {n_labels} labels")

    def answers(self, x) -> tuple:
        with torch.no_grad():
            found = self.model(x)
        return found if isinstance(found, tuple) else (found, None)

    def teach(self, batch: Batch) -> Taught:
        logits, embedding = self.answers(batch.x[self.modality])
        return Taught(logits, {} if embedding is None else {self.modality: embedding})


class File:
    """
    A .npz: `files` (names as LABEL/FILE), `logits` [n, labels] in the order of the labels, `embeddings` [n, items] if there
    are any. The examples are looked up by name; every one must be there.
    """

    def __init__(self, path: str, modality: str, names: list, n_labels: int):
        self.modality = modality
        try:
            with np.load(path, allow_pickle=False) as found:
                files, logits = [str(name) for name in found["files"]], found["logits"].astype(np.float32)
                embeddings = found["embeddings"].astype(np.float32) if "embeddings" in found else None
        except (OSError, ValueError, KeyError) as error:
            raise TeacherError(f"{path}: no .npz with files and logits: {error}") from error
        if logits.shape != (len(files), n_labels):
            raise TeacherError(f"{path}: logits are {list(logits.shape)}, wanted [{len(files)}, {n_labels}]")
        place = {name: i for i, name in enumerate(files)}
        if embeddings is not None and len(embeddings) != len(files):
            raise TeacherError(f"{path}: {len(embeddings)} embeddings of {len(files)} files")
        missing = [name for name in names if name not in place]
        if missing:
            raise TeacherError(f"{path}: says nothing of {len(missing)} examples, the first is {missing[0]}")
        order = [place[name] for name in names]
        self.logits = torch.from_numpy(logits[order])
        self.embeddings = None if embeddings is None else torch.from_numpy(embeddings[order])

    def teach(self, batch: Batch) -> Taught:
        index = batch.index[self.modality]
        return Taught(self.logits[index], {} if self.embeddings is None else {self.modality: self.embeddings[index]})
