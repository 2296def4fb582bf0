"""MNIST (LeCun, Cortes, Burges 1998) and Fashion-MNIST (Xiao, Rasul, Vollgraf 2017) from their four gzipped IDX files.

Files lie where torchvision puts them (`MNIST/raw`, `FashionMNIST/raw`) and are verified by MD5; IDX itself is read
by torchvision.
"""

from __future__ import annotations

import gzip
import tempfile

import numpy as np
from torchvision.datasets.mnist import read_image_file, read_label_file

from snnbench.data import sources
from snnbench.data.dataset import ArraySource
from snnbench.data.verified import VerifiedFiles
from snnbench.data.verified_images import VerifiedImages
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


class MNIST(VerifiedImages):
    """x `[N, 1, 28, 28]`, normalised by `mean` and `std`; the official 60,000 / 10,000 split."""

    source = sources.MNIST
    size = (1, 28, 28)

    def halves(self) -> tuple[ArraySource, ArraySource]:
        return self._half("train"), self._half("t10k")

    def _half(self, half: str) -> ArraySource:
        images = read_idx(self.files, f"{half}-images-idx3-ubyte.gz", read_image_file)
        labels = read_idx(self.files, f"{half}-labels-idx1-ubyte.gz", read_label_file)
        if len(images) != len(labels) or images.shape[1:] != (28, 28):
            raise ConfigError(
                f"'{self.files.path('')}' has {len(images)} pictures {images.shape[1:]} and {len(labels)} labels in "
                f"its {half} files: they do not belong together."
            )
        return ArraySource(images[:, None], labels.astype(np.int64))


class FashionMNIST(MNIST):
    """Pictures of clothes in MNIST's format, sizes and split."""

    source = sources.FASHION_MNIST
