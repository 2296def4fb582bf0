"""Base of event data sets. It converts all recordings once into a memory-mapped array `[N, T, 2, H, W]`."""

import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from snnbench.data.base import BenchData, Loaded
from snnbench.data.cache import ArrayCache
from snnbench.data.dataset import ArraySource, normaliser
from snnbench.data.event_times import in_order
from snnbench.data.events import check_events
from snnbench.data.frames import Framing
from snnbench.data.source import Source
from snnbench.data.source_files import Fingerprint
from snnbench.errors import ConfigError
from snnbench.writing import writing

VERSION = 2  # part of the cache key: raise it when the output of the readers or of the framing changes
NAMED = 3  # the console names this many recordings; the count covers all of them


@dataclass(frozen=True)
class Recordings:
    """The list of the N recordings that were found, in a fixed order. No recording has been opened yet.

    Args:
        labels: The class of each recording, int64 `[N]`.
        tags: What `split_indices` needs to split them, int64 `[N]`: the number in the file name, or 0 train, 1 test.
        sources: The fingerprint by which the cache notices that the source files have changed.
    """

    labels: np.ndarray
    tags: np.ndarray
    sources: Fingerprint


class FramedEvents(BenchData):
    """A data set of recordings from any sensor, kept as a cached array of frames.

    A subclass defines `source`, `find`, `read` and `lacking`, and sets `normalise` and `framing`. `framing` is called
    with the events of one recording. It returns the frames `[T, *shape]` and the number of counts that were too large
    for its `dtype`. Its `describe()` returns its settings.
    """

    traits = ("events",)
    source: ClassVar[Source]
    framing: Framing

    def __init__(self, **rest):
        super().__init__(**rest)
        self.folder = Path(self.root) / self.source.folder
        self.notes: dict = {}

    # what a subclass defines
    def key(self) -> dict:
        """Everything else that the frames depend on, such as the release or the settings of a simulator."""
        return {}

    def find(self) -> Recordings | None:
        """List the recordings, or return None if there are no source files. A finished cache can do without them."""
        raise NotImplementedError

    def read(self) -> Iterator[np.ndarray]:
        """Yield the events of each recording, in the order that `find` returns."""
        raise NotImplementedError

    def split_indices(self, labels: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices (train, test). By default tag 0 means training and tag 1 means test."""
        return np.flatnonzero(tags == 0), np.flatnonzero(tags == 1)

    def lacking(self) -> str:
        """The end of the error message for a folder without recordings, such as "has no Train/<digit>/*.bin"."""
        raise NotImplementedError

    # what all data sets share
    def missing(self) -> ConfigError:
        """The error to raise if the recordings are missing."""
        return self.source.missing(self.root, self.lacking() if self.folder.is_dir() else "")

    @cached_property
    def counted(self) -> Counter:
        """The number of faulty events that `read` has met, by kind of fault. The run's record shows them."""
        return Counter()

    @cached_property
    def short(self) -> list[str]:
        """The recordings that `read` found too short. Their files may be cut off, though they can be read."""
        return []

    def load(self) -> Loaded:
        found = self.find()
        key = {"version": VERSION, "data": type(self).__name__, **self.framing.describe(), **self.key()}
        cache = ArrayCache(self.folder, "frames", key, found and found.sources)
        if found is None:
            opened = cache.open()
            if opened is None:
                raise self.missing()
        else:
            opened = cache.open_or_build(lambda draft: self._convert(found, draft))
        arrays, self.notes = opened
        labels, tags = np.array(arrays["labels"]), np.array(arrays["tags"])
        source = ArraySource(arrays["frames"], labels)
        train, test = self.split_indices(labels, tags)
        return Loaded(source, train, source, test, self.notes["content"])

    def make_ready(self) -> str:
        found = self.find()
        if found is None:
            raise self.missing()
        return f"{len(found.labels):,} recordings found; frames are made once for each T and framing, at first use"

    def _convert(self, found: Recordings, draft: Path) -> dict:
        count, cut = len(found.labels), 0
        shape = (count, self.time_steps, *self.shape)
        needed, free = int(np.prod(shape)) * self.framing.dtype.itemsize, shutil.disk_usage(draft).free
        if needed > free:  # a memory map on a full disk would kill the process
            raise ConfigError(
                f"The frames need {needed / 1e9:.1f} GB under '{draft.parent}' but {free / 1e9:.1f} GB are free: "
                "make room or set paths.data to another disk."
            )
        frames = np.lib.format.open_memmap(draft / "frames.npy", mode="w+", dtype=self.framing.dtype, shape=shape)
        done = 0
        self.counted.clear()
        self.short.clear()
        for index, events in enumerate(self.read()):
            if len(events) == 0:
                raise ConfigError(f"Recording {index} of {type(self).__name__} has no events: unpack the data again.")
            frames[index], cut_here = self.framing(events)
            cut, done = cut + cut_here, index + 1
            if done % 1000 == 0 or (done == count and count >= 1000):
                print(f"{type(self).__name__}: {done} of {count} recordings to frames (once)", file=sys.stderr)
        if done != count:
            raise ConfigError(f"{type(self).__name__}: {count} recordings listed but {done} read; unpack them again.")
        if self.short:
            self.counted["short_recordings"] = len(self.short)
            names = ", ".join(self.short[:NAMED])
            print(f"data: {len(self.short)} recordings end early, perhaps cut off: {names} ...", file=sys.stderr)
        frames.flush()
        with writing(draft.parent):
            np.save(draft / "labels.npy", found.labels)
            np.save(draft / "tags.npy", found.tags)
        return {"saturated_counts": cut, "odd_events": {kind: n for kind, n in sorted(self.counted.items()) if n}}

    def describe(self) -> dict:
        return super().describe() | {
            "framing": self.framing.describe(),
            "saturated_counts": self.notes["saturated_counts"],
            "odd_events": self.notes["odd_events"],
        }


class EventData(FramedEvents):
    """Frames counted from the events of a camera. A subclass sets `sensor`, the (height, width) in pixels.

    Args:
        frames_by: The way to cut a recording into T frames. "number" gives each frame equally many events, "time" gives
            each frame an equal share of the recording's time.
        resize: The way to bring frames from the sensor's size to `shape`. "sum" counts each event in the larger pixel
            that covers it, "bilinear" and "nearest" resize the counted frames. Equal sizes need no resizing.
        normalise: "max" divides each frame by its own largest count before it is resized (TET), "none" keeps counts.
        count_dtype: The type in which the cache stores whole counts. A count that is too large becomes the type's
            largest number. Resized or divided frames are stored as float16.
        mean: The mean of each polarity's frames. It is subtracted, and null subtracts nothing.
        std: The standard deviation of each polarity's frames. They are divided by it, and null divides by nothing.
    """

    sensor: ClassVar[tuple[int, int]]
    lasts_us: ClassVar[int] = 0  # duration of every recording in microseconds; 0 if recordings differ in duration

    def __init__(
        self,
        frames_by: Literal["number", "time"] = "number",
        resize: Literal["bilinear", "nearest", "sum"] = "bilinear",
        normalise: Literal["none", "max"] = "none",
        count_dtype: Literal["uint8", "int16"] = "uint8",
        mean: list[float] | None = None,
        std: list[float] | None = None,
        **rest,
    ):
        super().__init__(**rest)
        if self.shape[0] != 2:
            raise ConfigError(f"data.shape={list(self.shape)} must begin with 2: event frames have two polarities.")
        size = self.shape[1:]
        self.framing = Framing(self.time_steps, self.sensor, size, frames_by, resize, normalise, count_dtype)
        self.normalise = normaliser(self.shape[0], 1, mean, std)

    def checked(self, events: np.ndarray, path: str | Path) -> np.ndarray:
        """Return the events of one recording, sorted by time and within the sensor. Faults are counted in `counted`.

        Raises:
            ConfigError: The recording at `path` cannot be used.
        """
        events, found = in_order(check_events(events, self.sensor, path), path)
        self.counted.update(found)
        if (span := int(events["t"][-1] - events["t"][0])) < self.lasts_us * 4 // 5:  # the file may be cut off
            self.short.append(f"'{path}' ({span} us)")
        return events
