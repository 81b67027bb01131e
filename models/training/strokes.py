# SPDX-License-Identifier: MIT
"""Drawn digits: lines through a few points, with a pen of some width, white on black.

For training only. The demonstration's scene has drawings of its own (demo/make-scene), which nobody may add here.
"""

import math
import random

from PIL import Image, ImageDraw

BIG = 224  # drawn so large, then shrunk

# Per digit one or more ways to write it; each is a list of lines, each line points (x, y) of 0..1, y down.
WAYS = {
    0: [
        [
            [
                (0.5, 0.05),
                (0.2, 0.2),
                (0.12, 0.5),
                (0.2, 0.8),
                (0.5, 0.95),
                (0.8, 0.8),
                (0.88, 0.5),
                (0.8, 0.2),
                (0.5, 0.05),
            ]
        ]
    ],
    1: [[[(0.5, 0.05), (0.5, 0.95)]], [[(0.3, 0.25), (0.55, 0.05), (0.55, 0.95)]]],
    2: [
        [[(0.15, 0.25), (0.35, 0.06), (0.7, 0.1), (0.8, 0.3), (0.6, 0.55), (0.15, 0.93)], [(0.15, 0.93), (0.88, 0.93)]],
        [
            [
                (0.2, 0.2),
                (0.5, 0.05),
                (0.8, 0.22),
                (0.6, 0.55),
                (0.3, 0.85),
                (0.2, 0.8),
                (0.35, 0.75),
                (0.6, 0.9),
                (0.88, 0.88),
            ]
        ],
    ],
    3: [
        [
            [(0.2, 0.15), (0.5, 0.05), (0.78, 0.2), (0.7, 0.42), (0.45, 0.48)],
            [(0.45, 0.48), (0.8, 0.58), (0.78, 0.82), (0.5, 0.95), (0.15, 0.85)],
        ],
        [
            [(0.2, 0.07), (0.8, 0.07)],
            [(0.8, 0.07), (0.45, 0.42)],
            [(0.45, 0.42), (0.8, 0.55), (0.78, 0.85), (0.45, 0.95), (0.15, 0.82)],
        ],
    ],
    4: [
        [[(0.3, 0.05), (0.15, 0.55)], [(0.15, 0.55), (0.85, 0.55)], [(0.68, 0.1), (0.66, 0.95)]],
        [[(0.7, 0.95), (0.7, 0.05)], [(0.7, 0.05), (0.12, 0.65)], [(0.12, 0.65), (0.92, 0.65)]],
    ],
    5: [
        [
            [(0.8, 0.06), (0.3, 0.06)],
            [(0.3, 0.06), (0.25, 0.45)],
            [(0.25, 0.45), (0.55, 0.38), (0.82, 0.55), (0.75, 0.85), (0.45, 0.95), (0.15, 0.85)],
        ],
    ],
    6: [
        [
            [
                (0.7, 0.05),
                (0.35, 0.3),
                (0.18, 0.65),
                (0.3, 0.92),
                (0.6, 0.95),
                (0.8, 0.75),
                (0.65, 0.55),
                (0.35, 0.6),
                (0.2, 0.75),
            ]
        ],
        [[(0.45, 0.05), (0.2, 0.4), (0.17, 0.75), (0.45, 0.95), (0.75, 0.82), (0.7, 0.58), (0.4, 0.55), (0.2, 0.7)]],
    ],
    7: [
        [[(0.15, 0.07), (0.85, 0.07)], [(0.85, 0.07), (0.6, 0.45), (0.4, 0.95)]],
        [[(0.15, 0.1), (0.85, 0.07)], [(0.85, 0.07), (0.45, 0.95)], [(0.35, 0.5), (0.75, 0.5)]],
    ],
    8: [
        [
            [
                (0.5, 0.48),
                (0.22, 0.3),
                (0.3, 0.08),
                (0.65, 0.06),
                (0.78, 0.26),
                (0.5, 0.48),
                (0.2, 0.7),
                (0.3, 0.93),
                (0.68, 0.93),
                (0.8, 0.7),
                (0.5, 0.48),
            ]
        ],
        [
            [
                (0.75, 0.15),
                (0.45, 0.05),
                (0.22, 0.22),
                (0.5, 0.48),
                (0.8, 0.72),
                (0.5, 0.95),
                (0.2, 0.75),
                (0.5, 0.48),
                (0.75, 0.15),
            ]
        ],
    ],
    9: [
        [
            [(0.78, 0.25), (0.55, 0.06), (0.25, 0.15), (0.2, 0.4), (0.5, 0.5), (0.78, 0.25)],
            [(0.78, 0.25), (0.72, 0.95)],
        ],
        [
            [
                (0.75, 0.2),
                (0.45, 0.05),
                (0.2, 0.25),
                (0.4, 0.5),
                (0.75, 0.35),
                (0.77, 0.2),
                (0.75, 0.7),
                (0.55, 0.95),
                (0.25, 0.9),
            ]
        ],
    ],
}


def smooth(points: list, steps: int = 8) -> list:
    """A curve through @points (Catmull and Rom, 1974)."""
    if len(points) < 3:
        return points
    ends = [points[0], *points, points[-1]]
    curve = []
    for a, b, c, d in zip(ends, ends[1:], ends[2:], ends[3:]):
        for step in range(steps):
            t = step / steps
            curve.append(
                tuple(
                    0.5 * (2 * q + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t * t + (3 * q - p - 3 * r + s) * t**3)
                    for p, q, r, s in zip(a, b, c, d)
                )
            )
    return curve + [points[-1]]


def draw(lines: list, place, pen: float, size: int) -> Image.Image:
    """@place maps (x, y) to 0..1 of the picture; @pen is the width of the line, in the same unit."""
    image = Image.new("L", (BIG, BIG), 0)
    canvas, radius = ImageDraw.Draw(image), pen * BIG / 2
    for line in lines:
        points = [tuple(BIG * v for v in place(point)) for point in smooth(line)]
        canvas.line(points, fill=255, width=max(1, round(2 * radius)))
        for x, y in points:
            canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return image.resize((size, size), Image.Resampling.BOX)


def somewhere(rng: random.Random):
    """Slanted, stretched and moved a little, as large as MNIST's digits: 20 of 28 pixels high."""
    height, width = rng.uniform(0.6, 0.78), rng.uniform(0.36, 0.62)
    slant, turn = rng.uniform(-0.1, 0.3), rng.uniform(-0.15, 0.15)
    dx, dy = rng.uniform(-0.05, 0.05), rng.uniform(-0.05, 0.05)

    def place(point):
        x = (point[0] - 0.5) * width - slant * (point[1] - 0.5) * height
        y = (point[1] - 0.5) * height
        return (
            0.5 + dx + x * math.cos(turn) - y * math.sin(turn),
            0.5 + dy + x * math.sin(turn) + y * math.cos(turn),
        )

    return place


def digit(value: int, rng: random.Random, size: int) -> Image.Image:
    way = rng.choice(WAYS[value])
    shaken = {point: tuple(v + rng.gauss(0, 0.03) for v in point) for line in way for point in line}
    return draw([[shaken[p] for p in line] for line in way], somewhere(rng), rng.uniform(0.05, 0.14), size)


def scribble(rng: random.Random, size: int) -> Image.Image:
    """No digit: a dot, a stroke across the edge, a tangle."""
    kind = rng.randrange(4)
    if kind == 0:  # a dot or a short stroke
        x, y = rng.random(), rng.random()
        lines = [[(x, y), (x + rng.uniform(-0.15, 0.15), y + rng.uniform(-0.15, 0.15))]]
    elif kind == 1:  # an edge of something
        lines = [[(rng.choice([-0.2, 1.2]), rng.random()), (rng.random(), rng.choice([-0.2, 1.2]))]]
    elif kind == 2:  # a fence
        gap = rng.uniform(0.15, 0.3)
        lines = [[(i * gap, 0), (i * gap + rng.uniform(-0.1, 0.1), 1)] for i in range(6)]
    else:  # a tangle
        lines = [[(rng.random(), rng.random()) for _ in range(rng.randrange(8, 14))]]
    return draw(lines, lambda point: point, rng.uniform(0.03, 0.14), size)
