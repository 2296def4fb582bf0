"""N-MNIST (Orchard et al. 2015): MNIST digits on a screen, recorded by an ATIS camera that moves three times."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from snnbench.data import sources
from snnbench.data.event_data import EventData, Recordings
from snnbench.data.events import read_nmnist
from snnbench.data.files import numbered, visible
from snnbench.data.source_files import fingerprint
from snnbench.errors import ConfigError

PARTS = ("Train", "Test")
DIGITS = tuple(map(str, range(10)))


class NMNIST(EventData):
    """x is `[N, T, 2, H, W]`, with the official split. The files are sorted by class, then by number.

    Args:
        complete: If true, a folder without all 60,000 training and 10,000 test recordings is refused.
    """

    sensor = (34, 34)
    lasts_us = 300_000
    source = sources.NMNIST
    expected: ClassVar[tuple[int, int]] = (60_000, 10_000)

    def __init__(self, complete: bool = True, **rest):
        super().__init__(**rest)
        self.complete = complete

    def files(self) -> list[tuple[Path, int, int]]:
        """All recordings as (file, class, part), where part is 0 for training and 1 for test."""
        return [
            (path, digit, part)
            for part, name in enumerate(PARTS)
            for digit in self._digits(self.folder / name)
            for path in numbered(visible(self.folder / name / str(digit)), ".bin")
        ]

    def _digits(self, folder: Path) -> range:
        """Return the ten digits. Raises ConfigError if `folder` has another class or a file named like a digit."""
        for entry in visible(folder):
            digit = entry.name in DIGITS
            if digit and not entry.is_dir():
                raise ConfigError(f"'{entry.path}' is no folder: remove it and unpack N-MNIST again.")
            if not digit and entry.is_dir() and any(Path(entry).glob("*.bin")):
                raise ConfigError(f"'{entry.path}' is no folder of a digit, yet holds .bin files: move it elsewhere.")
        return range(10)

    def find(self) -> Recordings | None:
        files = self.files()
        if not files:
            return None
        labels, tags = np.array([(digit, part) for _, digit, part in files], dtype=np.int64).T
        count = int((tags == 0).sum()), int((tags == 1).sum())
        if (self.complete and count != self.expected) or 0 in count:
            raise ConfigError(
                f"'{self.folder}' has {count[0]} training and {count[1]} test recordings, expected "
                f"{self.expected[0]} and {self.expected[1]}: unpack it again, or set data.complete=false."
            )
        return Recordings(labels, tags, fingerprint(self.folder, [path for path, _, _ in files]))

    def read(self) -> Iterator[np.ndarray]:
        for path, _, _ in self.files():
            yield self.checked(read_nmnist(path), path)

    def lacking(self) -> str:
        return "has no Train/<digit>/*.bin"
