# SPDX-License-Identifier: MIT
"""Students of a teacher: DS-CNN encoders of one modality or of several, and what each batch of theirs is."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from . import augment, distil, networks
from .fuse import pairs_of
from .teacher import Batch, Taught, TeacherError

LOSSES = {"logits": 1.0, "attention": 1.0, "contrast": 0.1}  # and their weights beside the labels' loss


class Pairs:
    """Batches of examples of all modalities with the same labels: the one with the most examples leads, the others follow."""

    def __init__(self, batches: dict, n_labels: int):
        """@batches  modality name -> sound.Batches or picture.Batches."""
        self.batches, self.n_labels = batches, n_labels
        labels = {name: torch.as_tensor(self.labels_of(one)) for name, one in batches.items()}
        self.of_label = {
            name: [torch.nonzero(found == label)[:, 0] for label in range(n_labels)] for name, found in labels.items()
        }
        self.lead = max(labels, key=lambda name: int(((labels[name] >= 0) & (labels[name] < n_labels)).sum()))
        self.labels = labels[self.lead]
        self.pool = torch.nonzero((self.labels >= 0) & (self.labels < n_labels))[:, 0]

    @staticmethod
    def labels_of(batches):
        return batches.labels if hasattr(batches, "labels") else batches.clips.labels

    def n_examples(self, name: str) -> int:
        return len(self.labels_of(self.batches[name]))

    def __call__(self) -> Batch:
        lead = self.batches[self.lead]
        first = self.pool[torch.randint(len(self.pool), (lead.modality.batch,))]
        labels = self.labels[first]
        x, index = {}, {}
        for name, one in self.batches.items():
            if name == self.lead:
                index[name] = first
            else:
                places = [self.of_label[name][int(label)] for label in labels]
                index[name] = torch.stack([place[int(torch.randint(len(place), ()))] for place in places])
            x[name] = one.of(index[name].numpy()).contiguous(memory_format=torch.channels_last)
        y, weight = augment.targets(labels, self.n_labels, lead.modality.smooth, lead.weights[: self.n_labels])
        return Batch(x, y, weight, index)


class Student(nn.Module):
    """Encoders of one or more modalities, one classifier on their embeddings, and what distillation needs beside them."""

    def __init__(self, modalities, n_labels: int, losses=(), pairs: Pairs = None, taught: Taught = None):
        """@taught  what the teacher says of any batch, for the sizes."""
        super().__init__()
        self.losses, self.looks = tuple(losses), {}
        self.encoders = nn.ModuleDict({m.name: networks.Encoder(m.channels, m.shape) for m in modalities})
        self.logits = nn.Linear(sum(m.shape.embedding for m in modalities), n_labels)
        nn.init.normal_(self.logits.weight, std=1.0)
        self.blocks, self.contrasts = nn.ModuleDict(), nn.ModuleDict()
        for modality in modalities:
            name = modality.name
            if "attention" in losses:
                self.blocks[name] = distil.AttentionBlock(modality.shape.blocks[-1][0])
            if "contrast" in losses:
                items = taught.embeddings[name].shape[1]
                self.contrasts[name] = distil.Contrast(modality.shape.embedding, items, pairs.n_examples(name))

    def forward(self, x: dict, drop: float = 0.0):
        """Logits, embeddings and last maps."""
        maps = {name: encoder.last_map(x[name]) for name, encoder in self.encoders.items()}
        embeddings = {name: encoder.embed(maps[name], drop) for name, encoder in self.encoders.items()}
        return self.logits(torch.cat(list(embeddings.values()), 1)), embeddings, maps


def check(teacher_says: Taught, names: list, losses, levels):
    """TeacherError if the teacher has not what the losses need."""
    for name in names:
        if "contrast" in losses and name not in teacher_says.embeddings:
            raise TeacherError(f"contrast: this teacher has no embeddings of {name}")
        for level in levels if "attention" in losses else ():
            if (level, name) not in teacher_says.maps:
                raise TeacherError(f"attention: this teacher has no {level} map of {name}")


def loss_from(teacher, levels=("late",)):
    """The loss of learn.train(): labels, and what the student's losses take from @teacher."""

    def loss_of(student: Student, batch: Batch, drop: float):
        logits, embeddings, maps = student(batch.x, drop)
        total = (batch.weight * -(batch.y * functional.log_softmax(logits, 1)).sum(1)).mean()
        if not student.losses:
            return total
        taught = teacher.teach(batch)
        if "logits" in student.losses:
            total = total + LOSSES["logits"] * distil.logits_loss(logits, taught.logits)
        for name in student.encoders:
            if "attention" in student.losses:
                scores = student.blocks[name](maps[name])
                parts = [distil.attention_loss(scores, taught.maps[level, name]) for level in levels]
                total = total + LOSSES["attention"] * sum(parts) / len(parts)
            if "contrast" in student.losses:
                found = student.contrasts[name](embeddings[name], taught.embeddings[name], batch.index[name])
                total = total + LOSSES["contrast"] * found
        return total

    return loss_of


def answers(model, held: dict, n_labels: int, batch: int = 256) -> np.ndarray:
    """
    Probabilities [pairs, labels] on what is held out, as `lookout-model eval` pairs it: by label, mean over windows.
    @held  modality -> (features, labels, numbers of the examples), of the modalities that the model sees.
    """
    names, found = list(held), []
    model.eval()
    for _, items in pairs_of([(labels, numbers) for _, labels, numbers in held.values()]):
        n = max(len(item) for item in items)
        found.append({name: held[name][0][item[torch.arange(n) % len(item)]] for name, item in zip(names, items)})
    with torch.no_grad():
        counts = [len(next(iter(x.values()))) for x in found]
        whole = {name: torch.cat([x[name] for x in found]) for name in names}
        logits = []
        for start in range(0, sum(counts), batch):
            said = model({name: x[start : start + batch] for name, x in whole.items()})[0]
            logits.append(said.logits if isinstance(said, Taught) else said)
    parts = torch.cat(logits)[:, :n_labels].softmax(1).split(counts)
    return torch.stack([part.mean(0) for part in parts]).numpy()


def truth(held: dict) -> np.ndarray:
    return np.array([label for label, _ in pairs_of([(labels, numbers) for _, labels, numbers in held.values()])])
