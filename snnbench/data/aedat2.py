"""Reader of AEDAT 2.0 recordings of a DVS128 camera (CIFAR10-DVS's and MNIST-DVS's original releases).

Format: header lines that begin with '#', then 8 bytes an event, big-endian: address u32, time u32 in microseconds.
Address bits of the DVS128: 0 polarity (0 = brighter), 1-7 and 8-14 the two coordinates, 15 an external (special) event.
Orientation as SpikingJelly reads CIFAR10-DVS: x = 127 - bits 8-14, y = 127 - bits 1-7, p = 1 - bit 0 (tonic's
`read_dvs_128` neither mirrors nor inverts). The clock goes through zero after 2**32 us.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from snnbench.data.event_times import unwrapped
from snnbench.data.events import make_events
from snnbench.data.files import read_bytes
from snnbench.errors import ConfigError

SPECIAL = 0x8000
FOREIGN = 0xFFFF0000  # address bits that a DVS128 does not have
FOREIGN_SHARE = 0.01  # of the events, that may have them


def read_aedat2(path: str | Path, counted: Counter | None = None) -> np.ndarray:
    """Events of one file, in the file's order. `counted` gets how many were left out (`special`, `foreign_address`).

    Raises:
        ConfigError: a file that cannot be read, another format or AEDAT version, a file that was cut off, or more than
            1 % of addresses that a DVS128 does not have.
    """
    raw = read_bytes(path)
    start = _end_of_header(raw, path)
    if (len(raw) - start) % 8:
        raise ConfigError(f"'{path}' is cut off: its last event is incomplete; unpack or download it again.")
    words = np.frombuffer(raw, dtype=">u4", offset=start).astype(np.uint32).reshape(-1, 2)
    foreign = (words[:, 0] & np.uint32(FOREIGN)) != 0
    special = ~foreign & ((words[:, 0] & np.uint32(SPECIAL)) != 0)
    if foreign.sum() > FOREIGN_SHARE * len(words):
        raise ConfigError(
            f"'{path}' has {foreign.sum()} of {len(words)} events with addresses that a DVS128 does not have: it is "
            "damaged or of another camera; unpack or download it again."
        )
    if counted is not None:
        counted.update(special=int(special.sum()), foreign_address=int(foreign.sum()))
    words = words[~(foreign | special)]
    address = words[:, 0].astype(np.int64)
    t = unwrapped(words[:, 1], bits=32)
    return make_events(127 - ((address >> 8) & 0x7F), 127 - ((address >> 1) & 0x7F), t, (address & 1) == 0, path)


def _end_of_header(raw: bytes, path: str | Path) -> int:
    if not raw.startswith((b"#!AER-DAT2", b"\0")):  # without a header a file begins with an address, below 0x10000
        line = raw[:24].split(b"\n")[0].decode("ascii", "replace").strip()
        found = f"is {line[2:]}" if line.startswith("#!AER-DAT") else f"begins with {line!r}"
        raise ConfigError(f"'{path}' {found}, not AEDAT 2.0 (#!AER-DAT2.0): unpack or download it again.")
    start = 0
    while raw[start : start + 1] == b"#":
        end = raw.find(b"\n", start)
        start = len(raw) if end < 0 else end + 1
    return start
