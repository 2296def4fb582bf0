"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) from the python archives, in memory as uint8.

Files are verified by MD5. They are pickles, and are read as plain data, so not even an accepted copy runs code.
"""

from __future__ import annotations

import pickle
from typing import Annotated, ClassVar, Literal

import numpy as np

from snnbench.data import sources
from snnbench.data.base import BenchData, Loaded
from snnbench.data.dataset import ArraySource, Transform
from snnbench.data.plain_pickle import load_plain
from snnbench.data.verified import VerifiedFiles
from snnbench.errors import ConfigError


def read_batches(files: VerifiedFiles, names: list[str], label_key: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 `[N, 3, 32, 32]` and labels int64 `[N]` of the named files, in that order.

    Raises:
        ConfigError: a file is missing, is not one that is known or accepted, or does not hold CIFAR's layout.
    """
    images, labels = [], []
    for name in names:
        try:
            batch = load_plain(files.read(name))
            pixels, classes = batch["data"], np.asarray(batch[label_key])
            if pixels.dtype != np.uint8 or classes.dtype.kind not in "iu" or classes.shape != pixels.shape[:1]:
                raise ValueError(f"{pixels.dtype} pixels {pixels.shape} and {classes.dtype} labels {classes.shape}")
            images.append(pixels.reshape(-1, 3, 32, 32))
        except (pickle.UnpicklingError, AttributeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(
                f"'{files.path(name)}' is no batch of CIFAR ({error}): it must hold 'data', uint8 [N, 3072], and "
                f"'{label_key}', N whole numbers, and nothing but plain data."
            ) from None
        labels.append(classes.astype(np.int64))
    return np.concatenate(images), np.concatenate(labels)


class CIFAR10(BenchData):
    """x `[N, 3, 32, 32]`, normalised by `mean` and `std` of [0, 1] values; the official 50,000 / 10,000 split.

    Args:
        mean: mean of each channel of the pixels in [0, 1]; it is subtracted.
        std: standard deviation of each channel of the pixels in [0, 1]; what is left is divided by it.
        accept_md5: MD5 sums of copies that are read although they are not the published files.
    """

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
        accept_md5: list[str] = (),
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
        self.files = VerifiedFiles(self.source, root, list(accept_md5))

    def load(self) -> Loaded:
        *train_files, test_file = [name for name, _ in self.source.files]
        train = ArraySource(*read_batches(self.files, train_files, self.label_key))
        test = ArraySource(*read_batches(self.files, [test_file], self.label_key))
        return Loaded(train, np.arange(len(train.labels)), test, np.arange(len(test.labels)), self.files.content())

    def describe(self) -> dict:
        return super().describe() | self.files.note()

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
