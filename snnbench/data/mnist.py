"""MNIST (LeCun, Cortes, Burges 1998) and Fashion-MNIST (Xiao, Rasul, Vollgraf 2017) from their four gzipped IDX files.

Files lie where torchvision puts them (`MNIST/raw`, `FashionMNIST/raw`) and are verified by MD5; IDX itself is read
by torchvision.
"""

from __future__ import annotations

import gzip
import tempfile
from typing import Annotated, Literal

import numpy as np
from torchvision.datasets.mnist import read_image_file, read_label_file

from snnbench.data import sources
from snnbench.data.base import BenchData, Loaded
from snnbench.data.dataset import ArraySource, Transform
from snnbench.data.verified import VerifiedFiles
from snnbench.errors import ConfigError


def read_idx(files: VerifiedFiles, name: str, reader) -> np.ndarray:
    """What `reader(path)` makes of one of the source's four files, unpacked.

    Raises:
        ConfigError: the file is missing, is not one that is known or accepted, or holds no IDX.
    """
    raw = files.read(name)
    with tempfile.NamedTemporaryFile() as plain:
        try:
            plain.write(gzip.decompress(raw))
            plain.flush()
            return reader(plain.name).numpy()
        except Exception as error:  # an accepted file can hold anything
            raise ConfigError(f"'{files.path(name)}' is no gzipped IDX file ({type(error).__name__}).") from None


class MNIST(BenchData):
    """x `[N, 1, 28, 28]`, normalised by `mean` and `std` of [0, 1] values; the official 60,000 / 10,000 split.

    Args:
        mean: mean of the pixels in [0, 1], a list of one number; it is subtracted.
        std: standard deviation of the pixels in [0, 1], a list of one number; what is left is divided by it.
        accept_md5: MD5 sums of copies that are read although they are not the published files.
    """

    traits = ("images",)
    source = sources.MNIST

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
        self.require_shape((1, 28, 28))
        self.normalise = self.normaliser(255, mean, std)
        self.files = VerifiedFiles(self.source, root, list(accept_md5))

    def load(self) -> Loaded:
        train, test = (self._half(half) for half in ("train", "t10k"))
        return Loaded(train, np.arange(len(train.labels)), test, np.arange(len(test.labels)), self.files.content())

    def _half(self, half: str) -> ArraySource:
        images = read_idx(self.files, f"{half}-images-idx3-ubyte.gz", read_image_file)
        labels = read_idx(self.files, f"{half}-labels-idx1-ubyte.gz", read_label_file)
        if len(images) != len(labels) or images.shape[1:] != (28, 28):
            raise ConfigError(
                f"'{self.files.path('')}' has {len(images)} pictures {images.shape[1:]} and {len(labels)} labels in "
                f"its {half} files: they do not belong together."
            )
        return ArraySource(images[:, None], labels.astype(np.int64))

    def describe(self) -> dict:
        return super().describe() | self.files.note()

    def train_transforms(self) -> tuple[Transform | None, Transform | None]:
        per_sample = None if self.augment is None else self.augment.for_training(self.shape, self.normalise)
        return (None, self.normalise) if per_sample is None else (per_sample, None)

    def test_transforms(self) -> tuple[Transform | None, Transform | None]:
        return None, self.normalise


class FashionMNIST(MNIST):
    """Pictures of clothes in MNIST's format, sizes and split."""

    source = sources.FASHION_MNIST
