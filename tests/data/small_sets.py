"""A small data set in the true on-disk format for every reader of files."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
from data_files import (
    aedat31_packet,
    build,
    md5,
    random_events,
    write_aedat2,
    write_aedat31,
    write_cifar_batch,
    write_h5,
    write_mnist_half,
    write_nmnist,
    write_pictures,
)

from snnbench.data import sources
from snnbench.data.cifar import CIFAR10, CIFAR100
from snnbench.data.cifar10_dvs import CIFAR10DVS, CLASSES
from snnbench.data.dvs_gesture import DVSGesture
from snnbench.data.imagenet import ImageNet
from snnbench.data.mnist import MNIST, FashionMNIST
from snnbench.data.nmnist import NMNIST
from snnbench.data.shd import SHD
from snnbench.data.source import Source
from snnbench.data.ssc import SSC

EVENTS = 400  # of a recording


class SmallNMNIST(NMNIST):
    expected = 20, 10


class SmallCIFAR10DVS(CIFAR10DVS):
    per_class = 10


class SmallGesture(DVSGesture):
    expected = {"original": (4, 2), "tonic": (3, 2)}  # noqa: RUF012


class SmallSHD(SHD):
    parts = {"train": 25, "test": 25}  # noqa: RUF012


class SmallSSC(SSC):
    parts = {"train": 40, "test": 40, "valid": 40}  # noqa: RUF012


@dataclasses.dataclass(frozen=True)
class SmallSet:
    """write(root) makes the files. read(root) builds the data set; both under an empty root of their own."""

    write: Callable[[Path], None]
    read: Callable[[Path], object]
    files: str  # pattern of the files that hold data


def write_nmnist_set(root):
    for part, count in (("Train", 2), ("Test", 1)):
        for digit in range(10):
            for i in range(count):
                events = random_events(EVENTS, seed=100 * digit + i, size=34, t_max=300_000)
                write_nmnist(root / "NMNIST" / part / str(digit) / f"{digit * 7 + i + 1:05d}.bin", *events)


def write_cifar10_dvs_set(root):
    for k, name in enumerate(CLASSES):
        for i in range(SmallCIFAR10DVS.per_class):
            events = random_events(EVENTS, seed=100 * k + i, t_max=1_200_000)
            write_aedat2(root / "CIFAR10DVS" / name / f"cifar10_{name}_{i}.aedat", *events)


def write_gesture_set(root):
    folder = root / "DVSGesture" / "DvsGesture"
    for seed, user in enumerate(("user01_led", "user02_lab", "user24_led")):
        x, y, t, p = random_events(2 * EVENTS, seed=seed, t_max=6_000_000)
        packets = [aedat31_packet(*(column[at : at + 100] for column in (x, y, t, p))) for at in range(0, len(x), 100)]
        write_aedat31(folder / f"{user}.aedat", *packets)
        cuts = "class,startTime_usec,endTime_usec\n1,100000,3000000\n11,3000000,5900000\n"
        (folder / f"{user}_labels.csv").write_text(cuts)
    (folder / "trials_to_train.txt").write_text("user01_led.aedat\nuser02_lab.aedat\n")
    (folder / "trials_to_test.txt").write_text("user24_led.aedat\n")


def write_tonic_gesture_set(root):
    for part, users in (("Train", {"user9_led": (0, 10), "user10_lab": (0,)}), ("Test", {"user24_led": (0, 10)})):
        for user, labels in users.items():
            folder = root / "DVSGesture" / f"ibmGesture{part}" / user
            folder.mkdir(parents=True)
            for label in labels:
                x, y, t, p = random_events(EVENTS + len(user), seed=label, t_max=6_000)
                np.save(folder / f"{label}.npy", np.stack([x, y, p, t], axis=1).astype(np.float64))


def write_audio_set(root, source, parts, classes):
    for seed, part in enumerate(parts):
        write_h5(root / source.folder / f"{source.name}_{part}.h5", classes + 5, classes, seed)


def read_audio_set(cls, classes):
    return lambda root: build(cls, root, [1, 1, 140], classes, time_steps=8)


def write_idx_set(root):
    for source in (sources.MNIST, sources.FASHION_MNIST):
        rng = np.random.default_rng(0)
        for half, count in (("train", 12), ("t10k", 5)):
            write_mnist_half(root / source.folder, half, count, rng)


def write_cifar_set(root, source, key):
    for seed, (name, _) in enumerate(source.files):
        write_cifar_batch(root / source.folder / name, 20, seed, key)


def read_verified(cls, write, shape, classes):
    """A data set whose published MD5s are those of the small files as they were written."""

    def read(root):
        if (source := known.get(cls)) is None:
            fresh = Path(root).parent / f"fresh-{cls.__name__}"
            write(fresh)
            md5s = tuple((name, md5(fresh / cls.source.folder / name)) for name, _ in cls.source.files)
            known[cls] = source = dataclasses.replace(cls.source, files=md5s, repacked=())
        small = type(cls.__name__, (cls,), {"source": source})
        channels = shape[0]
        return build(small, root, shape, classes, mean=[0.5] * channels, std=[0.5] * channels)

    return read


known: dict[type, Source] = {}


def write_imagenet_set(root):
    rng = np.random.default_rng(0)
    for part, count in (("train", 4), ("val", 2)):
        for k in range(3):
            write_pictures(root / "imagenet" / part / f"n0000000{k}", count, rng, (40 + 5 * k, 50))


def read_imagenet_set(root):
    return build(ImageNet, root, [3, 32, 32], 3, mean=[0.5] * 3, std=[0.5] * 3, resize=36, batch_size=4)


def read_dvs_set(cls, classes):
    return lambda root: build(cls, root, [2, 16, 16], classes, resize="sum", batch_size=2)


EVENT_SETS = {
    "nmnist": SmallSet(write_nmnist_set, lambda root: build(SmallNMNIST, root, [2, 34, 34], 10), "NMNIST/*/*/*.bin"),
    "cifar10_dvs": SmallSet(write_cifar10_dvs_set, read_dvs_set(SmallCIFAR10DVS, 10), "CIFAR10DVS/*/*.aedat"),
    "dvs_gesture": SmallSet(write_gesture_set, read_dvs_set(SmallGesture, 11), "DVSGesture/DvsGesture/*"),
    "dvs_gesture_tonic": SmallSet(write_tonic_gesture_set, read_dvs_set(SmallGesture, 11), "DVSGesture/*/*/*.npy"),
    "shd": SmallSet(
        lambda root: write_audio_set(root, sources.SHD, SHD.parts, 20), read_audio_set(SmallSHD, 20), "SHD/*.h5"
    ),
    "ssc": SmallSet(
        lambda root: write_audio_set(root, sources.SSC, SSC.parts, 35), read_audio_set(SmallSSC, 35), "SSC/*.h5"
    ),
}


def cifar_writer(source, key):
    return lambda root: write_cifar_set(root, source, key)


VERIFIED = (
    ("cifar10", CIFAR10, cifar_writer(sources.CIFAR10, "labels"), [3, 32, 32], 10, "cifar-10-batches-py/*"),
    ("cifar100", CIFAR100, cifar_writer(sources.CIFAR100, "fine_labels"), [3, 32, 32], 100, "cifar-100-python/*"),
    ("mnist", MNIST, write_idx_set, [1, 28, 28], 10, "MNIST/raw/*"),
    ("fashion_mnist", FashionMNIST, write_idx_set, [1, 28, 28], 10, "FashionMNIST/raw/*"),
)
IMAGE_SETS = {
    **{
        name: SmallSet(write, read_verified(cls, write, shape, classes), files)
        for name, cls, write, shape, classes, files in VERIFIED
    },
    "imagenet": SmallSet(write_imagenet_set, read_imagenet_set, "imagenet/*/*/*.JPEG"),
}
