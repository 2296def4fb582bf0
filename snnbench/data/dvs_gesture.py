"""DVS128 Gesture (Amir et al. 2017): 11 hand and arm gestures of 29 people before a DVS128; split by person.

Two releases are read, and the record says which: `original` (AEDAT 3.1, long recordings cut by the times in
*_labels.csv: 1,176 and 288 gestures, as SpikingJelly and snnTorch cut them) and `tonic` (cut by tonic's authors, times
in milliseconds: 1,077 and 264).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from snnbench.data import sources
from snnbench.data.aedat31 import read_aedat31
from snnbench.data.event_data import EventData, Recordings
from snnbench.data.events import check_events, make_events
from snnbench.data.files import read_text, require_file, visible
from snnbench.data.source_files import fingerprint
from snnbench.errors import ConfigError

CLASSES = 11
ORIGINAL, TONIC = "DvsGesture", ("ibmGestureTrain", "ibmGestureTest")
LISTS = ("trials_to_train.txt", "trials_to_test.txt")


def natural(path: Path) -> list:
    """Sort key that puts 2 before 10 and user09 after user1."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", str(path))]


def labels_of(recording: Path) -> Path:
    """The file with the gestures' times beside a recording."""
    return recording.with_name(f"{recording.stem}_labels.csv")


def read_labels(path: Path) -> np.ndarray:
    """Rows (class from 0, first us, last us) of a *_labels.csv, int64 `[n, 3]`."""
    lines = [line for line in read_text(path).splitlines()[1:] if line.strip()]
    if not lines:
        raise ConfigError(f"'{path}' names no gesture: it is cut off; unpack DvsGesture.tar.gz again.")
    try:
        rows = np.loadtxt(lines, dtype=np.int64, delimiter=",", ndmin=2)
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"'{path}' cannot be read as class,startTime,endTime: unpack DvsGesture.tar.gz again."
        ) from error
    rows = rows[:, :3]
    if rows.shape[1] != 3 or not _is_in_order(rows):
        raise ConfigError(
            f"'{path}' has a line that is no class of 1 to {CLASSES}, start and later end in microseconds: "
            "unpack DvsGesture.tar.gz again."
        )
    return rows - np.array([1, 0, 0])


def _is_in_order(rows: np.ndarray) -> bool:
    known = rows[:, 0].min() >= 1 and rows[:, 0].max() <= CLASSES
    return bool(known and rows[:, 1].min() >= 0 and (rows[:, 1] < rows[:, 2]).all())


def read_array(path: Path) -> np.ndarray:
    """Events of a file of tonic's release: an array of numbers `[n, 4]`, columns x, y, polarity, milliseconds."""
    require_file(path)
    try:
        raw = np.load(path)
    except Exception as error:  # numpy's parser raises many kinds on bytes that are no array
        raise ConfigError(f"'{path}' cannot be read as a numpy array ({error}): unpack it again.") from error
    if not isinstance(raw, np.ndarray) or raw.ndim != 2 or raw.shape[1] != 4 or raw.dtype.kind not in "iuf":
        raise ConfigError(f"'{path}' is no array of numbers with columns x, y, polarity, time: unpack it again.")
    return make_events(raw[:, 0], raw[:, 1], np.round(raw[:, 3].astype(np.float64) * 1000), raw[:, 2], path)


class DVSGesture(EventData):
    """x `[N, T, 2, H, W]`; people 1-23 train, 24-29 test.

    Args:
        release: which files are read, IBM's original recordings or the arrays of tonic's release. "auto" reads tonic's
            if only their folder is there.
    """

    sensor = (128, 128)
    source = sources.DVS_GESTURE
    expected: ClassVar[dict[str, tuple[int, int]]] = {"original": (1176, 288), "tonic": (1077, 264)}

    def __init__(self, release: Literal["auto", "original", "tonic"] = "auto", **rest):
        super().__init__(**rest)
        self.release = release
        if release == "auto":
            only_tonic = (self.folder / TONIC[0]).is_dir() and not (self.folder / ORIGINAL).is_dir()
            self.release = "tonic" if only_tonic else "original"

    def key(self) -> dict:
        return {"release": self.release}

    def find(self) -> Recordings | None:
        folders = [ORIGINAL] if self.release == "original" else TONIC
        if not all((self.folder / name).is_dir() for name in folders):
            return None
        if self.release == "original":
            trials = self._trials()
            rows = [(label, part) for path, part in trials for label in read_labels(labels_of(path))[:, 0]]
            paths = [part for path, _ in trials for part in (path, labels_of(path))]
            paths += [self.folder / ORIGINAL / name for name in LISTS]
        else:
            files = self._arrays()
            rows = [(int(path.stem), part) for path, part in files]
            paths = [path for path, _ in files]
        labels, tags = np.array(rows, dtype=np.int64).reshape(-1, 2).T
        count = int((tags == 0).sum()), int((tags == 1).sum())
        if count != self.expected[self.release]:
            raise ConfigError(
                f"'{self.folder}' has {count[0]} training and {count[1]} test gestures ({self.release} release), not "
                f"{self.expected[self.release][0]} and {self.expected[self.release][1]}: unpack the archive again."
            )
        return Recordings(labels, tags, fingerprint(self.folder, paths))

    def read(self) -> Iterator[np.ndarray]:
        if self.release == "tonic":
            for path, _ in self._arrays():
                yield self.checked(read_array(path), path)
            return
        for path, _ in self._trials():
            events = check_events(read_aedat31(path), self.sensor, path)
            end = int(events["t"].max())
            for label, first, last in read_labels(labels_of(path)):
                if end < (first + last) // 2:
                    raise ConfigError(
                        f"'{path}' ends at {end} us, before the gesture from {first} to {last} us of its labels is "
                        "half over: the file is cut off; unpack or download it again."
                    )
                if end < last - (last - first) // 10:
                    self.short.append(f"'{path}', gesture to {last} us")
                gesture = events[(events["t"] >= first) & (events["t"] < last)]
                yield self.checked(gesture, f"{path}, class {label + 1} from {first} to {last} us")

    def _trials(self) -> list[tuple[Path, int]]:
        """(recording, 0 train or 1 test) in the order of the release's two lists."""
        found = []
        for part, name in enumerate(LISTS):
            listing = self.folder / ORIGINAL / name
            if not os.path.lexists(listing):
                raise ConfigError(f"'{listing}' is missing: DvsGesture.tar.gz was not unpacked fully; unpack it again.")
            for line in read_text(listing).split():
                path = self.folder / ORIGINAL / line
                if not os.path.lexists(path):  # damage of what is there is told when it is read
                    raise ConfigError(f"'{path}' is listed in {name} but missing: unpack DvsGesture.tar.gz again.")
                found.append((path, part))
        return found

    def _arrays(self) -> list[tuple[Path, int]]:
        """(file, 0 train or 1 test) of tonic's release, sorted by class, then person, light and part."""
        found = []
        for part, name in enumerate(TONIC):
            entries = [entry for user in visible(self.folder / name) for entry in visible(user.path)]
            arrays = [path for path in map(Path, entries) if path.suffix == ".npy"]
            for path in arrays:
                if not path.stem.isdecimal() or int(path.stem) >= CLASSES:
                    raise ConfigError(f"'{path}' is not named by a class of 0 to {CLASSES - 1}: remove or rename it.")
            found += [(path, part) for path in sorted(arrays, key=lambda p: (int(p.stem), natural(p)))]
        return found

    def lacking(self) -> str:
        return f"has no folder '{ORIGINAL if self.release == 'original' else TONIC[0]}'"

    def describe(self) -> dict:
        return super().describe() | {"split": "official (by person)", "release": self.release}
