"""Write every data set as small files in its real format, and make snnbench accept them as the published files."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "data")]

from small_sets import EVENT_SETS, IMAGE_SETS, VERIFIED, SmallCIFAR10DVS, SmallGesture, SmallNMNIST, SmallSHD, SmallSSC  # noqa: E402

from snnbench.data.cifar10_dvs import CIFAR10DVS  # noqa: E402
from snnbench.data.dvs_gesture import DVSGesture  # noqa: E402
from snnbench.data.nmnist import NMNIST  # noqa: E402
from snnbench.data.shd import SHD  # noqa: E402
from snnbench.data.ssc import SSC  # noqa: E402

# The overrides with which the small files of a data set can be loaded.
NEEDED = {"imagenet": ["data.num_classes=3", "data.shape=[3,64,64]", "data.resize=64"]}


def write_small_data(root: Path) -> None:
    """Write the files in `root`, and make the data sets in this process expect their sizes and checksums."""
    for name, small in (EVENT_SETS | IMAGE_SETS).items():
        if name not in ("dvs_gesture_tonic", "fashion_mnist"):  # another release; written with mnist
            small.write(root)
    NMNIST.expected = SmallNMNIST.expected
    CIFAR10DVS.per_class = SmallCIFAR10DVS.per_class
    DVSGesture.expected = SmallGesture.expected
    SHD.parts, SSC.parts = SmallSHD.parts, SmallSSC.parts
    for _, cls, *_ in VERIFIED:
        folder = root / cls.source.folder
        sums = tuple((name, hashlib.md5((folder / name).read_bytes()).hexdigest()) for name, _ in cls.source.files)
        cls.source = dataclasses.replace(cls.source, files=sums, repacked=())
