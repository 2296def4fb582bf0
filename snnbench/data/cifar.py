"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) from the python archives, in memory as uint8.

Files are verified by MD5 before they are unpickled, as torchvision does.
"""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np

from snnbench.config.errors import ConfigError
from snnbench.data import sources
from snnbench.data.base import BenchData, Loaded
from snnbench.data.dataset import ArraySource, Transform
from snnbench.data.files import read_bytes
from snnbench.data.splits import content_hash


def read_batches(source: sources.Source, root: str, names: list[str], label_key: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 `[N, 3, 32, 32]` and labels int64 `[N]` of the named files, in that order.

    Raises:
        ConfigError: a file is missing, or its MD5 is not the published one.
    """
    expected = dict(source.files)
    images, labels = [], []
    for name in names:
        path = Path(root) / source.folder / name
        if not path.is_file():
            raise source.missing(root, f"has no file '{name}'" if path.parent.is_dir() else "")
        raw = read_bytes(path)
        found = hashlib.md5(raw, usedforsecurity=False).hexdigest()
        if found != expected[name]:
            raise ConfigError(
                f"'{path}' is damaged: its MD5 is {found}, expected {expected[name]}; delete it and run "
                f"`snnbench data prepare {source.name}` with the published archive."
            )
        batch = pickle.loads(raw, encoding="latin1")  # only the published bytes come this far
        images.append(np.asarray(batch["data"], dtype=np.uint8).reshape(-1, 3, 32, 32))
        labels.append(np.asarray(batch[label_key], dtype=np.int64))
    return np.concatenate(images), np.concatenate(labels)


class CIFAR10(BenchData):
    """x `[N, 3, 32, 32]`, normalised by `mean` and `std` of [0, 1] values; the official 50,000 / 10,000 split."""

    traits = ("images",)
    source: ClassVar[sources.Source] = sources.CIFAR10
    label_key: ClassVar[str] = "labels"

    def __init__(
        self,
        root: str,
        shape: list[int],
        num_classes: int,
        mean: list[float],
        std: list[float],
        val_fraction: Annotated[float, "in [0, 1)"] = 0.0,
        num_workers: Annotated[int, ">= 0"] = 4,
        drop_last: bool = True,
        resident: Literal["auto", "device", "host"] = "auto",
        *,
        batch_size: int,
        eval_batch_size: int,
        time_steps: int,
        seed: int,
        augment: object = None,
    ):
        super().__init__(
            root, shape, num_classes, val_fraction, num_workers, drop_last, batch_size=batch_size,
            eval_batch_size=eval_batch_size, time_steps=time_steps, seed=seed, augment=augment, resident=resident,
        )  # fmt: skip
        self.require_shape((3, 32, 32))
        self.normalise = self.normaliser(255, mean, std)

    def load(self) -> Loaded:
        *train_files, test_file = [name for name, _ in self.source.files]
        train = ArraySource(*read_batches(self.source, self.root, train_files, self.label_key))
        test = ArraySource(*read_batches(self.source, self.root, [test_file], self.label_key))
        content = content_hash(*[md5 for _, md5 in self.source.files])
        return Loaded(train, np.arange(len(train.labels)), test, np.arange(len(test.labels)), content)

    def train_transforms(self) -> tuple[Transform | None, Transform | None]:
        per_sample = None if self.augment is None else self.augment.for_training(self.shape, self.normalise)
        return (None, self.normalise) if per_sample is None else (per_sample, None)

    def test_transforms(self) -> tuple[Transform | None, Transform | None]:
        return None, self.normalise


class CIFAR100(CIFAR10):
    """The same pictures' format with 100 fine classes."""

    traits = ("images",)
    source: ClassVar[sources.Source] = sources.CIFAR100
    label_key: ClassVar[str] = "fine_labels"
