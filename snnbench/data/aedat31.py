"""Reader of AEDAT 3.1 recordings (DVS128 Gesture's original release), by iniVation's public file format.

A text header up to `#!END-HEADER`, then packets: 28 bytes of header, little-endian (type u16, source u16, event size
u32, timestamp offset u32, timestamp overflow u32, capacity u32, number u32, valid u32) and `capacity` events. Type 1 is
polarity: data u32 (bit 0 valid, 1 polarity, 2-16 y, 17-31 x) and time i32 in microseconds, to which the packet's
overflow adds bit 31 and up: this counter unwraps the clock, so nothing else does.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from snnbench.data.events import make_events
from snnbench.data.files import read_bytes
from snnbench.errors import ConfigError

HEADER = struct.Struct("<HHIIIIII")
POLARITY = 1
TYPES = 14  # 0 special .. 13 matrix; from 100 on they are a user's own
USER_TYPES = 100
LAST_OVERFLOW = 1 << 20  # 71 years of microseconds


def read_aedat31(path: str | Path) -> np.ndarray:
    """Polarity events of one file, in the file's order; other packets (frames, IMU) are passed over.

    Raises:
        ConfigError: a file that cannot be read, another format or AEDAT version, a file that was cut off, a broken
            packet header, a clock that falls back.
    """
    raw = read_bytes(path)
    at = _skip_header(raw, path)
    parts = []
    while at < len(raw):
        if at + HEADER.size > len(raw):
            raise _cut_off(path)
        kind, _, size, ts_offset, overflow, capacity, number, valid = HEADER.unpack_from(raw, at)
        _check_packet(kind, size, ts_offset, overflow, capacity, number, valid, f"'{path}', byte {at}:")
        at += HEADER.size
        if at + capacity * size > len(raw):
            raise _cut_off(path)
        if kind == POLARITY and number:
            words = np.frombuffer(raw, dtype="<u4", count=2 * number, offset=at).reshape(number, 2).astype(np.int64)
            if valid < number:  # trust the bit only where the packet says that some are invalid
                words = words[(words[:, 0] & 1) == 1]
            words[:, 1] += overflow << 31
            parts.append(words)
        at += capacity * size
    data, time = np.concatenate(parts or [np.empty((0, 2), dtype=np.int64)]).T
    events = make_events(data >> 17, (data >> 2) & 0x7FFF, time, (data >> 1) & 1, path)
    if (np.diff(events["t"]) < -(1 << 30)).any():
        raise ConfigError(
            f"'{path}' has a clock that falls back by more than 17 minutes, and the overflow counter of its packets "
            "does not say so: it is damaged; unpack or download it again."
        )
    return events


def _check_packet(
    kind: int, size: int, ts_offset: int, overflow: int, capacity: int, number: int, valid: int, where: str
) -> None:
    known = kind < TYPES or kind >= USER_TYPES
    sized = (size, ts_offset) == (8, 4) if kind == POLARITY else 0 <= ts_offset < size
    if not (known and sized and capacity > 0 and valid <= number <= capacity and overflow < LAST_OVERFLOW):
        raise ConfigError(
            f"{where} the header of a packet is broken (type {kind}, {number} of {capacity} events of {size} bytes, "
            f"time at {ts_offset}, overflow {overflow}): unpack or download the file again."
        )


def _skip_header(raw: bytes, path: str | Path) -> int:
    if not raw.startswith(b"#!AER-DAT3"):
        found = raw[:12].decode("ascii", "replace")
        raise ConfigError(f"'{path}' begins with {found!r}, not with #!AER-DAT3.1: it is not an AEDAT 3.1 file.")
    mark = raw.find(b"#!END-HEADER")
    end = raw.find(b"\n", mark)
    if mark < 0 or end < 0:
        raise ConfigError(f"'{path}' is cut off or damaged: its header has no end (#!END-HEADER); unpack it again.")
    return end + 1


def _cut_off(path: str | Path) -> ConfigError:
    return ConfigError(f"'{path}' is cut off in the middle of a packet: unpack or download it again.")
