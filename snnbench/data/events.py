"""Event streams: tonic's record type, and reading of N-MNIST's five-byte events."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from snnbench.config.errors import ConfigError

# as tonic 1.7's events: column, row, microseconds, polarity (True = brighter)
EVENT = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.bool_)])


def make_events(x: np.ndarray, y: np.ndarray, t: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Pack four arrays of the same length into events `[n]`."""
    events = np.empty(len(x), dtype=EVENT)
    events["x"], events["y"], events["t"], events["p"] = x, y, t, p
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
    raw = np.fromfile(path, dtype=np.uint8)
    if len(raw) % 5:
        raise ConfigError(f"'{path}' is cut off: {len(raw)} bytes are no multiple of 5; unpack it again.")
    raw = raw.reshape(-1, 5).astype(np.int64)
    overflow = raw[:, 1] == 240
    t = ((raw[:, 2] & 127) << 16 | raw[:, 3] << 8 | raw[:, 4]) + (np.cumsum(overflow) << 13)
    keep = ~overflow
    return make_events(raw[keep, 0], raw[keep, 1], t[keep], raw[keep, 2] >> 7)
