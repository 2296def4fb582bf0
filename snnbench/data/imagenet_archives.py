"""ImageNet's archives to class folders: train is a tar of 1,000 tars, val is flat and the devkit lists its classes."""

from __future__ import annotations

import tarfile
from pathlib import Path

from snnbench.config.errors import ConfigError

CLASSES = 1000


def sort_train(folder: Path) -> None:
    """Replace each WNID.tar in `folder` by a folder WNID with its pictures."""
    for path in sorted(folder.glob("n*.tar")):
        target = folder / path.stem
        target.mkdir(exist_ok=True)
        with tarfile.open(path) as archive:
            archive.extractall(target, filter="data")
        path.unlink()


def sort_val(folder: Path, devkit: Path) -> None:
    """Move ILSVRC2012_val_*.JPEG into folders by WNID, as the devkit's ground truth lists them."""
    from scipy.io import loadmat

    rows = loadmat(devkit / "data" / "meta.mat", squeeze_me=True)["synsets"]
    wnid_of = {int(row[0]): str(row[1]) for row in rows if int(row[4]) == 0}  # leaves only
    truth = (devkit / "data" / "ILSVRC2012_validation_ground_truth.txt").read_text().split()
    pictures = sorted(folder.glob("*.JPEG"))
    if len(pictures) != len(truth):
        raise ConfigError(f"'{folder}' has {len(pictures)} pictures, the devkit lists {len(truth)}: unpack it again.")
    for wnid in sorted({wnid_of[int(label)] for label in truth}):
        (folder / wnid).mkdir(exist_ok=True)
    for picture, label in zip(pictures, truth):
        picture.rename(folder / wnid_of[int(label)] / picture.name)
