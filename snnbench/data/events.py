"""Event streams: tonic's record type, checked before anything is cast to it, and N-MNIST's five-byte events."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from snnbench.data.event_times import unwrapped
from snnbench.data.files import read_bytes
from snnbench.errors import ConfigError

# as tonic 1.7's events: column, row, microseconds, polarity (True = brighter)
EVENT = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.bool_)])
LIMITS = {"x": (0, 32767), "y": (0, 32767), "t": (-(1 << 62), 1 << 62)}  # what EVENT can hold
POLARITIES = ({0, 1}, {-1, 1})


def make_events(
    x: np.ndarray, y: np.ndarray, t: np.ndarray, p: np.ndarray, path: str | Path = "the recording"
) -> np.ndarray:
    """Pack four arrays of the same length into events `[n]`.

    Raises:
        ConfigError: lengths differ; a value is no finite number, a coordinate is negative, too large or no whole
            number; a polarity is none of 0 and 1 (or of -1 and 1).
    """
    columns = {name: np.asarray(column) for name, column in zip("xytp", (x, y, t, p))}
    if len({column.shape for column in columns.values()}) > 1 or columns["x"].ndim != 1:
        raise ConfigError(f"'{path}' has columns x, y, t, p of different lengths: it is damaged; unpack it again.")
    for name, column in columns.items():
        if column.dtype.kind not in "biuf":
            raise ConfigError(f"'{path}' has {name} of type {column.dtype}, not numbers: it is no event recording.")
        if not np.isfinite(column).all():
            raise ConfigError(f"'{path}' has events whose {name} is no finite number: it is damaged; unpack it again.")
    for name, (low, high) in LIMITS.items():
        column = columns[name]
        if len(column) and (column.min() < low or column.max() > high):
            raise ConfigError(
                f"'{path}' has events with {name} from {column.min()} to {column.max()}: it is damaged; unpack it "
                "again or make it again from the original."
            )
        if name != "t" and column.dtype.kind == "f" and (column != np.floor(column)).any():
            raise ConfigError(f"'{path}' has events whose {name} is no whole number: it is no event recording.")
    found = set() if columns["p"].dtype.kind == "b" else set(np.unique(columns["p"])[:4].tolist())
    if not any(found <= allowed for allowed in POLARITIES):
        raise ConfigError(f"'{path}' has polarities {sorted(found)}, not 0 and 1 (or -1 and 1): it is damaged.")
    events = np.empty(len(columns["x"]), dtype=EVENT)
    events["x"], events["y"], events["t"], events["p"] = *(columns[name] for name in "xyt"), columns["p"] > 0
    return events


def check_events(events: np.ndarray, sensor: tuple[int, int], path: str | Path) -> np.ndarray:
    """Refuse a recording without events or with pixels outside the sensor (height, width): the file is damaged."""
    if len(events) == 0:
        raise ConfigError(f"'{path}' holds no events: the file is damaged or empty; unpack or download it again.")
    if (
        events["x"].min() < 0
        or events["x"].max() >= sensor[1]
        or events["y"].min() < 0
        or events["y"].max() >= sensor[0]
    ):
        raise ConfigError(
            f"'{path}' has events outside the {sensor[1]}x{sensor[0]} sensor: it is damaged; unpack it again."
        )
    return events


def read_nmnist(path: str | Path) -> np.ndarray:
    """Events of an N-MNIST / N-Caltech101 `.bin` file (Orchard et al. 2015).

    Five bytes an event: x, y, polarity in bit 7 of the third, then 23 bits of microseconds; y = 240 marks an overflow
    of the clock, worth 2**13 us.
    """
    raw = np.frombuffer(read_bytes(path), dtype=np.uint8)
    if len(raw) % 5:
        raise ConfigError(f"'{path}' is cut off: {len(raw)} bytes are no multiple of 5; unpack it again.")
    raw = raw.reshape(-1, 5).astype(np.int64)
    overflow = raw[:, 1] == 240
    t = unwrapped((raw[:, 2] & 127) << 16 | raw[:, 3] << 8 | raw[:, 4], bits=23) + (np.cumsum(overflow) << 13)
    keep = ~overflow
    return make_events(raw[keep, 0], raw[keep, 1], t[keep], raw[keep, 2] >> 7, path)
