"""scikit-learn's scanned handwritten digits (Alpaydin & Kaynak 1998, UCI): 1,797 images of 8x8, the embedded default.

scikit-learn's copy has no split for training and test: here five fixed stratified folds, one of them the test set.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold
from torch import Tensor

from snnbench.data.base import BenchData, Loaded
from snnbench.data.dataset import ArraySource, Normalise
from snnbench.data.splits import content_hash

WHITE = 16  # scikit-learn's pixels are 0..16: counts of ink in 4x4 blocks of a 32x32 bitmap
LEVELS = np.rint(np.arange(WHITE + 1) * 255 / WHITE).astype(np.uint8)  # the same in 0..255, as all images are stored


def load_digit_arrays() -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 `[1797, 1, 8, 8]` of 0..16 and labels int64 `[1797]`."""
    digits = load_digits()
    return digits.images.astype(np.uint8)[:, None], digits.target.astype(np.int64)


def digit_fold(labels: np.ndarray, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """(train, test) indices of one of the five fixed stratified folds."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(labels, labels)
    return list(folds)[fold]


class FromLevels(Normalise):
    """uint8 0..255 -> float32 in [0, 1], like `x / 255`, but LEVELS[v] becomes exactly v / 16.

    16 does not divide 255, so `x / 255` would move the stored pixels by up to 0.002. Other values, which only an
    augmentation makes, are interpolated.
    """

    def __init__(self):
        super().__init__(255)
        table = np.interp(np.arange(256), LEVELS, np.arange(WHITE + 1) / WHITE)
        self.table = torch.from_numpy(table.astype(np.float32))

    def to(self, device: torch.device) -> FromLevels:
        moved = FromLevels()
        moved.table = self.table.to(device)
        return moved

    def __call__(self, x: Tensor) -> Tensor:
        # in x's own strides: a convolution chooses its algorithm, and so its last bits, by them
        return torch.empty_like(x, dtype=torch.float32).copy_(self.table[x.long()])


class Digits(BenchData):
    """8x8 digits in memory: x `[N, 1, 8, 8]` in [0, 1].

    Args:
        fold: The number of the fold that is the test set, about 360 images. The other four folds are the training set.
    """

    traits = ("images",)

    def __init__(self, fold: Annotated[int, "in [0, 4]"] = 0, **rest):
        super().__init__(**rest)
        self.require_shape((1, 8, 8))
        self.fold, self.normalise = fold, FromLevels()

    def load(self) -> Loaded:
        images, labels = load_digit_arrays()
        train, test = digit_fold(labels, self.fold)
        source = ArraySource(LEVELS[images[:, 0]][:, None], labels)
        return Loaded(source, train, source, test, content_hash(images, labels))  # of scikit-learn's own pixels

    def describe(self) -> dict:
        return super().describe() | {"split": f"fold {self.fold} of 5"}
