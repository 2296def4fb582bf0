"""Where the samples of a data set are kept and augmented: on the training device, or on the host."""

from __future__ import annotations

import math
import sys

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_only

from snnbench.data.dataset import ArraySource, SampleSource
from snnbench.data.resident import Batch, hold
from snnbench.errors import ConfigError

SHARE = 0.25  # of the free device memory that `auto` may fill


class Residence:
    """Decides once for each training device whether it holds the samples, and keeps those that it holds.

    Args:
        setting: data.resident: auto, device or host.
    """

    def __init__(self, setting: str):
        self.setting = setting
        self._decided: dict[torch.device | None, torch.device | None] = {}
        self._held: dict[tuple[str, torch.device], Batch] = {}

    def on(
        self, device: torch.device | None, augment: object, train: SampleSource, test: SampleSource, samples: int
    ) -> torch.device | None:
        """The device that holds the samples, None: the host does.

        Args:
            device: where training happens; None where nobody has said.
            augment: the data set's augmentation, or None.
            train: the source of training and validation samples.
            test: the source of test samples.
            samples: of all splits together.

        Raises:
            ConfigError: `data.resident=device` cannot be had.
        """
        if device not in self._decided:
            reason = obstacle(augment, train)
            needed = 0 if reason else samples * train.array[:1].nbytes
            self._decided[device] = resident_device(self.setting, device, needed, reason or obstacle(None, test))
        return self._decided[device]

    def held(self, split: str, source: ArraySource, indices: np.ndarray, device: torch.device) -> Batch:
        """The samples `indices` of a split and their targets on `device`, copied there at the first call."""
        if (split, device) not in self._held:
            self._held[split, device] = hold(source, indices, device)
        return self._held[split, device]


def obstacle(augment: object, source: SampleSource) -> str | None:
    """The reason why the samples cannot be stored on the device, as a key and its value; None if they can."""
    if not isinstance(source, ArraySource):
        return "samples that are decoded from files"
    if augment is None:
        return None
    if not hasattr(augment, "batched"):
        return f"augment._target_={type(augment).__name__}"
    return augment.unbatched()


def resident_device(setting: str, device: torch.device | None, needed: int, reason: str | None) -> torch.device | None:
    """Where `data.resident` puts the samples: a device, or None for the host's loader.

    Args:
        setting: The value of `data.resident`: auto, device or host.
        device: The training device, or None if there is no trainer.
        needed: The number of bytes of all splits.
        reason: The reason that `obstacle` returned, or None.

    Raises:
        ConfigError: `data.resident=device` cannot be had.
    """
    if setting == "host" or (setting == "auto" and (device is None or device.type != "cuda")):
        return None
    if setting == "device" and device is None:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else math.inf
    refuse_obstacle(setting, reason)
    if setting == "device":
        if needed > free:
            raise ConfigError(
                f"data.resident=device needs {needed / 1e9:.1f} GB but {free / 1e9:.1f} GB of {device} are free: "
                "set data.resident=host."
            )
        return device
    if reason is not None:
        _say(f"data: loaded and augmented on the host ({reason} has no batched form)")
        return None
    if needed > SHARE * free:
        _say(
            f"data: loaded on the host ({needed / 1e9:.1f} GB is more than a quarter of the {free / 1e9:.1f} GB free "
            f"on {device}; data.resident=device insists)"
        )
        return None
    return device


def refuse_obstacle(setting: str, reason: str | None) -> None:
    """Raise ConfigError for `data.resident=device` where something has no batched form."""
    if setting == "device" and reason is not None:
        raise ConfigError(f"data.resident=device does not go with {reason}: no batched form; use auto or host.")


@rank_zero_only
def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
