"""ImageNet (ILSVRC 2012) from folders root/imagenet/{train,val}/WNID/*.JPEG; the validation set is the test set.

A test picture is resized so that its shorter side has `resize` pixels, and its centre is cropped. Most recipes, such as
SEW-ResNet's, resize to 256 and crop to 224; Spikformer uses 224 for both.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from torchvision.transforms import InterpolationMode, v2

from snnbench.data import sources
from snnbench.data.base import BenchData, Loaded
from snnbench.data.dataset import FileSource, Transform, normaliser
from snnbench.data.files import visible
from snnbench.data.pictures import IMAGES, decode_rgb, list_pictures
from snnbench.data.source import prepare_command
from snnbench.data.splits import content_hash
from snnbench.errors import ConfigError

WNID = re.compile(r"n[0-9]{8}")


def class_folders(folder: Path) -> list[str]:
    """The sorted names of the class folders. Raises ConfigError if a picture or archive lies outside of them."""
    entries = visible(folder)
    for entry in entries:
        if entry.is_file() and entry.name.lower().endswith((*IMAGES, ".tar")):
            raise ConfigError(
                f"'{entry.path}' lies in no class folder: remove it, or sort the pictures with "
                f"`{prepare_command('imagenet', folder.parents[1])}`."
            )
    return [entry.name for entry in entries if entry.is_dir()]


class ImageNet(BenchData):
    """x is `[N, *shape]`, where `shape` is [3, height, width] of the crop. The loader processes decode the pictures.

    Args:
        mean: The mean of each channel, for pixels in [0, 1]. It is subtracted from the pixels.
        std: The standard deviation of each channel, for pixels in [0, 1]. The centred pixels are divided by it.
        resize: The length in pixels to which a test picture's shorter side is resized before the centre is cropped.
        interpolation: The interpolation of that resize.
    """

    traits = ("images",)

    def __init__(
        self,
        mean: list[float],
        std: list[float],
        resize: Annotated[int, ">= 1"] = 256,
        interpolation: Literal["bilinear", "bicubic"] = "bilinear",
        **rest,
    ):
        super().__init__(resident="host", **rest)
        if resize < max(self.shape[1:]):
            raise ConfigError(
                f"data.resize={resize} is smaller than the crop {list(self.shape[1:])}: raise it to the crop."
            )
        self.resize, self.interpolation = resize, InterpolationMode(interpolation)
        self.normalise = normaliser(self.shape[0], 255, mean, std)

    def load(self) -> Loaded:
        folder = Path(self.root) / sources.IMAGENET.folder
        parts = {}
        for part in ("train", "val"):
            if not (folder / part).is_dir():
                raise sources.IMAGENET.missing(self.root, f"has no folder '{part}'" if folder.is_dir() else "")
            parts[part] = class_folders(folder / part)
        for part, other in (("train", "val"), ("val", "train")):
            if odd := sorted(set(parts[other]) - set(parts[part])):
                more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
                raise ConfigError(
                    f"'{folder / part}' has no class folder {odd[0]}{more}, which {other} has: add it here or remove "
                    "it there."
                )
        if len(parts["train"]) != self.num_classes:
            strange = [name for name in parts["train"] if not WNID.fullmatch(name)]
            named = f" (not named like n01440764: {', '.join(strange[:3])})" if strange else ""
            raise ConfigError(
                f"data.num_classes={self.num_classes} but '{folder / 'train'}' has {len(parts['train'])} class "
                f"folders{named}: complete the folder or set data.num_classes."
            )
        sources_of, names = [], []
        for part in ("train", "val"):
            found, labels = list_pictures(folder / part, parts[part])
            sources_of.append(FileSource(str(folder / part), found, labels, decode_rgb))
            names += [part, *found]
        train, test = sources_of
        content = content_hash("\n".join(names))
        return Loaded(train, np.arange(len(train.labels)), test, np.arange(len(test.labels)), content)

    def _centre(self) -> list[Transform]:
        return [v2.Resize(self.resize, self.interpolation, antialias=True), v2.CenterCrop(self.shape[1:])]

    def train_transforms(self) -> tuple[Transform | None, Transform | None]:
        augmented = None if self.augment is None else self.augment.for_training(self.shape, self.normalise)
        if augmented is not None and self.augment.resized_crop_scale is not None:
            return augmented, None
        # without a random resized crop, resize and centre crop bring all pictures to one size
        return v2.Compose([*self._centre(), augmented or self.normalise]), None

    def test_transforms(self) -> tuple[Transform | None, Transform | None]:
        return v2.Compose([*self._centre(), self.normalise]), None

    def describe(self) -> dict:
        return super().describe() | {"split": "official (validation set as test set)", "test_resize": self.resize}
