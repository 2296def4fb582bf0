"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) from the python archives, in memory as uint8.

Files are verified by MD5. They are pickles, and are read as plain data, so not even an accepted copy runs code.
"""

from __future__ import annotations

import pickle
from typing import ClassVar

import numpy as np

from snnbench.data import sources
from snnbench.data.dataset import ArraySource
from snnbench.data.plain_pickle import load_plain
from snnbench.data.verified import VerifiedFiles
from snnbench.data.verified_images import VerifiedImages
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


class CIFAR10(VerifiedImages):
    """x `[N, 3, 32, 32]`, normalised by `mean` and `std`; the official 50,000 / 10,000 split."""

    source = sources.CIFAR10
    size = (3, 32, 32)
    label_key: ClassVar[str] = "labels"

    def halves(self) -> tuple[ArraySource, ArraySource]:
        *train_files, test_file = [name for name, _ in self.source.files]
        train = ArraySource(*read_batches(self.files, train_files, self.label_key))
        return train, ArraySource(*read_batches(self.files, [test_file], self.label_key))


class CIFAR100(CIFAR10):
    """The same pictures' format with 100 fine classes."""

    source = sources.CIFAR100
    label_key: ClassVar[str] = "fine_labels"
