"""Write scatter plots as SVG text, without matplotlib.

CI compares the committed plots byte by byte, and each version of matplotlib (3.9, 3.10, 3.11) writes different bytes.

Panels stand side by side. The x axis may be logarithmic. Every point has a label that avoids points and other labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

from snnbench.tables.cells import printable
from snnbench.tables.labels import leader, place_labels

WIDTH, HEIGHT = 620, 480  # of a panel, in pixels
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 34, 46  # margins around the axes
FONT = 10
LETTER, CAPITAL = 5.6, 7.0  # widths of the letters of a label, in pixels
STYLES = (("#4c72b0", "circle"), ("#c44e52", "square"), ("#dd8452", "triangle"), ("#55a868", "diamond"))


@dataclass(frozen=True)
class Point:
    x: float
    y: float
    label: str
    series: int


@dataclass(frozen=True)
class Panel:
    """points of several series (numbered as in the figure's list of names) over common axes."""

    title: str
    x_label: str
    y_label: str
    points: list[Point]
    log_x: bool = False


def figure(panels: list[Panel], names: list[str]) -> str:
    """The SVG of panels in a row, with one legend of the series names below."""
    width, height = WIDTH * len(panels), HEIGHT + 28
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="{FONT}">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for place, panel in enumerate(panels):
        lines += [f'<g transform="translate({place * WIDTH},0)">', *_panel(panel), "</g>"]
    x = LEFT
    for series, name in enumerate(names):
        lines += [_mark(x, HEIGHT + 14, series), _text(x + 9, HEIGHT + 14 + 3.5, name)]
        x += 30 + LETTER * len(name)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _panel(panel: Panel) -> list[str]:
    lines = [_text(LEFT, 18, panel.title, size=12)]
    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
    lines.append(f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="#444"/>')
    lines.append(_text((left + right) / 2, HEIGHT - 10, panel.x_label, anchor="middle"))
    middle = (top + bottom) / 2
    lines.append(
        f'<text x="14" y="{_n(middle)}" text-anchor="middle" transform="rotate(-90 14 {_n(middle)})">'
        f"{escape(panel.y_label)}</text>"
    )
    if not panel.points:
        return [*lines, _text((left + right) / 2, middle, "nothing measured yet", anchor="middle")]
    scale = math.log10 if panel.log_x else float
    x_low, x_high = _range([scale(point.x) for point in panel.points])
    y_low, y_high = _range([point.y for point in panel.points])
    x_ticks = _log_ticks(x_low, x_high) if panel.log_x else _ticks(x_low, x_high)

    def at_x(value: float) -> float:
        return left + (scale(value) - x_low) / (x_high - x_low) * (right - left)

    def at_y(value: float) -> float:
        return bottom - (value - y_low) / (y_high - y_low) * (bottom - top)

    for tick in x_ticks:
        x = at_x(tick)
        lines.append(f'<path d="M{_n(x)} {top}V{bottom}" stroke="#eee"/>')
        lines.append(_text(x, bottom + 14, f"{tick:g}", anchor="middle"))
    for tick in _ticks(y_low, y_high):
        y = at_y(tick)
        lines.append(f'<path d="M{left} {_n(y)}H{right}" stroke="#eee"/>')
        lines.append(_text(left - 5, y + 3.5, f"{tick:g}", anchor="end"))
    placed = [(at_x(point.x), at_y(point.y), point) for point in panel.points]
    lines += [_mark(x, y, point.series) for x, y, point in placed]
    widths = [_label_width(point.label) for point in panel.points]
    boxes = place_labels([(x, y) for x, y, _ in placed], widths, (left, top, right, bottom))
    for (x, y, point), box in zip(placed, boxes):
        colour, end = _colour(point.series), leader((x, y), box)
        if end is not None:
            lines.append(f'<path d="M{_n(x)} {_n(y)}L{_n(end[0])} {_n(end[1])}" stroke="{colour}" stroke-width="0.5"/>')
        lines.append(_text(box[0], box[3] - 2, point.label, colour=colour))
    return lines


def _label_width(label: str) -> float:
    """The width of a label in pixels: its letters, of which capitals are wider, and a gap."""
    return 4 + sum(CAPITAL if letter.isupper() else LETTER for letter in label)


def _colour(series: int) -> str:
    return STYLES[series % len(STYLES)][0]


def _range(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or max(abs(high), 1.0) * 0.05
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers in [low, high]."""
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    return [round(index * step, 10) for index in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between 10^low and 10^high, and other multiples if there are too few."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    ticks: list[float] = []
    for factors in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
        ticks = [factor * 10.0**power for power in decades for factor in factors]
        ticks = [tick for tick in ticks if low <= math.log10(tick) <= high]
        if len(ticks) > 3:
            break
    return ticks


def _mark(x: float, y: float, series: int) -> str:
    colour, shape = STYLES[series % len(STYLES)]
    if shape == "circle":
        return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="4" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    corners = {"square": ((-3.5, -3.5), (3.5, -3.5), (3.5, 3.5), (-3.5, 3.5)), "triangle": ((0, -4.5), (4, 3), (-4, 3)),
               "diamond": ((0, -5), (5, 0), (0, 5), (-5, 0))}[shape]  # fmt: skip
    path = "L".join(f"{_n(x + dx)} {_n(y + dy)}" for dx, dy in corners)
    return f'<path d="M{path}Z" fill="{colour}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = FONT, colour: str = "#222") -> str:
    shown = escape(printable(text))
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{shown}</text>'


def _n(value: float) -> str:
    return f"{value:.1f}"
