"""Base of event data sets: recordings become one memory-mapped array of frames `[N, T, 2, H, W]`, once."""

from __future__ import annotations

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

VERSION = 2  # of the readers and of framing: raise it when their output changes
NAMED = 3  # recordings that are named on the console; all are counted


@dataclass(frozen=True)
class Recordings:
    """The recordings that were found, in their fixed order, without opening one.

    labels: int64 `[N]`. tags: int64 `[N]`, what the split needs to know: the number in the name, or 0 train 1 test.
    sources: how the cache knows the source files again.
    """

    labels: np.ndarray
    tags: np.ndarray
    sources: Fingerprint


class FramedEvents(BenchData):
    """Recordings in a cached array of frames, whatever sensor they come from.

    A subclass gives `source`, `find`, `read` and `lacking`, and sets `normalise` and `framing`. The framing is called
    with the events of one recording and returns its frames `[T, *shape]` and how many counts were cut; it has `dtype`
    and `describe()`.
    """

    traits = ("events",)
    source: ClassVar[Source]
    framing: Framing

    def __init__(self, **rest):
        super().__init__(**rest)
        self.folder = Path(self.root) / self.source.folder
        self.notes: dict = {}

    # what a subclass gives
    def key(self) -> dict:
        """What beside the framing decides the frames (release, simulator's settings)."""
        return {}

    def find(self) -> Recordings | None:
        """List the recordings; None when the source files are not there (a finished cache is enough)."""
        raise NotImplementedError

    def read(self) -> Iterator[np.ndarray]:
        """Yield the events of each recording in the order of `find`."""
        raise NotImplementedError

    def split_indices(self, labels: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(train, test) indices; a recording of tag 0 is for training and one of tag 1 for the test."""
        return np.flatnonzero(tags == 0), np.flatnonzero(tags == 1)

    def lacking(self) -> str:
        """What the folder of the data lacks, such as "has no Train/<digit>/*.bin", where `find` finds nothing in it."""
        raise NotImplementedError

    # what everybody uses
    def missing(self) -> ConfigError:
        """The sentence for recordings that are not there."""
        return self.source.missing(self.root, self.lacking() if self.folder.is_dir() else "")

    @cached_property
    def counted(self) -> Counter:
        """Events that `read` met and that are not as they should be, by kind: for the record."""
        return Counter()

    @cached_property
    def short(self) -> list[str]:
        """Recordings that `read` met and that end early, though nothing else shows that they are cut off."""
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
    """Frames of a camera's events, by event number or by time. A subclass gives `sensor`, (height, width) in pixels.

    Args:
        frames_by: "number" puts equally many events into each of the T frames, "time" gives each frame an equal time.
        resize: how frames of the sensor's size come to `shape`. "sum" puts each event into the pixel that covers it,
            "bilinear" and "nearest" resize the counted frames; without effect where the sizes are equal.
        normalise: "max" divides each frame by its own largest count before it is resized (TET), "none" keeps counts.
        count_dtype: type in which the cache stores whole counts; a larger count becomes the type's largest number.
            Resized or divided frames are float16.
        mean: mean of each polarity's frames; it is subtracted, null subtracts nothing.
        std: standard deviation of each polarity's frames; they are divided by it, null divides by nothing.
    """

    sensor: ClassVar[tuple[int, int]]
    lasts_us: ClassVar[int] = 0  # each recording, by the motion before the camera; 0 where they differ

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
        """Events of one recording in order of time, within the sensor; what was odd is counted.

        Raises:
            ConfigError: the recording at `path` cannot be used.
        """
        events, found = in_order(check_events(events, self.sensor, path), path)
        self.counted.update(found)
        if (span := int(events["t"][-1] - events["t"][0])) < self.lasts_us * 4 // 5:  # cut between two events?
            self.short.append(f"'{path}' ({span} us)")
        return events
