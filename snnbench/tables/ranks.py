"""Spearman's rank correlation (Spearman, Am. J. Psychology 1904). Equal values share the mean of their ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence

LEAST = 3  # fewer pairs give no meaningful rank correlation


def ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value, counted from 1. Equal values share the mean of their ranks."""
    ordered = sorted(values)
    return [(2 * ordered.index(value) + ordered.count(value) + 1) / 2 for value in values]


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Pearson's correlation of the ranks, in [-1, 1]. None for fewer than 3 pairs or if one side is constant."""
    if len(one) != len(other):
        raise ValueError(f"{len(one)} values cannot be paired with {len(other)}")
    if len(one) < LEAST:
        return None
    middle = (len(one) + 1) / 2
    a, b = ([rank - middle for rank in ranks(values)] for values in (one, other))
    spread = math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
    return sum(x * y for x, y in zip(a, b)) / spread if spread else None
