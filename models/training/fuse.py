# SPDX-License-Identifier: MIT
"""The head: embeddings and a presence mask to scores.

What each encoder's own classifier says is a log-probability up to a constant. If the modalities err independently
given the label, the best decision adds them (product of experts: Hinton, Neural Computation 14(8), 2002), each with a
weight for how far it can be trusted and a bias for each set of modalities that is there. Weights and biases are
learned with modality dropout on examples that no encoder was trained on; only so are the encoders' scores honest. The
sum is linear, so the whole head is one FULLY_CONNECTED on the concatenation of the embeddings and the mask.
"""

import dataclasses
import itertools

import numpy as np
import torch
from torch.nn import functional

from . import quantise
from .graph import Graph, range_parameters

MASK_PRESENT = 127 / 128  # what 1.0 becomes in the mask's int8
STEPS, BATCH, RATE = 1500, 1024, 0.02
BIAS_DECAY = 2.0  # of biases, for few held-out examples speak for each: cross-validated on those of yard, README.md
SPARE = 1.1  # room in the range of the scores


@dataclasses.dataclass
class Held:
    """Embeddings of one modality's held-out examples; a sound has one for each window."""

    embeddings: torch.Tensor  # [n, items] float
    labels: torch.Tensor  # [n]


@dataclasses.dataclass
class Fusion:
    """What is learned; the same for any encoders trained the same way."""

    weights: torch.Tensor  # [modalities]
    present: torch.Tensor  # [labels, modalities], added if the modality is there
    bias: torch.Tensor  # [labels]
    temperature: dict  # tuple of present modalities' indices -> float
    none: dict = dataclasses.field(default_factory=dict)  # likewise -> logit of no label, where other labels' examples were there

    def scores(self, experts: list, mask: torch.Tensor) -> torch.Tensor:
        """@experts [n, labels] of each modality, @mask [n, modalities] of 0 and 1."""
        total = self.bias + mask @ self.present.T
        for i, expert in enumerate(experts):
            total = total + mask[:, i : i + 1] * self.weights[i] * expert
        return total

    def probabilities(self, experts: list, mask: torch.Tensor, chosen: tuple) -> torch.Tensor:
        """[n, labels], as the daemon computes them if the modalities in @chosen are there; calibrated."""
        scores = self.scores(experts, mask) / self.temperature[chosen]
        if chosen not in self.none:
            return scores.softmax(1)
        none = torch.full((len(scores), 1), self.none[chosen])
        return torch.cat([scores, none], 1).softmax(1)[:, :-1]


def sets_of(n: int) -> list:
    """All sets of present modalities but the empty one, largest last."""
    return [chosen for size in range(1, n + 1) for chosen in itertools.combinations(range(n), size)]


def pairs_of(sides: list) -> list:
    """(label, windows of each side), the i-th example of a label with the i-th, the shorter lists repeated."""
    found = []
    for label in range(int(max(labels.max() for labels, _ in sides)) + 1):
        lists = []
        for labels, numbers in sides:
            which = torch.unique(numbers[labels == label])
            lists.append([torch.nonzero(numbers == number)[:, 0] for number in which])
        if all(lists):
            found += [(label, [items[i % len(items)] for items in lists]) for i in range(max(map(len, lists)))]
    return found


def draw(held: list, experts: list, chosen: tuple, n: int):
    """Examples for which the modalities in @chosen are there: the one with the most examples leads, the others follow its label."""
    lead = max(chosen, key=lambda i: len(held[i].labels))
    first = torch.randint(len(held[lead].labels), (n,))
    labels = held[lead].labels[first]
    rows = []
    for i, modality in enumerate(held):
        if i == lead:
            rows.append(experts[i][first])
            continue
        weight = (labels[:, None] == modality.labels[None, :]).float()
        absent = weight.sum(1) == 0  # no held-out example of that label
        weight[absent] = 1.0
        rows.append(experts[i][torch.multinomial(weight, 1)[:, 0]])
    mask = torch.zeros(n, len(held))
    mask[:, list(chosen)] = 1
    return rows, mask, labels


def fit_temperature(fusion: Fusion, held: list, experts: list, chosen: tuple) -> float:
    rows, mask, labels = draw(held, experts, chosen, 8192)
    scores = fusion.scores(rows, mask)
    grid = torch.exp(torch.linspace(-1.6, 1.6, 161))
    losses = torch.stack([functional.cross_entropy(scores / t, labels) for t in grid])
    return round(float(grid[losses.argmin()]), 3)


def fit_none(fusion: Fusion, held: list, experts: list, i: int, others: torch.Tensor) -> float:
    """
    The logit of no label for modality @i alone: the likeliest, if half of what comes is of other labels.
    @others  what the encoder's classifier says of other labels' examples [n, labels].
    """
    chosen, mask = (i,), functional.one_hot(torch.tensor([i]), len(held)).float()
    known, unknown = (fusion.scores([part if k == i else torch.zeros(1) for k in range(len(held))], mask) / fusion.temperature[chosen]
                      for part in (experts[i], others))
    right = known[torch.arange(len(known)), held[i].labels]
    grid = torch.linspace(-10, 20, 301)
    losses = [float((torch.logaddexp(known.logsumexp(1), none) - right).mean() + (torch.logaddexp(unknown.logsumexp(1), none) - none).mean()) for none in grid]
    return round(float(grid[int(np.argmin(losses))]), 3)


def fit(held: list, classifiers: list, seed: int, others: dict = None) -> Fusion:
    """
    @held         Held of each modality.
    @classifiers  (weights [labels, items], bias [labels]) trained with each encoder.
    @others       index of a modality -> embeddings [n, items] of other labels' examples
    """
    torch.manual_seed(seed)
    experts = [h.embeddings @ weight.T + bias for h, (weight, bias) in zip(held, classifiers)]
    n, n_labels = len(held), experts[0].shape[1]
    logs, present, bias = torch.zeros(n), torch.zeros(n_labels, n), torch.zeros(n_labels)
    tuned = [values.requires_grad_() for values in (logs, present, bias)]
    tuner, sets = torch.optim.Adam(tuned, lr=RATE), sets_of(n)
    for step in range(STEPS):
        # every other step with all modalities, the rest with one of the smaller sets: modality dropout
        chosen = sets[-1] if step % 2 == 0 or n == 1 else sets[int(torch.randint(len(sets) - 1, ()))]
        rows, mask, labels = draw(held, experts, chosen, BATCH)
        scores = Fusion(logs.exp(), present, bias, {}).scores(rows, mask)
        loss = functional.cross_entropy(scores, labels) + BIAS_DECAY * (present.square().mean() + bias.square().mean())
        tuner.zero_grad()
        loss.backward()
        tuner.step()
    fusion = Fusion(logs.exp().detach(), present.detach(), bias.detach(), {})
    fusion.temperature = {chosen: fit_temperature(fusion, held, experts, chosen) for chosen in sets}
    for i, embeddings in (others or {}).items():
        weight, bias = classifiers[i]
        fusion.none[(i,)] = fit_none(fusion, held, experts, i, embeddings @ weight.T + bias)
    return fusion


def graph(fusion: Fusion, classifiers: list, samples: list) -> Graph:
    """
    The head as an int8 graph.
    @classifiers  of the encoders that the head goes with.
    @samples      embeddings [n, items] of each modality, for the range of the scores.
    """
    weights = torch.cat([w * matrix for w, (matrix, _) in zip(fusion.weights, classifiers)], 1)
    present = fusion.present + torch.stack([w * bias for w, (_, bias) in zip(fusion.weights, classifiers)], 1)
    dense = quantise.Layer(torch.cat([weights, present / MASK_PRESENT], 1), fusion.bias)
    out = Graph("head")
    inputs = [
        out.input(f"embedding{i + 1}", (1, s.shape[1]), quantise.EMBEDDING_SCALE, 0) for i, s in enumerate(samples)
    ]
    inputs.append(out.input("present", (1, len(samples)), quantise.EMBEDDING_SCALE, 0))
    shape = (1, dense.weights.shape[1])
    joined = out.run("CONCATENATION", inputs, "joined", shape, quantise.EMBEDDING_SCALE, 0, axis=1)
    low, high = extremes(dense, samples)
    out.outputs = [quantise.add_dense(out, "scores", joined, dense, range_parameters(low * SPARE, high * SPARE))]
    return out


def extremes(dense, samples: list) -> tuple:
    """Lowest and highest score over all sets of present modalities, any example of one with any of the other."""
    n = min(len(s) for s in samples)
    low, high = 0.0, 0.0
    for chosen in sets_of(len(samples)):
        mask = torch.tensor([[float(i in chosen) for i in range(len(samples))]]).expand(n, -1)
        for _ in range(8):
            parts = [s[torch.randperm(len(s))[:n]] * mask[:, i : i + 1] for i, s in enumerate(samples)]
            scores = dense(torch.cat([*parts, mask * MASK_PRESENT], 1)).detach()
            low, high = min(low, float(scores.min())), max(high, float(scores.max()))
    return low, high
