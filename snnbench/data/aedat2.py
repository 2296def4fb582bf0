"""Reader of AEDAT 2.0 recordings of a DVS128 camera (CIFAR10-DVS's and MNIST-DVS's original releases).

Format: header lines that begin with '#', then 8 bytes an event, big-endian: address u32, time u32 in microseconds.
Address bits of the DVS128: 0 polarity (0 = brighter), 1-7 and 8-14 the two coordinates, 15 an external (special) event.
Orientation as SpikingJelly reads CIFAR10-DVS: x = 127 - bits 8-14, y = 127 - bits 1-7, p = 1 - bit 0 (tonic's
`read_dvs_128` neither mirrors nor inverts).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from snnbench.config.errors import ConfigError
from snnbench.data.events import make_events

NOT_DVS = 0xFFFF8000  # special events and address bits that a DVS128 does not have


def read_aedat2(path: str | Path) -> np.ndarray:
    """Events of one file, in the file's order.

    Raises:
        ConfigError: another AEDAT version, or a file that was cut off.
    """
    raw = Path(path).read_bytes()
    start = 0
    while raw[start : start + 1] == b"#":
        end = raw.find(b"\n", start)
        end = len(raw) if end < 0 else end + 1
        line = raw[start:end]
        if line.startswith(b"#!AER-DAT") and not line.startswith(b"#!AER-DAT2"):
            raise ConfigError(f"'{path}' is {line.decode('ascii', 'replace').strip()[2:]}, not AEDAT 2.0.")
        start = end
    if (len(raw) - start) % 8:
        raise ConfigError(f"'{path}' is cut off: its last event is incomplete; unpack or download it again.")
    words = np.frombuffer(raw, dtype=">u4", offset=start).astype(np.uint32).reshape(-1, 2)
    words = words[(words[:, 0] & np.uint32(NOT_DVS)) == 0]
    address = words[:, 0].astype(np.int64)
    return make_events(
        127 - ((address >> 8) & 0x7F), 127 - ((address >> 1) & 0x7F), words[:, 1].astype(np.int64), (address & 1) == 0
    )
