"""Place the labels of a scatter plot beside their points so that they cover no other label, point or line."""

from __future__ import annotations

import math
from collections.abc import Sequence

HIGH = 12  # of a label, in pixels
RADIUS = 6  # of the area around a point that labels must not cover
NEAR = 12  # a label that is farther from its point gets a line to it
DISTANCES = (8, 14, 22, 32, 44, 58, 74, 92)
DIRECTIONS = 16
ROUNDS = 3  # how often overlapping labels are placed again

Box = tuple[float, float, float, float]  # left, top, right, bottom


def place_labels(points: Sequence[tuple[float, float]], widths: Sequence[float], inside: Box) -> list[Box]:
    """A box for the label of each point. The same points give the same boxes."""
    marks = [(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS) for x, y in points]
    boxes: list[Box | None] = [None] * len(points)
    lines: list[list[Box]] = [[] for _ in points]
    order = sorted(range(len(points)), key=lambda i: (_alone(points, i), i))  # the most crowded points choose last
    for _ in range(ROUNDS):
        for i in order:
            taken = [*marks[:i], *marks[i + 1 :], *(box for j, box in enumerate(boxes) if box and j != i)]
            crossed = [dot for j, dots in enumerate(lines) if j != i for dot in dots]
            box = boxes[i]
            if box is None or _cost(points[i], box, taken, crossed, inside):
                boxes[i] = _best(points[i], widths[i], taken, crossed, inside)
                lines[i] = _dots(points[i], boxes[i])
    return boxes


def leader(point: tuple[float, float], box: Box) -> tuple[float, float] | None:
    """The end, on the label's edge, of the line from the point to its label. None if the label is near enough."""
    to = min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])
    return None if math.dist(point, to) <= NEAR else to


def overlap(a: Box, b: Box) -> float:
    if a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]:
        return 0.0
    return (min(a[2], b[2]) - max(a[0], b[0])) * (min(a[3], b[3]) - max(a[1], b[1]))


def _alone(points: Sequence[tuple[float, float]], i: int) -> float:
    """The negative distance of a point to its third nearest neighbour, so that sorting puts lonely points first."""
    distances = sorted(math.dist(points[i], other) for other in points)
    return -distances[min(3, len(distances) - 1)]


def _best(point: tuple[float, float], width: float, taken: list[Box], lines: list[Box], inside: Box) -> Box:
    """The nearest free box around the point, or the box that covers least if none is free."""
    best, least = None, math.inf
    for box in _places(point, width):
        cost = _cost(point, box, taken, lines, inside, least)
        if not cost:
            return box
        if cost < least:
            best, least = box, cost
    return best


def _places(point: tuple[float, float], width: float) -> list[Box]:
    """Candidate boxes around a point, the nearest first, and right and left before above and below."""
    x, y = point
    found = []
    for distance in DISTANCES:
        for step in range(DIRECTIONS):
            angle = math.pi * ((step + 1) // 2) / (DIRECTIONS // 2) * (1 if step % 2 else -1)
            dx, dy = math.cos(angle), math.sin(angle)
            left = x + distance * dx - (0 if dx > 0.3 else width if dx < -0.3 else width / 2)
            top = y + distance * dy - HIGH / 2 * (1 - dy)
            found.append((left, top, left + width, top + HIGH))
    return found


def _cost(
    point: tuple[float, float], box: Box, taken: list[Box], lines: list[Box], inside: Box, enough: float = math.inf
) -> float:
    """How much a label in this box would cover and its line would cross, 0 if nothing. Stops counting at `enough`."""
    cost = 10 * max(0.0, (box[2] - box[0]) * HIGH - overlap(box, inside))
    if cost < enough:
        cost += sum(5 + covered for other in taken if (covered := overlap(box, other)))
    if cost < enough:
        cost += sum(3 for dot in lines if overlap(box, dot))
    if cost < enough:
        cost += sum(4 for dot in _dots(point, box) for other in taken if overlap(dot, other))
    return cost


def _dots(point: tuple[float, float], box: Box) -> list[Box]:
    """Small boxes along the line from a point to its label, or none if the label needs no line."""
    to = leader(point, box)
    if to is None:
        return []
    count = max(2, int(math.dist(point, to) // 4))
    spots = [
        (point[0] + (to[0] - point[0]) * k / count, point[1] + (to[1] - point[1]) * k / count) for k in range(1, count)
    ]
    return [(x - 1, y - 1, x + 1, y + 1) for x, y in spots if math.dist(point, (x, y)) > RADIUS]
