"""ImageNet's archives to class folders: train is a tar of 1,000 tars, val is flat and the devkit lists its classes.

Both can be stopped at any moment and started again: what is sorted already stays, the rest follows.
"""

from __future__ import annotations

import os
from pathlib import Path

from snnbench.data.drafts import draft_folder, remove_left_over
from snnbench.data.extraction import extract
from snnbench.data.files import visible
from snnbench.data.imagenet import WNID
from snnbench.errors import ConfigError


def sort_train(folder: Path) -> None:
    """Replace each WNID.tar in `folder` by a folder WNID with its pictures."""
    for path in sorted(folder.glob("n*.tar")):
        if not WNID.fullmatch(path.stem):
            raise ConfigError(f"'{path}' is no class of ImageNet (a name like n01440764.tar): remove it.")
        target = folder / path.stem
        remove_left_over(target)
        with draft_folder(target) as draft:
            extract(path, draft)
            target.mkdir(exist_ok=True)
            for entry in visible(draft):
                os.replace(entry.path, target / entry.name)
        path.unlink()


def sort_val(folder: Path, devkit: Path) -> None:
    """Move ILSVRC2012_val_*.JPEG into folders by WNID, as the devkit's ground truth lists them."""
    classes = validation_classes(devkit)
    waiting = {entry.name for entry in visible(folder) if entry.is_file()}
    places = {f"ILSVRC2012_val_{number:08d}.JPEG": wnid for number, wnid in enumerate(classes, 1)}
    if strange := sorted(waiting - set(places)):
        raise ConfigError(f"'{folder / strange[0]}' is none of the devkit's {len(places)} pictures: remove it.")
    lacking = [n for n, wnid in places.items() if n not in waiting and not (folder / wnid / n).is_file()]
    if lacking:
        raise ConfigError(
            f"'{folder}' lacks {len(lacking)} of {len(places)} pictures (first: {lacking[0]}): delete the folder and "
            "unpack ILSVRC2012_img_val.tar again."
        )
    for wnid in sorted(set(classes)):
        (folder / wnid).mkdir(exist_ok=True)
    for name in sorted(waiting):
        os.replace(folder / name, folder / places[name] / name)


def validation_classes(devkit: Path) -> list[str]:
    """The WNID of each validation picture, in the order of their numbers from 1.

    Raises:
        ConfigError: naming the file that is missing or damaged, or a WNID of another form: WNIDs become folders.
    """
    from scipy.io import loadmat

    meta, truth = (devkit / "data" / name for name in ("meta.mat", "ILSVRC2012_validation_ground_truth.txt"))
    wnid_of: dict[int, str] = {}
    try:
        for row in loadmat(meta, squeeze_me=True)["synsets"]:
            if int(row[4]) == 0:  # a leaf of the hierarchy
                wnid_of[int(row[0])] = str(row[1])
    except Exception as error:  # scipy raises nearly anything on a damaged file
        raise ConfigError(f"'{meta}' cannot be read ({type(error).__name__}): unpack the devkit again.") from None
    for wnid in wnid_of.values():
        if not WNID.fullmatch(wnid):
            raise ConfigError(
                f"'{meta}' names the class {wnid!r}, which is no WNID like n01440764: get the devkit anew."
            )
    try:
        return [wnid_of[int(label)] for label in truth.read_text().split()]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"'{truth}' cannot be read ({type(error).__name__}): unpack the devkit again.") from None
