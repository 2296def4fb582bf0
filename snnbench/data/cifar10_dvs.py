"""CIFAR10-DVS (Li et al. 2017): 10 x 1,000 recordings of moving CIFAR-10 pictures by a DVS128 camera, in AEDAT 2.0.

There is no official split, and accuracies of different splits must not be compared. `first900` trains on the first 900
recordings of each class by the number in the file name; SpikingJelly's split_to_train_test_set(0.9) does the same but
sorts the names as text. `tebn100` tests on numbers 0 to 99 (TEBN) and gives clearly higher accuracies. `random` draws a
stratified 9:1 split from a seed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np

from snnbench.data import sources
from snnbench.data.aedat2 import read_aedat2
from snnbench.data.event_data import EventData, Recordings
from snnbench.data.events import make_events
from snnbench.data.files import number_in, numbered, require_file, visible
from snnbench.data.source import prepare_command
from snnbench.data.source_files import fingerprint
from snnbench.data.splits import stratified_holdout
from snnbench.errors import ConfigError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def read_aedat4(path: Path) -> np.ndarray:
    """Read the events of a file of tonic's re-release, with tonic and the optional package aedat."""
    try:
        import aedat  # noqa: F401
        from tonic.io import read_aedat4 as read
    except ImportError as error:
        raise ConfigError(
            f"'{path}' is AEDAT 4, which needs the package `aedat` (pip install aedat): install it, or use the "
            "original AEDAT 2.0 release that `snnbench data prepare cifar10_dvs` names."
        ) from error
    require_file(path)
    try:
        events = read(str(path))
        t, x, y, p = (events[name] for name in events.dtype.names)
    except Exception as error:  # whatever the optional reader raises on a damaged file
        raise ConfigError(
            f"'{path}' cannot be read as AEDAT 4 ({type(error).__name__}: {error}): unpack or download it again."
        ) from error
    return make_events(x, y, t, p, path)


class CIFAR10DVS(EventData):
    """x `[N, T, 2, H, W]` of a data set without an official split.

    Args:
        split: The choice of each class's test recordings. "first900" tests on the last 100 by number (SpikingJelly),
            "tebn100" on the first 100 (TEBN, with clearly higher accuracies), and "random" draws 100.
        split_seed: The seed of that draw if split is "random".
    """

    sensor = (128, 128)
    lasts_us = 1_200_000
    source = sources.CIFAR10_DVS
    per_class: ClassVar[int] = 1000

    def __init__(
        self,
        split: Literal["first900", "tebn100", "random"] = "first900",
        split_seed: Annotated[int, ">= 0"] = 0,
        **rest,
    ):
        super().__init__(**rest)
        self.split, self.split_seed = split, split_seed

    def files(self) -> list[list[Path]]:
        """The recordings of each class, sorted by number. The list is empty if there are no recordings at all."""
        found = [numbered(visible(self.folder / name), ".aedat", ".aedat4") for name in CLASSES]
        return found if any(found) else []

    def find(self) -> Recordings | None:
        classes = self.files()
        if not classes:
            return None
        for name, paths in zip(CLASSES, classes):
            numbers = [number_in(path) for path in paths]
            if numbers != list(range(self.per_class)):
                lacking = sorted(set(range(self.per_class)) - set(numbers))
                raise ConfigError(
                    f"'{self.folder / name}' has {len(paths)} recordings, expected numbers 0 to "
                    f"{self.per_class - 1}{f' (number {lacking[0]} is missing)' if lacking else ''}: delete the folder "
                    f"and run `{prepare_command('cifar10_dvs', self.root)}` again."
                )
        paths = [path for group in classes for path in group]
        labels = np.repeat(np.arange(len(CLASSES)), self.per_class)
        numbers = np.tile(np.arange(self.per_class), len(CLASSES))
        return Recordings(labels, numbers, fingerprint(self.folder, paths))

    def read(self) -> Iterator[np.ndarray]:
        for group in self.files():
            for path in group:
                events = read_aedat4(path) if path.suffix == ".aedat4" else read_aedat2(path, self.counted)
                yield self.checked(events, path)

    def split_indices(self, labels: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        everything, tenth = np.arange(len(labels)), self.per_class // 10
        if self.split == "random":
            return stratified_holdout(labels, everything, 0.1, self.split_seed)
        test = tags >= self.per_class - tenth if self.split == "first900" else tags < tenth
        return everything[~test], everything[test]

    def lacking(self) -> str:
        return "has no class folder with .aedat files"

    def describe(self) -> dict:
        name = f"random 9:1, seed {self.split_seed}" if self.split == "random" else self.split
        return super().describe() | {"split": name}
