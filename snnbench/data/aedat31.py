"""Reader of AEDAT 3.1 recordings (DVS128 Gesture's original release), by iniVation's public file format.

A text header up to `#!END-HEADER`, then packets: 28 bytes of header, little-endian (type u16, source u16, event size
u32, timestamp offset u32, timestamp overflow u32, capacity u32, number u32, valid u32) and `capacity` events. Type 1 is
polarity: data u32 (bit 0 valid, 1 polarity, 2-16 y, 17-31 x) and time i32 in microseconds, to which the packet's
overflow adds bit 31 and up.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from snnbench.config.errors import ConfigError
from snnbench.data.events import EVENT, make_events

HEADER = struct.Struct("<HHIIIIII")
POLARITY = 1


def read_aedat31(path: str | Path) -> np.ndarray:
    """Polarity events of one file, in the file's order; other packets (frames, IMU) are passed over.

    Raises:
        ConfigError: another AEDAT version, or a file that was cut off.
    """
    raw = Path(path).read_bytes()
    at = _skip_header(raw, path)
    parts = []
    while at < len(raw):
        if at + HEADER.size > len(raw):
            raise _cut_off(path)
        kind, _, size, ts_offset, overflow, capacity, number, valid = HEADER.unpack_from(raw, at)
        at += HEADER.size
        if at + capacity * size > len(raw):
            raise _cut_off(path)
        if kind == POLARITY and number:
            words = np.frombuffer(raw, dtype=np.uint8, count=number * size, offset=at).reshape(number, size)
            data = words[:, :4].copy().view("<u4")[:, 0].astype(np.int64)
            time = words[:, ts_offset : ts_offset + 4].copy().view("<u4")[:, 0].astype(np.int64)
            if valid < number:  # trust the bit only where the packet says that some are invalid
                keep = (data & 1) == 1
                data, time = data[keep], time[keep]
            parts.append(make_events(data >> 17, (data >> 2) & 0x7FFF, time | overflow << 31, (data >> 1) & 1))
        at += capacity * size
    return np.concatenate(parts) if parts else np.empty(0, dtype=EVENT)


def _skip_header(raw: bytes, path: str | Path) -> int:
    if not raw.startswith(b"#!AER-DAT3"):
        found = raw[:12].decode("ascii", "replace")
        raise ConfigError(f"'{path}' begins with '{found}', not with #!AER-DAT3.1: it is not an AEDAT 3.1 file.")
    mark = raw.find(b"#!END-HEADER")
    end = raw.find(b"\n", mark)
    if mark < 0 or end < 0:
        raise _cut_off(path)
    return end + 1


def _cut_off(path: str | Path) -> ConfigError:
    return ConfigError(f"'{path}' is cut off in the middle of a packet: unpack or download it again.")
