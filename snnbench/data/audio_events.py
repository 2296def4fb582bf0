"""Spikes of a simulated cochlea: HDF5 files of the Heidelberg sets -> frames `[T, 1, 1, bands]` on a fixed time grid.

A file holds `spikes/times` (seconds) and `spikes/units` (0 .. 699), one array of variable length a recording, and
`labels` (Cramer et al. 2020; the layout that tonic's HSD and SpikingJelly read). Step t counts the spikes in
[t, t + 1) * bin_ms after the recording's first; neighbouring units are summed into bands. The code of DCLS-Delays
(SpikingJelly's frames by duration) has this grid too, and pads each batch to its longest recording; here all have T
steps and what lies beyond is cut, counted and recorded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np

from snnbench.data.dataset import Normalise
from snnbench.data.event_data import FramedEvents, Recordings
from snnbench.data.source_files import fingerprint
from snnbench.data.spike_files import UNITS, make_spikes, read_spike_labels, read_spikes
from snnbench.errors import ConfigError


@dataclass(frozen=True)
class TimeGrid:
    """How the spikes of a recording become counts `[T, 1, 1, bands]`.

    Args:
        time_steps: The number T of time steps.
        bands: The number of frequency bands. Each is the sum of 700 / bands neighbouring units.
        bin_ms: The length of a time step in milliseconds.
    """

    time_steps: int
    bands: int
    bin_ms: float

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    def describe(self) -> dict:
        return {"time_steps": self.time_steps, "bands": self.bands, "bin_ms": self.bin_ms, "dtype": "uint8"}

    def __call__(self, spikes: np.ndarray) -> tuple[np.ndarray, int]:
        """(counts, spikes cut: those after T steps, and counts above 255); spikes `[n]` of SPIKES in order of time."""
        step = np.floor((spikes["t"] - spikes["t"][0]) / self.bin_ms).astype(np.int64)
        kept = step < self.time_steps
        where = step[kept] * self.bands + spikes["x"][kept] * self.bands // UNITS
        counts = np.bincount(where, minlength=self.time_steps * self.bands)
        cut = int((~kept).sum()) + int((counts > 255).sum())
        return np.minimum(counts, 255).astype(np.uint8).reshape(self.time_steps, 1, 1, self.bands), cut


class AudioEvents(FramedEvents):
    """x `[N, T, 1, 1, bands]` of counts. A subclass gives `source`, `parts` (name -> expected recordings), `classes`.

    Args:
        bin_ms: length of a time step in milliseconds; what comes after T of them is cut off.
        complete: files are refused that do not hold all published recordings.
        shape: [1, 1, bands]; the 700 units are summed into this many bands, a divisor of 700.

    Raises:
        ConfigError: the shape is not [1, 1, bands] with bands a divisor of 700.
    """

    parts: ClassVar[dict[str, int]]
    classes: ClassVar[int]

    def __init__(self, bin_ms: Annotated[float, "> 0"] = 10.0, complete: bool = True, **rest):
        super().__init__(**rest)
        *ones, bands = self.shape
        if ones != [1, 1] or UNITS % bands:
            raise ConfigError(
                f"data.shape={list(self.shape)} must be [1, 1, bands] with bands a divisor of {UNITS}, "
                "e.g. [1, 1, 140]."
            )
        self.framing, self.complete = TimeGrid(self.time_steps, bands, bin_ms), complete
        self.normalise = Normalise(1)

    def path(self, part: str) -> Path:
        """tonic's place SHD/shd_train.h5, or SHD/train/shd_train.h5 as `data prepare` unpacks it."""
        name = f"{self.source.name}_{part}.h5"
        return self.folder / name if os.path.lexists(self.folder / name) else self.folder / part / name

    def find(self) -> Recordings | None:
        paths = [self.path(part) for part in self.parts]
        if not all(os.path.lexists(path) for path in paths):
            return None
        labels, tags = [], []
        for tag, (path, expected) in enumerate(zip(paths, self.parts.values())):
            found = read_spike_labels(path, self.classes)
            if len(found) == 0 or (self.complete and len(found) != expected):
                raise ConfigError(
                    f"'{path}' holds {len(found)} recordings, expected {expected}: unpack it again, or set "
                    "data.complete=false."
                )
            labels.append(found)
            tags.append(np.full(len(found), tag))
        return Recordings(np.concatenate(labels), np.concatenate(tags), fingerprint(self.folder, paths))

    def read(self) -> Iterator[np.ndarray]:
        for path in map(self.path, self.parts):
            for number, (seconds, units) in enumerate(read_spikes(path)):
                yield self._spikes(seconds, units, f"{path}, recording {number}")

    def _spikes(self, seconds: np.ndarray, units: np.ndarray, where: str) -> np.ndarray:
        spikes = make_spikes(seconds, units, where)
        self.counted["out_of_order"] += int((np.diff(spikes["t"]) < 0).sum())
        return spikes[np.argsort(spikes["t"], kind="stable")]

    def lacking(self) -> str:
        absent = [f"{self.source.name}_{part}.h5" for part in self.parts if not os.path.lexists(self.path(part))]
        return f"has no {', '.join(absent)}"
