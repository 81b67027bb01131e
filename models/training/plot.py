# SPDX-License-Identifier: MIT
"""Plots as SVG text, for a page that needs nothing else: lines, points, and tables of coloured cells."""

import html
import math

WIDTH, HEIGHT, LEFT, BELOW, ABOVE, RIGHT = 460, 300, 58, 44, 14, 14
COLOURS = ("#1f6fb4", "#d2691e", "#2e8b57", "#8a4f9e", "#b03a48", "#6b6b6b")
TICKS = 5


def ticks(low: float, high: float) -> list:
    """Round numbers from @low to @high."""
    step = 10 ** math.floor(math.log10(max(high - low, 1e-9) / TICKS))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= TICKS)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


class Axes:
    """From numbers to places in the picture."""

    def __init__(self, series: list, x_label: str, y_label: str, x_range=None, y_range=None):
        points = [point for one in series for point in one["points"]]
        self.x_range = x_range or self.spread([x for x, _ in points])
        self.y_range = y_range or self.spread([y for _, y in points])
        self.labels = x_label, y_label

    @staticmethod
    def spread(values: list) -> tuple:
        low, high = min(values, default=0), max(values, default=1)
        room = (high - low or abs(high) or 1) * 0.05
        return low - room, high + room

    def at(self, x: float, y: float) -> tuple:
        across = (x - self.x_range[0]) / (self.x_range[1] - self.x_range[0])
        up = (y - self.y_range[0]) / (self.y_range[1] - self.y_range[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BELOW - up * (HEIGHT - BELOW - ABOVE)

    def frame(self) -> str:
        text = ""
        for x in ticks(*self.x_range):
            place, _ = self.at(x, self.y_range[0])
            text += f'<line x1="{place:.1f}" x2="{place:.1f}" y1="{ABOVE}" y2="{HEIGHT - BELOW}" class="grid"/>'
            text += f'<text x="{place:.1f}" y="{HEIGHT - BELOW + 16}" text-anchor="middle">{number(x)}</text>'
        for y in ticks(*self.y_range):
            _, place = self.at(self.x_range[0], y)
            text += f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place:.1f}" y2="{place:.1f}" class="grid"/>'
            text += f'<text x="{LEFT - 6}" y="{place + 4:.1f}" text-anchor="end">{number(y)}</text>'
        text += f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{html.escape(self.labels[0])}</text>'
        middle = (HEIGHT - BELOW) / 2
        return text + f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">{html.escape(self.labels[1])}</text>'


def chart(title: str, series: list, x_label: str, y_label: str, **ranges) -> str:
    """@series  of {"name", "points": [(x, y)], "dots": bool}: lines, or dots only."""
    axes, text = Axes(series, x_label, y_label, **ranges), ""
    for i, one in enumerate(series):
        colour = COLOURS[i % len(COLOURS)]
        places = [axes.at(x, y) for x, y in one["points"]]
        if one.get("dots"):
            text += "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places)
        else:
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            text += f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
    keys = "".join(
        f'<span class="key"><i style="background:{COLOURS[i % len(COLOURS)]}"></i>{html.escape(one["name"])}</span>' for i, one in enumerate(series)
    )
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">{axes.frame()}{text}</svg>'
    return f"<figure><figcaption>{html.escape(title)}</figcaption>{svg}<div>{keys}</div></figure>"


def shade(share: float) -> str:
    """White to blue, with text that can be read on it."""
    share = min(max(share, 0.0), 1.0)
    red, green, blue = (round(255 + (end - 255) * share) for end in (31, 111, 180))
    return f"background:rgb({red},{green},{blue});color:{'#fff' if share > 0.55 else '#222'}"


def cells(title: str, columns: list, rows: list) -> str:
    """@rows  of (name, [(text, share for the colour or None)])."""
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in ["", *columns])
    body = ""
    for name, values in rows:
        body += f"<tr><th>{html.escape(str(name))}</th>"
        for text, share in values:
            style = f' style="{shade(share)}"' if share is not None else ""
            body += f"<td{style}>{html.escape(str(text))}</td>"
        body += "</tr>"
    return f"<figure><figcaption>{html.escape(title)}</figcaption><table><tr>{head}</tr>{body}</table></figure>"
