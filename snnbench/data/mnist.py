"""MNIST (LeCun, Cortes, Burges 1998) and Fashion-MNIST (Xiao, Rasul, Vollgraf 2017) from their four gzipped IDX files.

Files lie where torchvision puts them (`MNIST/raw`, `FashionMNIST/raw`) and are verified by MD5; IDX itself is read
by torchvision.
"""

from __future__ import annotations

import gzip
import hashlib
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from torchvision.datasets.mnist import read_image_file, read_label_file

from snnbench.config.errors import ConfigError
from snnbench.data import sources
from snnbench.data.base import BenchData, Loaded
from snnbench.data.dataset import ArraySource, Transform
from snnbench.data.files import read_bytes
from snnbench.data.splits import content_hash


def read_idx(source: sources.Source, root: str, name: str, reader) -> np.ndarray:
    """What `reader(path)` makes of one of the source's four files, unpacked.

    Raises:
        ConfigError: the file is missing, or its MD5 is neither the published one nor that of a known repacking.
    """
    path = Path(root) / source.folder / name
    if not path.is_file():
        raise source.missing(root, f"has no file '{name}'" if path.parent.is_dir() else "")
    raw, expected = read_bytes(path), dict(source.files)[name]
    found = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    if found not in (expected, dict(source.repacked).get(name)):
        raise ConfigError(
            f"'{path}' is damaged: its MD5 is {found}, expected {expected}; delete it and download it again."
        )
    with tempfile.NamedTemporaryFile() as plain:
        plain.write(gzip.decompress(raw))
        plain.flush()
        return reader(plain.name).numpy()


class MNIST(BenchData):
    """x `[N, 1, 28, 28]`, normalised by `mean` and `std` of [0, 1] values; the official 60,000 / 10,000 split."""

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

    def load(self) -> Loaded:
        train, test = (self._half(half) for half in ("train", "t10k"))
        content = content_hash(*[md5 for _, md5 in self.source.files])
        return Loaded(train, np.arange(len(train.labels)), test, np.arange(len(test.labels)), content)

    def _half(self, half: str) -> ArraySource:
        images = read_idx(self.source, self.root, f"{half}-images-idx3-ubyte.gz", read_image_file)
        labels = read_idx(self.source, self.root, f"{half}-labels-idx1-ubyte.gz", read_label_file)
        return ArraySource(images[:, None], labels.astype(np.int64))

    def train_transforms(self) -> tuple[Transform | None, Transform | None]:
        per_sample = None if self.augment is None else self.augment.for_training(self.shape, self.normalise)
        return (None, self.normalise) if per_sample is None else (per_sample, None)

    def test_transforms(self) -> tuple[Transform | None, Transform | None]:
        return None, self.normalise


class FashionMNIST(MNIST):
    """Pictures of clothes in MNIST's format, sizes and split."""

    source = sources.FASHION_MNIST
