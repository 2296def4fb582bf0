"""Where each data set comes from: URL, file, MD5, folder. Facts only; imports nothing heavy.

MD5s and addresses are the publishers' as torchvision 0.29, tonic 1.7 and SpikingJelly 2.0 list them (read there); those
of CIFAR-10 were checked against the real files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from snnbench.data.source import Archive, Source, prepare_command
from snnbench.errors import ConfigError

FIGSHARE = "https://ndownloader.figshare.com/files/"
IMAGE_NET = "https://image-net.org"
TORONTO = "https://www.cs.toronto.edu/~kriz/"
MENDELEY = "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/"
IBM = "https://ibm.ent.box.com/s/3hiq58ww1pbbjrinh367ykfdf60xsfm8/folder/50167556794"


def _cifar(file: str, md5: str, folder: str) -> Archive:
    return Archive(file, md5, TORONTO + file, folder)


CIFAR10 = Source(
    "cifar10",
    "CIFAR-10",
    "cifar-10-batches-py",
    (_cifar("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a", "cifar-10-batches-py"),),
    (
        ("data_batch_1", "c99cafc152244af753f735de768cd75f"),
        ("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
        ("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
        ("data_batch_4", "634d18415352ddfa80567beed471001a"),
        ("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
        ("test_batch", "40351d587109b95175f43aff81a1287e"),
    ),
)
CIFAR100 = Source(
    "cifar100",
    "CIFAR-100",
    "cifar-100-python",
    (_cifar("cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85", "cifar-100-python"),),
    (("train", "16019d7e3df5f24257cddd939b257f8d"), ("test", "f0ef6b0ae62326f3e7ffdfab6717acfc")),
)
IMAGENET = Source(
    "imagenet",
    "ImageNet (ILSVRC 2012)",
    "imagenet",
    (
        Archive("ILSVRC2012_img_train.tar", "1d675b47d978889d74fa0da5fadfb00e", IMAGE_NET, "imagenet/train"),
        Archive("ILSVRC2012_img_val.tar", "29b22e2961454d5413ddabcf34fc5622", IMAGE_NET, "imagenet/val"),
        Archive("ILSVRC2012_devkit_t12.tar.gz", "fa75699e90414af021442c21a62c3abf", IMAGE_NET, "imagenet/devkit"),
    ),
    note="After logging in at image-net.org. An existing folder with train/WNID/*.JPEG and val/WNID/*.JPEG can be "
    "linked instead: ln -s /path/to/imagenet <paths.data>/imagenet.",
)
CIFAR10_DVS = Source(
    "cifar10_dvs",
    "CIFAR10-DVS",
    "CIFAR10DVS",
    tuple(
        Archive(f"{name}.zip", md5, FIGSHARE + number, f"CIFAR10DVS/{name}")
        for name, number, md5 in (
            ("airplane", "7712788", "0afd5c4bf9ae06af762a77b180354fdd"),
            ("automobile", "7712791", "8438dfeba3bc970c94962d995b1b9bdd"),
            ("bird", "7712794", "a9c207c91c55b9dc2002dc21c684d785"),
            ("cat", "7712812", "52c63c677c2b15fa5146a8daf4d56687"),
            ("deer", "7712815", "b6bf21f6c04d21ba4e23fc3e36c8a4a3"),
            ("dog", "7712818", "f379ebdf6703d16e0a690782e62639c3"),
            ("frog", "7712842", "cad6ed91214b1c7388a5f6ee56d08803"),
            ("horse", "7712851", "e7cbbf77bec584ffbf913f00e682782a"),
            ("ship", "7712836", "41c7bd7d6b251be82557c6cce9a7d5c9"),
            ("truck", "7712839", "89f3922fd147d9aeff89e76a2b0b70a7"),
        )
    ),
    note="Original AEDAT 2.0 release, 10 classes of 1,000 recordings. There is no official split: data.split names the "
    "community's. tonic's CIFAR10DVS.zip (.aedat4) needs the PyPI package `aedat`; figshare refuses some clients, "
    "a browser works.",
)
DVS_GESTURE = Source(
    "dvs_gesture",
    "DVS128 Gesture",
    "DVSGesture",
    (Archive("DvsGesture.tar.gz", "8a5c71fb11e24e5ca5b11866ca6c00a1", IBM, "DVSGesture/DvsGesture"),),
    note="The original AEDAT 3.1 release (1,176 training and 288 test gestures, cut by the labels' times as "
    "SpikingJelly and snnTorch do), to be fetched in a browser; or tonic's preprocessed archives (1,077 and 264, "
    "ms precision). Accuracies on the two are not the same protocol; the run record says which was read.",
    alternative=(
        Archive(
            "ibmGestureTrain.tar.gz",
            "3a8f0d4120a166bac7591f77409cb105",
            "https://figshare.com/ndownloader/files/38022171",
            "DVSGesture/ibmGestureTrain",
        ),
        Archive(
            "ibmGestureTest.tar.gz",
            "56070e45dadaa85fff82e0fbfbc06de5",
            "https://figshare.com/ndownloader/files/38020584",
            "DVSGesture/ibmGestureTest",
        ),
    ),
)
NMNIST = Source(
    "nmnist",
    "N-MNIST",
    "NMNIST",
    (
        Archive(
            "train.zip", "20959b8e626244a1b502305a9e6e2031",
            MENDELEY + "39c25547-014b-4137-a934-9d29fa53c7a0/file_downloaded", "NMNIST/Train",
        ),
        Archive(
            "test.zip", "69ca8762b2fe404d9b9bad1103e97832",
            MENDELEY + "05a4d654-7e03-4c15-bdfa-9bb2bcbea494/file_downloaded", "NMNIST/Test",
        ),
    ),
)  # fmt: skip
ZENKE = "https://zenkelab.org/datasets/"
SHD = Source(
    "shd",
    "Spiking Heidelberg Digits",
    "SHD",
    (
        Archive("shd_train.h5.zip", "f3252aeb598ac776c1b526422d90eecb", ZENKE + "shd_train.h5.zip", "SHD/train"),
        Archive("shd_test.h5.zip", "1503a5064faa34311c398fb0a1ed0a6f", ZENKE + "shd_test.h5.zip", "SHD/test"),
    ),
    note="tonic's folder is read as well: SHD/shd_train.h5 and SHD/shd_test.h5.",
)
SSC = Source(
    "ssc",
    "Spiking Speech Commands",
    "SSC",
    (
        Archive("ssc_train.h5.zip", "d102be95e7144fcc0553d1f45ba94170", ZENKE + "ssc_train.h5.zip", "SSC/train"),
        Archive("ssc_valid.h5.zip", "b4eee3516a4a90dd0c71a6ac23a8ae43", ZENKE + "ssc_valid.h5.zip", "SSC/valid"),
        Archive("ssc_test.h5.zip", "a35ff1e9cffdd02a20eb850c17c37748", ZENKE + "ssc_test.h5.zip", "SSC/test"),
    ),
    note="tonic's folder is read as well: SSC/ssc_train.h5, SSC/ssc_valid.h5 and SSC/ssc_test.h5.",
)
MNIST = Source(
    "mnist",
    "MNIST",
    "MNIST/raw",
    files=(
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ),
    note="Four files from https://ossci-datasets.s3.amazonaws.com/mnist/, named train-images-idx3-ubyte.gz, "
    "train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz; put them as they are into "
    "<paths.data>/MNIST/raw (where torchvision leaves them too). Nothing to unpack.",
)
FASHION_MNIST = Source(
    "fashion_mnist",
    "Fashion-MNIST",
    "FashionMNIST/raw",
    files=(
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ),
    note="Four files from http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/, named as MNIST's; put them "
    "as they are into <paths.data>/FashionMNIST/raw (where torchvision leaves them too). Nothing to unpack. Debian's "
    "package dataset-fashion-mnist has them in /usr/share/datasets/fashion-mnist.",
    repacked=(  # Debian's
        ("train-images-idx3-ubyte.gz", "cf8536b0aa1a6ac5fa3f23001093305c"),
        ("train-labels-idx1-ubyte.gz", "10bea18fdb374794d4bb42e356e600c9"),
        ("t10k-images-idx3-ubyte.gz", "f78720b4224f21cce2f2ccf2d7a94c9a"),
        ("t10k-labels-idx1-ubyte.gz", "0d30e22e447f3c33dab9ed536400ac01"),
    ),
)
DIGITS = Source("digits", "digits", "", note="Comes with scikit-learn: nothing to download, nothing to prepare.")
DIGITS_DVS = Source(
    "digits_dvs",
    "digits_dvs",
    "digits_dvs",
    note="Made from scikit-learn's digits by a simulated event camera: nothing to download, a cache is written once.",
)

_ALL = (
    DIGITS,
    DIGITS_DVS,
    CIFAR10,
    CIFAR100,
    IMAGENET,
    DVS_GESTURE,
    CIFAR10_DVS,
    NMNIST,
    MNIST,
    FASHION_MNIST,
    SHD,
    SSC,
)
SOURCES = {source.name: source for source in _ALL}


def find_source(name: str) -> Source:
    """The source called `name`. Raises ConfigError with the list of known names if there is none."""
    if name not in SOURCES:
        raise ConfigError(f"There is no data set '{name}' to prepare: choose one of {', '.join(SOURCES)}.")
    return SOURCES[name]


def describe_source(name: str, root: str = "<paths.data>", have: Collection[Archive] = (), place: str = "") -> str:
    """What is still to be fetched and how to go on, as text for a terminal.

    have: archives that are unpacked already. place: folder of the archives, where it is not `root`.
    """
    return "\n".join(_lines(find_source(name), Path(root), have, place))


def _lines(source: Source, root: Path, have: Collection[Archive], place: str) -> Iterator[str]:
    if source.note:
        yield f"  {source.note}"
    for heading, archives in (("Download", source.archives), ("Or download", source.alternative)):
        if wanted := [archive for archive in archives if archive not in have]:
            yield f"  {heading} by hand into {place or root}:"
        for archive in wanted:
            yield f"    {archive.file:<30} MD5 {archive.md5}  {archive.url}"
    if not source.archives:
        for file, md5 in source.files:
            if not (root / source.folder / file).is_file():
                yield f"    {file:<30} MD5 {md5}  to be put into {root / source.folder}"
    if source.archives:
        command = prepare_command(source.name, root, place or None)
        yield f"  Then run: {command}   (verifies, unpacks to {root / source.folder})"
