"""Reader of the Heidelberg HDF5 files (Cramer et al. 2020): spikes/times, spikes/units, labels.

Published recordings last up to 1.4 seconds; times are checked against a minute, so that milliseconds are noticed.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from snnbench.data.files import require_file
from snnbench.errors import ConfigError

UNITS = 700
SPIKES = np.dtype([("t", np.float64), ("x", np.int64)])  # milliseconds, unit
LONGEST_S = 60.0
BLOCK = 256  # recordings that are read from a file at a time
LISTS = ("spikes/times", "spikes/units")
MAGIC = b"\x89HDF\r\n\x1a\n"
HEAP, OBJECT = b"GCOL\1\0\0\0", struct.Struct("<HHIQ")
DAMAGED = (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, OverflowError, MemoryError)  # h5py's


def read_spike_labels(path: Path, classes: int) -> np.ndarray:
    """Labels int64 `[N]`, once there is one for each recording and all are below `classes`."""
    with _opened(path) as file:
        labels = np.asarray(file["labels"])
        lengths = [len(labels), *(len(file[name]) for name in LISTS)]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ConfigError(f"'{path}' has labels that are no list of whole numbers: unpack it again.")
    if len(set(lengths)) > 1:
        raise ConfigError(
            f"'{path}' has {lengths[0]} labels for {lengths[1]} recordings of times and {lengths[2]} of units: it is "
            "damaged; unpack it again."
        )
    if len(labels) and (labels.min() < 0 or labels.max() >= classes):
        raise ConfigError(
            f"'{path}' has labels from {labels.min()} to {labels.max()}, but the set has {classes} classes: it is "
            "damaged or another set; unpack it again."
        )
    return labels.astype(np.int64)


def read_spikes(path: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(seconds, units) of each recording, as stored."""
    with _opened(path) as file:
        _check_heaps(path)
        times, units = (file[name] for name in LISTS)
        for start in range(0, len(times), BLOCK):
            yield from zip(times[start : start + BLOCK], units[start : start + BLOCK])


def make_spikes(seconds: np.ndarray, units: np.ndarray, where: str) -> np.ndarray:
    """Spikes `[n]` of SPIKES in the file's order; `where` names file and recording.

    Raises:
        ConfigError: no spike, lists of different lengths, times that are no seconds, units that are none of 0 .. 699.
    """
    if len(seconds) == 0:
        raise ConfigError(f"'{where}' is empty (no spikes): the file is damaged; unpack it again.")
    if len(seconds) != len(units):
        raise ConfigError(f"'{where}' has {len(seconds)} times for {len(units)} units: unpack the file again.")
    if not (np.isfinite(seconds).all() and seconds.min() >= 0 and seconds.max() <= LONGEST_S):
        raise ConfigError(
            f"'{where}' has times from {seconds.min()} to {seconds.max()}, not seconds of 0 to {LONGEST_S:.0f}: the "
            "file is damaged or in another unit; unpack it again."
        )
    whole = units.dtype.kind in "iu" or (np.isfinite(units).all() and (units == np.floor(units)).all())
    if not whole or units.min() < 0 or units.max() >= UNITS:
        raise ConfigError(
            f"'{where}' has units from {units.min()} to {units.max()}, not of {UNITS} units (0 to {UNITS - 1}): the "
            "file is damaged; unpack it again."
        )
    spikes = np.empty(len(seconds), dtype=SPIKES)
    spikes["t"], spikes["x"] = seconds.astype(np.float64) * 1000, units
    return spikes


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """The open file; what h5py raises on the way, also while its content is read, becomes one sentence."""
    if not require_file(path).startswith(MAGIC):
        raise ConfigError(f"'{path}' is no HDF5 file (it does not begin as one): unpack or download it again.")
    try:
        with h5py.File(path, "r") as file:
            _check_layout(file, path)
            yield file
    except ConfigError:
        raise
    except DAMAGED as error:
        if "unable to lock file" in str(error):
            raise ConfigError(
                f"'{path}' is locked by a program that writes it, or its file system has no locks: close that program, "
                "or set HDF5_USE_FILE_LOCKING=FALSE in the environment."
            ) from error
        reason = str(error).strip().partition("(")[2].rstrip(")") or str(error) or type(error).__name__
        raise ConfigError(f"'{path}' is a damaged HDF5 file ({reason}): unpack or download it again.") from error


def _check_heaps(path: Path) -> None:
    """Walk the heaps in which HDF5 keeps arrays of variable length: its library never returns from a step of 0 bytes.

    A heap begins with GCOL, version 1, three zeros and its size (u64); then objects: number u16, u16, u32, size u64,
    content padded to 8 bytes. Object 0 is what is left over, and its size includes these 16 bytes.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        start = raw.find(HEAP)
        while start >= 0:
            at, end = start + 16, start + int.from_bytes(raw[start + 8 : start + 16], "little")
            while at + 16 <= min(end, len(raw)):
                number, _, _, size = OBJECT.unpack_from(raw, at)
                step = size if number == 0 else 16 + (size + 7) // 8 * 8
                if step < 16:
                    raise ConfigError(
                        f"'{path}' is a damaged HDF5 file (a heap has an object of no size at byte {at}): unpack or "
                        "download it again."
                    )
                at += step
            start = raw.find(HEAP, max(start + 16, min(at, len(raw))))


def _check_layout(file: h5py.File, path: Path) -> None:
    for name in ("labels", *LISTS):
        if not isinstance(file.get(name), h5py.Dataset):
            raise ConfigError(f"'{path}' is an HDF5 file without '{name}': it is not of the Heidelberg sets.")
    for name in LISTS:
        stored = h5py.check_vlen_dtype(file[name].dtype)
        if stored is None or np.dtype(stored).kind not in "iuf" or file[name].ndim != 1:
            raise ConfigError(f"'{path}' has '{name}' that is no list of arrays of numbers: unpack it again.")
