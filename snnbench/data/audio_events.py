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
from typing import Annotated, Literal

import numpy as np

from snnbench.data.base import BenchData
from snnbench.data.event_data import FramedEvents, Recordings
from snnbench.data.source_files import fingerprint
from snnbench.data.sources import Source
from snnbench.data.spike_files import UNITS, make_spikes, read_spike_labels, read_spikes
from snnbench.errors import ConfigError


@dataclass(frozen=True)
class TimeGrid:
    """How the spikes of a recording become counts `[T, 1, 1, bands]`.

    Args:
        time_steps: T. bands: channels after summing 700 / bands neighbours. bin_ms: length of a step.
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
    """

    source: Source
    parts: dict[str, int]
    classes: int

    def __init__(
        self,
        root: str,
        shape: list[int],
        num_classes: int,
        bin_ms: Annotated[float, "> 0"] = 10.0,
        complete: bool = True,
        val_fraction: Annotated[float, "in [0, 1)"] = 0.0,
        num_workers: Annotated[int, ">= 0"] = 4,
        drop_last: bool = False,
        resident: Literal["auto", "device", "host"] = "auto",
        *,
        batch_size: int,
        eval_batch_size: int,
        time_steps: int,
        seed: int,
        augment: object = None,
    ):
        BenchData.__init__(
            self, root, shape, num_classes, val_fraction, num_workers, drop_last, resident, batch_size=batch_size,
            eval_batch_size=eval_batch_size, time_steps=time_steps, seed=seed, augment=augment,
        )  # fmt: skip
        if list(shape[:2]) != [1, 1] or UNITS % shape[2]:
            raise ConfigError(
                f"data.shape={list(shape)} must be [1, 1, bands] with bands a divisor of {UNITS}, e.g. [1, 1, 140]."
            )
        self.framing, self.complete = TimeGrid(time_steps, shape[2], bin_ms), complete
        self.normalise, self.notes = self.normaliser(1, None, None), {}

    @property
    def folder(self) -> str:
        return self.source.folder

    def path(self, part: str) -> Path:
        """tonic's place SHD/shd_train.h5, or SHD/train/shd_train.h5 as `data prepare` unpacks it."""
        place, name = Path(self.root) / self.folder, f"{self.source.name}_{part}.h5"
        return place / name if os.path.lexists(place / name) else place / part / name

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
        return Recordings(
            np.concatenate(labels), np.concatenate(tags), fingerprint(Path(self.root) / self.folder, paths)
        )

    def read(self) -> Iterator[np.ndarray]:
        for path in map(self.path, self.parts):
            for number, (seconds, units) in enumerate(read_spikes(path)):
                yield self._spikes(seconds, units, f"{path}, recording {number}")

    def _spikes(self, seconds: np.ndarray, units: np.ndarray, where: str) -> np.ndarray:
        spikes = make_spikes(seconds, units, where)
        self.counted["out_of_order"] += int((np.diff(spikes["t"]) < 0).sum())
        return spikes[np.argsort(spikes["t"], kind="stable")]

    def split_indices(self, labels: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        everything, names = np.arange(len(labels)), list(self.parts)
        return everything[tags == names.index("train")], everything[tags == names.index("test")]

    def missing(self) -> ConfigError:
        place = Path(self.root) / self.folder
        lacking = [f"{self.source.name}_{part}.h5" for part in self.parts if not os.path.lexists(self.path(part))]
        return self.source.missing(self.root, f"has no {', '.join(lacking)}" if place.is_dir() else "")
