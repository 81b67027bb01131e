# SPDX-License-Identifier: MIT
"""Plots as SVG text, for a page that needs nothing else: lines, points, bars and heat maps; and tables of coloured cells."""

import html
import math

WIDTH, HEIGHT, LEFT, BELOW, ABOVE, RIGHT = 460, 300, 58, 44, 14, 14
COLOURS = ("#1f6fb4", "#d2691e", "#2e8b57", "#8a4f9e", "#c0404f", "#7a7a7a")  # each with a contrast of 3 to both backgrounds of the page
TICKS = 5
LETTER = 7  # width of one, in a wide typeface
BAR = 18  # height of one, with the room between
CELL = 22  # height of one in a heat map
DEEPEST = 0.75  # opacity of bars and cells: what has the colour of the text can still be seen on them


def ticks(low: float, high: float) -> list:
    """Round numbers from @low to @high."""
    step = 10 ** math.floor(math.log10(max(high - low, 1e-9) / TICKS))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= TICKS)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def label(x: float, y: float, text, anchor: str = "middle", upright: bool = False) -> str:
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if upright else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turn}>{html.escape(str(text))}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str = "grid") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def room(names: list) -> int:
    """Width of the longest of @names, and a gap."""
    return LETTER * max((len(str(name)) for name in names), default=0) + 12


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
        gap = (high - low or abs(high) or 1) * 0.05
        return low - gap, high + gap

    def at(self, x: float, y: float) -> tuple:
        across = (x - self.x_range[0]) / (self.x_range[1] - self.x_range[0])
        up = (y - self.y_range[0]) / (self.y_range[1] - self.y_range[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BELOW - up * (HEIGHT - BELOW - ABOVE)

    def frame(self) -> str:
        text = ""
        for x in ticks(*self.x_range):
            place, _ = self.at(x, self.y_range[0])
            text += line(place, ABOVE, place, HEIGHT - BELOW) + label(place, HEIGHT - BELOW + 16, number(x))
        for y in ticks(*self.y_range):
            _, place = self.at(self.x_range[0], y)
            text += line(LEFT, place, WIDTH - RIGHT, place) + label(LEFT - 6, place + 4, number(y), "end")
        return text + label((LEFT + WIDTH) / 2, HEIGHT - 8, self.labels[0]) + label(14, (HEIGHT - BELOW) / 2, self.labels[1], upright=True)


def figure(title: str, about: str, body: str, height: int = HEIGHT, keys: list = ()) -> str:
    """
    A picture with its title above and its keys below.
    @about  what the picture shows, for who cannot see it.
    @keys   of (name, colour, "solid", "dashed" or "dotted").
    """
    title = html.escape(title)
    below = "".join(f'<span class="key"><i style="border-top:3px {how} {colour}"></i>{html.escape(name)}</span>' for name, colour, how in keys)
    svg = f'<svg viewBox="0 0 {WIDTH} {height}" role="img"><title>{title}</title><desc>{html.escape(about)}</desc>{body}</svg>'
    return f"<figure><figcaption>{title}</figcaption>{svg}<div>{below}</div></figure>"


def chart(title: str, series: list, x_label: str, y_label: str, **ranges) -> str:
    """
    @series  of {"name", "points": [(x, y)]}: lines; with "dots" points only, with "dash" a dashed line. "colour" is a number, else the next;
             "mark" is one point (x, y) on the line.
    """
    axes, text, about, keys = Axes(series, x_label, y_label, **ranges), "", [], []
    for i, one in enumerate(series):
        colour = COLOURS[one.get("colour", i) % len(COLOURS)]
        places = [axes.at(x, y) for x, y in one["points"]]
        if not one.get("dots"):
            dash = ' stroke-dasharray="6 4"' if one.get("dash") else ""
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            text += f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
            places = [axes.at(*one["mark"])] if "mark" in one else []
        text += "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places)
        keys.append((one["name"], colour, "dotted" if one.get("dots") else "dashed" if one.get("dash") else "solid"))
        if one["points"]:
            (x1, y1), (x2, y2) = one["points"][0], one["points"][-1]
            about.append(f"{one['name']}: from {number(y1)} at {number(x1)} to {number(y2)} at {number(x2)}")
    return figure(title, f"{y_label} over {x_label}. {'; '.join(about)}.", axes.frame() + text, keys=keys)


def bars(title: str, rows: list, x_label: str, x_range=None, keys: list = ()) -> str:
    """
    Bars from zero to the right.
    @rows  of {"name", "value", "text": beside it}; with "interval" (low, high) a whisker, with "mark" a diamond at that value; "colour" is a number.
    @keys  of (name, number of the colour).
    """
    ends = [0, *(end for one in rows for end in (one["value"], *one.get("interval", ()), one.get("mark", 0)))]
    low, high = x_range or (min(ends), max(ends) or 1)
    left, right, below = room([one["name"] for one in rows]), room([one["text"] for one in rows]), ABOVE + BAR * len(rows)
    at = lambda value: left + (value - low) / (high - low) * (WIDTH - left - right)
    text = "".join(line(at(x), ABOVE, at(x), below) + label(at(x), below + 16, number(x)) for x in ticks(low, high))
    for i, one in enumerate(rows):
        top, middle = ABOVE + BAR * i + 3, ABOVE + BAR * (i + 0.5)
        colour, start, end = COLOURS[one.get("colour", 0)], at(min(0, one["value"])), at(max(0, one["value"]))
        text += f'<rect x="{start:.1f}" y="{top}" width="{end - start:.1f}" height="{BAR - 6}" fill="{colour}" fill-opacity="{DEEPEST}"/>'
        text += label(left - 6, middle + 4, one["name"], "end") + label(WIDTH - right + 6, middle + 4, one["text"], "start")
        if "interval" in one:
            text += line(at(one["interval"][0]), middle, at(one["interval"][1]), middle, "mark")
            text += "".join(line(at(x), middle - 4, at(x), middle + 4, "mark") for x in one["interval"])
        if "mark" in one:
            text += f'<path d="M{at(one["mark"]):.1f} {middle - 6}l4 6l-4 6l-4 -6z" class="diamond"/>'
    text += label((left + WIDTH - right) / 2, below + 34, x_label)
    about = "; ".join(f"{one['name']}: {number(one['value'])}, {one['text']}" for one in rows)
    return figure(title, f"{x_label}. {about}.", text, below + BELOW, [(name, COLOURS[i], "solid") for name, i in keys])


def heat(title: str, columns: list, rows: list) -> str:
    """
    @rows  of (name, [(text, share for the colour, all of it in words to point at) or None: an empty place]).
    """
    left = room([name for name, _ in rows])
    width = (WIDTH - left - RIGHT) / len(columns)
    upright = room(columns) > width
    top, text, about = room(columns) if upright else CELL, "", []
    for j, column in enumerate(columns):
        place = left + (j + 0.5) * width
        text += label(place + 4, top - 6, column, "start", True) if upright else label(place, top - 6, column)
    for i, (name, values) in enumerate(rows):
        y = top + CELL * i
        text += label(left - 6, y + 15, name, "end")
        for j, (shown, share, words) in ((j, value) for j, value in enumerate(values) if value):
            x = left + j * width
            text += f'<g><title>{html.escape(words)}</title><rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{CELL}" fill="{COLOURS[0]}" '
            text += f'fill-opacity="{DEEPEST * share:.2f}" class="cell"/>{label(x + width / 2, y + 15, shown)}</g>'
        about.append(f"{name}: " + ", ".join(f"{column} {value[0]}" for column, value in zip(columns, values) if value))
    return figure(title, "; ".join(about), text, top + CELL * len(rows) + 6)


def shade(share: float) -> str:
    """The page's background to blue."""
    red, green, blue = (int(COLOURS[0][i : i + 2], 16) for i in (1, 3, 5))
    return f"background:rgba({red},{green},{blue},{DEEPEST * min(max(share, 0.0), 1.0):.2f})"


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
