# SPDX-License-Identifier: MIT
"""DS-CNN encoders and the fused head, as PyTorch modules.

Method: depthwise-separable convolutions (Howard et al., MobileNets, arXiv 1704.04861; for sound Zhang et al.,
Hello Edge, arXiv 1711.07128) with true 1x1 pointwise products and an identity around blocks that change neither
width nor size (Sandler et al., MobileNetV2, arXiv 1801.04381). Global average pooling, then a dense embedding of
unit length, so that the embeddings of all modalities share one scale and the head can concatenate them.

Every module here has an exact integer counterpart; quantise.py walks them in the order in which they run.
"""

import dataclasses

from torch import nn
from torch.nn import functional


@dataclasses.dataclass(frozen=True)
class Shape:
    """What a preset says of one encoder."""

    stem: int  # channels of the first convolution
    stem_stride: int
    blocks: tuple  # (channels, stride) of each block
    embedding: int = 32

    @staticmethod
    def parse(stem: str, blocks: str, embedding: int) -> "Shape":
        """`24/2` and `48 96/2 96`: channels, and behind a slash the stride if it is not 1."""

        def item(text):
            channels, _, stride = text.partition("/")
            return int(channels), int(stride or 1)

        first, stride = item(stem)
        rest = tuple(item(text) for text in blocks.split())
        if not rest or min(first, stride, *(value for block in rest for value in block)) < 1:
            raise ValueError(f"stem = {stem}, blocks = {blocks}: at least one block, and channels and strides of at least 1")
        return Shape(first, stride, rest, embedding)

    def __str__(self) -> str:
        """As a preset would say it; read() understands it."""

        def item(channels, stride):
            return f"{channels}/{stride}" if stride != 1 else str(channels)

        blocks = " ".join(item(*block) for block in self.blocks)
        return f"{item(self.stem, self.stem_stride)}, {blocks}, {self.embedding}"

    @staticmethod
    def read(text: str) -> "Shape":
        stem, blocks, embedding = text.split(", ")
        return Shape.parse(stem, blocks, int(embedding))


class Conv(nn.Module):
    """Convolution without bias, batch normalisation, ReLU6 or nothing: one int8 operator once folded."""

    def __init__(
        self, inputs: int, outputs: int, size: int, stride: int = 1, depthwise: bool = False, relu: bool = True
    ):
        super().__init__()
        self.size, self.stride, self.depthwise, self.relu = size, stride, depthwise, relu
        self.conv = nn.Conv2d(inputs, outputs, size, stride, groups=inputs if depthwise else 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def padding(self, height: int, width: int) -> tuple:
        """TFLite's SAME: (left, right, top, bottom), the odd element behind."""

        def one(items):
            total = max((-(-items // self.stride) - 1) * self.stride + self.size - items, 0)
            return total // 2, total - total // 2

        return one(width) + one(height)

    def forward(self, x):
        padding = self.padding(x.shape[2], x.shape[3])
        if any(padding) and padding[0] == padding[1] and padding[2] == padding[3]:
            x = functional.conv2d(x, self.conv.weight, None, self.stride, (padding[2], padding[0]), 1, self.conv.groups)
        else:
            x = self.conv(functional.pad(x, padding)) if any(padding) else self.conv(x)
        x = self.norm(x)
        return functional.relu6(x) if self.relu else x


class Block(nn.Module):
    """Depthwise 3x3, pointwise 1x1; the input is added where width and size stay."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.residual = inputs == outputs and stride == 1
        self.depthwise = Conv(inputs, inputs, 3, stride, depthwise=True)
        self.pointwise = Conv(inputs, outputs, 1, relu=not self.residual)

    def forward(self, x):
        y = self.pointwise(self.depthwise(x))
        return x + y if self.residual else y


class Encoder(nn.Module):
    """Features [n, channels, rows, columns] to embeddings [n, embedding] of unit length."""

    def __init__(self, channels: int, shape: Shape):
        super().__init__()
        self.stem = Conv(channels, shape.stem, 3, shape.stem_stride)
        widths = [shape.stem] + [width for width, _ in shape.blocks]
        self.blocks = nn.Sequential(
            *[Block(widths[i], width, stride) for i, (width, stride) in enumerate(shape.blocks)]
        )
        self.dense = nn.Linear(widths[-1], shape.embedding)

    def last_map(self, x):
        """What the last block gives: [n, channels, rows, columns]."""
        return self.blocks(self.stem(x))

    def forward(self, x, drop: float = 0.0):
        return self.embed(self.last_map(x), drop)

    def embed(self, last_map, drop: float = 0.0):
        x = last_map.mean((2, 3))
        return functional.normalize(self.dense(functional.dropout(x, drop, self.training)), dim=1, eps=1e-6)


class Classifier(nn.Module):
    """What an encoder is trained with: logits out of its embedding. Its scale is learned, for embeddings have unit length."""

    def __init__(self, encoder: Encoder, labels: int, embedding: int):
        super().__init__()
        self.encoder = encoder
        self.logits = nn.Linear(embedding, labels)
        nn.init.normal_(self.logits.weight, std=1.0)

    def forward(self, x, drop: float = 0.0):
        return self.logits(self.encoder(x, drop))
