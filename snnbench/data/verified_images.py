"""Pictures in a few files whose bytes are known, held in memory: CIFAR's and MNIST's sets."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from snnbench.data.base import BenchData, Loaded
from snnbench.data.dataset import ArraySource, normaliser
from snnbench.data.source import Source
from snnbench.data.verified import VerifiedFiles


class VerifiedImages(BenchData):
    """x `[N, *size]`, normalised by `mean` and `std`. A subclass gives `source`, `size` and `halves`.

    Args:
        mean: mean of each channel of the pixels in [0, 1]; it is subtracted.
        std: standard deviation of each channel of the pixels in [0, 1]; what is left is divided by it.
        accept_md5: MD5 sums of copies that are read although they are not the published files.

    Raises:
        ConfigError: the shape is not `size`, or a sum is not written as one.
    """

    traits = ("images",)
    source: ClassVar[Source]
    size: ClassVar[tuple[int, int, int]]

    def __init__(self, mean: list[float], std: list[float], accept_md5: list[str] = (), **rest):
        super().__init__(**rest)
        self.require_shape(self.size)
        self.normalise = normaliser(self.shape[0], 255, mean, std)
        self.files = VerifiedFiles(self.source, self.root, list(accept_md5))

    def halves(self) -> tuple[ArraySource, ArraySource]:
        """Training and test samples, read through `files`."""
        raise NotImplementedError

    def load(self) -> Loaded:
        train, test = self.halves()
        return Loaded(train, np.arange(len(train.labels)), test, np.arange(len(test.labels)), self.files.content())

    def describe(self) -> dict:
        return super().describe() | self.files.note()
