"""The 8x8 digits before a simulated event camera (DVS), moved in three small saccades as N-MNIST was recorded.

Camera (Lichtsteiner et al. 2008): a pixel remembers the log intensity of its last event and sends another one each time
the log intensity has moved by a threshold; the threshold differs a little from pixel to pixel (a fixed pattern). Motion
(Orchard et al. 2015): a triangle, 3 x 100 ms. Everything is a function of the digit's index; nothing is random.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np

from snnbench.data import sources
from snnbench.data.cache import ArrayCache
from snnbench.data.digits import WHITE, digit_fold, load_digit_arrays
from snnbench.data.event_data import EventData, Recordings
from snnbench.data.events import make_events
from snnbench.data.source_files import constant
from snnbench.data.splits import content_hash
from snnbench.errors import ConfigError
from snnbench.writing import writing

SIMULATOR = 1  # version: raise it when the events change
FIELD = 16  # pixels of the camera along each side
SCALE = 1.5  # camera pixels for one pixel of the digit: 12 of 16, the rest is room to move
DARK = 0.1  # intensity of the background, ink is 1.0: 2.4 log units between them
MISMATCH = 0.03  # standard deviation of the thresholds, relative
STEPS, SACCADE_US = 20, 100_000
TRIANGLE = np.array([(-1.5, -1.5), (0.0, 1.5), (1.5, -1.5), (-1.5, -1.5)])  # (dx, dy) in camera pixels


def bspline_weights(shift: float) -> np.ndarray:
    """Cubic B-spline weights `[FIELD, 8]` that draw 8 digit pixels, enlarged and shifted, onto the camera's pixels."""
    centre = (FIELD - 1) / 2 + shift
    u = (np.arange(FIELD) - centre) / SCALE + 3.5
    d = np.abs(u[:, None] - np.arange(8))
    return np.where(d < 1, 2 / 3 - d**2 + d**3 / 2, np.where(d < 2, (2 - d) ** 3 / 6, 0.0))


def log_intensity(images: np.ndarray) -> Iterator[np.ndarray]:
    """Log intensity `[n, FIELD, FIELD]` at each of the 3 * STEPS + 1 moments; images `[n, 8, 8]` in [0, 1]."""
    for at in np.linspace(0, 3, 3 * STEPS + 1):
        leg = min(int(at), 2)
        dx, dy = TRIANGLE[leg] + (TRIANGLE[leg + 1] - TRIANGLE[leg]) * (at - leg)
        yield np.log(DARK + bspline_weights(dy) @ images @ bspline_weights(dx).T)


def simulate_dvs(images: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """(events of all images, one after the other, sorted by time; offsets `[n + 1]`). images `[n, 8, 8]` in [0, 1].

    A change of several thresholds within a step gives that many events, timed by linear interpolation.
    """
    pattern = np.random.default_rng(0).normal(1.0, MISMATCH, (FIELD, FIELD))
    theta = threshold * pattern
    step_us = SACCADE_US / STEPS
    moments = log_intensity(images)
    before = next(moments)
    memory = before.copy()
    found = []
    for number, now in enumerate(moments):
        change = now - memory
        crossings = (np.abs(change) / theta).astype(np.int64)
        n, y, x = np.nonzero(crossings)
        k, up = crossings[n, y, x], change[n, y, x] > 0
        step = np.where(up, theta[y, x], -theta[y, x])
        rank = np.arange(k.sum()) - np.repeat(np.cumsum(k) - k, k) + 1  # 1..k within each pixel
        level = np.repeat(memory[n, y, x], k) + rank * np.repeat(step, k)
        start, end = np.repeat(before[n, y, x], k), np.repeat(now[n, y, x], k)
        t = ((number + (level - start) / (end - start)) * step_us).astype(np.int64)
        t = np.minimum(t, 3 * SACCADE_US - 1)
        found.append((np.repeat(n, k), np.repeat(y, k), np.repeat(x, k), t, np.repeat(up, k)))
        memory[n, y, x] += k * step
        before = now
    n, y, x, t, p = (np.concatenate(parts) for parts in zip(*found))
    order = np.argsort(((n * 3 * SACCADE_US + t) * FIELD + y) * FIELD + x, kind="stable")
    offsets = np.searchsorted(n[order], np.arange(len(images) + 1))
    return make_events(x[order], y[order], t[order], p[order]), offsets


class DigitsDVS(EventData):
    """x `[N, T, 2, H, W]`: counts of the events of each of T bins.

    Args:
        fold: which of five parts is the test set, about 360 recordings of the same images as in data=digits.
        threshold: change of a pixel's log intensity that makes one event; a smaller one makes more events.
    """

    sensor = (FIELD, FIELD)
    source = sources.DIGITS_DVS

    def __init__(
        self,
        fold: Annotated[int, "in [0, 4]"] = 0,
        threshold: Annotated[float, "> 0"] = 0.2,
        **rest,
    ):
        super().__init__(resize="sum", normalise="none", count_dtype="uint8", mean=None, std=None, **rest)
        if max(self.shape[1:]) > FIELD:
            raise ConfigError(
                f"data.shape={list(self.shape)} is larger than the simulated camera: use at most {FIELD}."
            )
        self.fold, self.threshold = fold, threshold

    def key(self) -> dict:
        return {"simulator": SIMULATOR, "threshold": self.threshold}

    def find(self) -> Recordings:
        images, labels = load_digit_arrays()
        return Recordings(labels, np.zeros(len(labels), dtype=np.int64), constant(content_hash(images, labels)))

    def events(self) -> tuple[np.ndarray, np.ndarray]:
        """(all events in tonic's record type, offsets `[1798]`), from the cache or simulated now."""

        def build(draft: Path) -> dict:
            images, _ = load_digit_arrays()
            events, offsets = simulate_dvs(images[:, 0] / WHITE, self.threshold)
            with writing(draft.parent):
                np.save(draft / "events.npy", events)
                np.save(draft / "offsets.npy", offsets)
            return {}

        cache = ArrayCache(self.folder, "events", self.key(), self.find().sources)
        arrays, _ = cache.open_or_build(build)
        return arrays["events"], arrays["offsets"]

    def make_ready(self) -> str:
        events, offsets = self.events()
        return f"{len(events):,} events of {len(offsets) - 1:,} digits are in the cache"

    def read(self) -> Iterator[np.ndarray]:
        events, offsets = self.events()
        for index, (start, end) in enumerate(pairwise(offsets)):
            if start == end:
                raise ConfigError(
                    f"data.threshold={self.threshold} is so high that digit {index} gives no event: lower it, e.g. 0.2."
                )
            yield events[start:end]

    def split_indices(self, labels: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return digit_fold(labels, self.fold)

    def describe(self) -> dict:
        return super().describe() | {"split": f"fold {self.fold} of 5", "threshold": self.threshold}
