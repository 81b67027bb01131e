# SPDX-License-Identifier: MIT
"""What a student learns from a teacher beside labels: three losses, each with its gradient by autograd.

- logits: the teacher's distribution, softened (Hinton et al., arXiv 1503.02531).
- attention: where the teacher looks, as a cross-entropy of maps (EDAM, arXiv 2110.08270).
- contrast: the student's embedding of an example is told from other examples' by the teacher's, by noise-contrastive
  estimation against a memory bank (CRD, Tian et al., arXiv 1910.10699, sections 3.1 and 3.3).
"""

import torch
from torch import nn
from torch.nn import functional

TEMPERATURE = 4.0
PROJECTION, NEGATIVES, TAU = 128, 16384, 0.07
MEMORY_KEEP = 0.5  # what an entry of the memory keeps when its example comes by
LEAST = 1e-7


def logits_loss(student, teacher, temperature: float = TEMPERATURE):
    """KL(teacher || student) of logits [n, labels] divided by @temperature; times its square, so that gradients keep their size."""
    wanted = functional.log_softmax(teacher / temperature, 1)
    found = functional.log_softmax(student / temperature, 1)
    return (wanted.exp() * (wanted - found)).sum(1).mean() * temperature**2


def resized(maps, size: tuple):
    """Distributions over places [n, rows, columns] to distributions over another grid."""
    y = functional.interpolate(maps.unsqueeze(1), size, mode="bilinear", align_corners=False)[:, 0].clamp(min=0)
    return y / y.sum((1, 2), keepdim=True).clamp(min=LEAST)


def attention_loss(student, teacher):
    """
    @student  scores of places [n, rows, columns], any real numbers.
    @teacher  distribution over places [n, rows, columns], of any grid.
    Cross-entropy, less the teacher's own entropy, so that 0 is the best.
    """
    wanted = resized(teacher, student.shape[1:]).flatten(1)
    found = functional.log_softmax(student.flatten(1), 1)
    return (wanted * (wanted.clamp(min=LEAST).log() - found)).sum(1).mean()


class AttentionBlock(nn.Module):
    """A student's own scores of places, from its last map; gone after training."""

    def __init__(self, channels: int):
        super().__init__()
        self.hidden, self.scores = nn.Conv2d(channels, channels // 4, 1), nn.Conv2d(channels // 4, 1, 1)

    def forward(self, x):
        return self.scores(functional.relu(self.hidden(x)))[:, 0]


def contrast_loss(anchor, positive, negatives, n_examples: int, z: float, tau: float = TAU):
    """
    Noise-contrastive estimation with noise 1 / n_examples.
    @anchor, @positive  [n, items] of unit length; @negatives [k, items].
    @z  normalises exp(dot / tau) to a probability.
    """
    k = len(negatives)
    noise = k / n_examples
    right = torch.exp((anchor * positive).sum(1) / tau) / z
    wrong = torch.exp(anchor @ negatives.T / tau) / z
    return -(torch.log(right / (right + noise)).mean() + torch.log(noise / (wrong + noise)).sum(1).mean())


class Contrast(nn.Module):
    """Projections of both embeddings, and a memory of all training examples' projections."""

    def __init__(self, student_items: int, teacher_items: int, n_examples: int, negatives: int = NEGATIVES):
        super().__init__()
        self.student, self.teacher = nn.Linear(student_items, PROJECTION), nn.Linear(teacher_items, PROJECTION)
        self.negatives = negatives
        for name in ("student_memory", "teacher_memory"):
            self.register_buffer(name, functional.normalize(torch.randn(n_examples, PROJECTION), dim=1))
        self.register_buffer("z", torch.zeros(2))  # of student and teacher as anchors; 0: not known yet

    def forward(self, student, teacher, index):
        """
        Embeddings [n, items] of the examples @index [n].
        One draw of negatives serves the whole batch (with replacement, as many as the paper's for each example).
        """
        s = functional.normalize(self.student(student), dim=1)
        t = functional.normalize(self.teacher(teacher), dim=1)
        n_examples = len(self.student_memory)
        drawn = torch.randint(n_examples, (self.negatives,))
        total = 0.0
        for i, (anchor, memory) in enumerate(((s, self.teacher_memory), (t, self.student_memory))):
            negatives = memory[drawn]
            if self.z[i] == 0:
                self.z[i] = torch.exp(anchor.detach() @ negatives.T / TAU).mean() * n_examples
            total = total + contrast_loss(anchor, memory[index].clone(), negatives, n_examples, float(self.z[i]))
        if self.training:
            for memory, found in ((self.student_memory, s), (self.teacher_memory, t)):
                memory[index] = functional.normalize(memory[index].lerp(found.detach(), 1 - MEMORY_KEEP), dim=1)
        return total
