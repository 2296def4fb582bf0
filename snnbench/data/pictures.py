"""Picture files in class folders: listing them, and decoding one to uint8 `[3, H, W]` of 0..255."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from snnbench.data.files import visible
from snnbench.errors import ConfigError

IMAGES = (".jpeg", ".jpg", ".png")


def list_pictures(folder: Path, classes: list[str]) -> tuple[list[str], np.ndarray]:
    """Names relative to `folder`, sorted by (class, name), and labels; no picture is opened.

    Raises:
        ConfigError: naming a class folder without pictures, or an entry of one that is no picture.
    """
    names, labels = [], []
    for label, name in enumerate(classes):
        entries = visible(folder / name)
        for entry in entries:
            if not entry.name.lower().endswith(IMAGES) or not entry.is_file():
                raise ConfigError(
                    f"'{entry.path}' is no picture ({', '.join(IMAGES)}): take it out of the class folder."
                )
        if not entries:
            raise ConfigError(f"'{folder / name}' holds no JPEG: the folder was not unpacked fully; unpack it again.")
        names += [f"{name}/{entry.name}" for entry in entries]
        labels += [label] * len(entries)
    return names, np.asarray(labels, dtype=np.int64)


def decode_rgb(path: str) -> Tensor:
    """uint8 `[3, H, W]`. Grey, palette and CMYK pictures become RGB, 16 bits become 8, transparency is dropped.

    Of an animated picture this is the first frame.

    Raises:
        ConfigError: naming a file that cannot be read, or whose values have no known white.
    """
    try:
        with Image.open(path) as image:
            pixels = _rgb(image)
    except Exception as error:  # PIL raises nearly anything on a damaged file
        raise ConfigError(f"'{path}' is no picture that can be read ({_reason(path, error)}): copy it again.") from None
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _rgb(image: Image.Image) -> np.ndarray:
    """uint8 `[H, W, 3]`."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        # PIL's own conversion cuts at 255, which makes nearly everything white
        grey = (np.asarray(image).astype(np.uint32) + 128) // 257
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode}, 32 bits, which have no known white")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # else PIL warns
    return np.array(image.convert("RGB"))


def _reason(path: str, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return error.strerror
    if os.path.getsize(path) == 0:
        return "it is empty, 0 bytes"
    if isinstance(error, UnidentifiedImageError):
        return "its format is unknown"
    return " ".join(str(error).split()) or type(error).__name__
