"""Scatter panels as SVG text, in plain Python: the same points give the same bytes everywhere, so CI can compare them.

One panel beside the other; x may be logarithmic; every point carries its label, placed where it covers least.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 520, 400  # of a panel, pixels
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 34, 46  # margins of its axes
FONT = 10
LETTER = 5.6  # width of a letter of a label
NEAR = 12  # how far a label may stand from its point without a line to it
STYLES = (("#4c72b0", "circle"), ("#c44e52", "square"), ("#dd8452", "triangle"), ("#55a868", "diamond"))


@dataclass(frozen=True)
class Point:
    x: float
    y: float
    label: str
    series: int


@dataclass(frozen=True)
class Panel:
    """points of several series (indices into the figure's names) over common axes."""

    title: str
    x_label: str
    y_label: str
    points: list[Point]
    log_x: bool = False


def figure(panels: list[Panel], names: list[str]) -> str:
    """The SVG of panels in a row with one legend of the series' names below."""
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
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y, _ in placed]
    lines += [_mark(x, y, point.series) for x, y, point in placed]
    for x, y, point in placed:
        box = _label_box(x, y, LETTER * len(point.label), taken, (left, top, right, bottom))
        taken.append(box)
        lines += _leader(x, y, box, _colour(point.series))
        lines.append(_text(box[0], box[3] - 2, point.label, colour=_colour(point.series)))
    return lines


Box = tuple[float, float, float, float]


def _label_box(x: float, y: float, width: float, taken: list[Box], inside: Box) -> Box:
    """The first of the places around a point that overlaps least with what is there."""
    places = []
    for distance in (0, 10, 20, 30):
        sides, middle = (x + 8, x - 8 - width), x - width / 2
        places += [(side, y - 6 + shift) for side in sides for shift in (-distance, distance)]
        places += [(middle, y - 19 - distance), (middle, y + 7 + distance)]
    boxes = [(a, b, a + width, b + 12) for a, b in places]
    return min(boxes, key=lambda box: sum(_overlap(box, other) for other in taken) + 10 * _outside(box, inside))


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _outside(box: Box, inside: Box) -> float:
    area = (box[2] - box[0]) * (box[3] - box[1])
    return area - _overlap(box, inside)


def _leader(x: float, y: float, box: Box, colour: str) -> list[str]:
    """A thin line from a point to its label where that had to move away."""
    to_x, to_y = min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3])
    if math.hypot(to_x - x, to_y - y) <= NEAR:
        return []
    return [f'<path d="M{_n(x)} {_n(y)}L{_n(to_x)} {_n(to_y)}" stroke="{colour}" stroke-width="0.5"/>']


def _colour(series: int) -> str:
    return STYLES[series % len(STYLES)][0]


def _range(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.08 * (high - low) or max(abs(high), 1.0) * 0.05
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers in [low, high], about five."""
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    return [round(index * step, 10) for index in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 times powers of ten between 10^low and 10^high; other multiples too where those are few."""
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
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{escape(text)}</text>'
    )


def _n(value: float) -> str:
    return f"{value:.1f}"
