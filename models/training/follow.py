# SPDX-License-Identifier: MIT
"""A preset's `teacher`: what an encoder follows beside the labels while it is trained. README.md tells the keys.

It is a folder OUT.run of this kit (its float encoder), a .npz of logits and embeddings by file name, or any PyTorch network as
TorchScript. A network answers to the very features that the student sees; a file only knows examples as they are, so windows
that are made up are left to the labels.
"""

import pathlib

import torch

from . import data, distil, encode, learn, teacher


def opened(stage, modality, kept: list):
    """The teacher of @modality. @kept are the examples that are trained on."""
    path, n_labels = pathlib.Path(modality.keys["teacher"]), len(stage.labels)
    if path.suffix == ".npz":
        if modality.mixup:
            raise teacher.TeacherError(f"{path}: knows examples, not mixtures of them; set mixup = 0 in [modality {modality.name}]")
        return teacher.File(str(path), modality.name, [data.name_of(e) for e in kept], n_labels)
    if not path.is_dir():
        return teacher.Script(str(path), modality, n_labels)
    try:
        other = encode.load(encode.elsewhere(stage, modality, path), modality, any_settings=True)
    except learn.KeepError as error:
        raise teacher.TeacherError(f"teacher = {path}: {error}") from error
    return teacher.Encoders(modality.name, [other.model], n_labels)


class Follow:
    """The loss of learn.train(): labels, the teacher's logits, and contrast with its embeddings."""

    def __init__(self, stage, modality, batches, n_kept: int, taught_by):
        """@n_kept  so many of the batches' examples, the first, are of our labels."""
        self.name, self.batches, self.n_kept, self.teacher = modality.name, batches, n_kept, taught_by
        self.n_labels, self.how = len(stage.labels), encode.labels_loss(stage, modality)
        self.follow, self.contrast = (float(modality.keys.get(key, default)) for key, default in (("follow", 1), ("contrast", 0)))

    def prepare(self, model, embedding: int):
        """Give @model what only training needs; forget() takes it away again."""
        if not self.contrast:
            return
        says = self.teacher.teach(teacher.Batch({self.name: self.batches()[0]}, None, None, {self.name: torch.zeros(1, dtype=torch.long)}))
        if self.name not in says.embeddings:
            raise teacher.TeacherError(f"contrast: this teacher has no embeddings of {self.name}")
        model.contrast = distil.Contrast(embedding, says.embeddings[self.name].shape[1], self.n_kept)

    @staticmethod
    def forget(model):
        if hasattr(model, "contrast"):
            del model.contrast

    def __call__(self, model, batch, drop: float):
        x, y, weight = batch
        x = x.contiguous(memory_format=torch.channels_last)
        embeddings = model.encoder(x, drop)
        logits = model.logits(embeddings)
        loss = learn.label_loss(logits, y, weight, **self.how)
        index = self.batches.chosen
        known = (index >= 0) & (index < self.n_kept)  # an example of our labels, and not made up
        if not known.any():
            return loss
        says = self.teacher.teach(teacher.Batch({self.name: x[known]}, y[known], weight[known], {self.name: index[known]}))
        loss = loss + self.follow * distil.logits_loss(logits[known, : self.n_labels], says.logits)
        if self.contrast:
            loss = loss + self.contrast * model.contrast(embeddings[known], says.embeddings[self.name], index[known])
        return loss
