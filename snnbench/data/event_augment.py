"""Augmentation of event frames `[T, C, H, W]`. Each sample draws once, and all its time steps share the draw.

TET (Deng et al. 2022): flip 0.5 and roll by up to 5 pixels; NDA (Li et al. 2022): roll, cutout and others.
"""

from typing import Annotated

import torch
from torchvision.transforms import v2

from snnbench.data.augment import Stage, refuse_emptying
from snnbench.data.batched import placement, rectangles
from snnbench.data.batched.stage import Normalised
from snnbench.data.batched.stage import Stage as BatchedStage
from snnbench.data.dataset import Normalise
from snnbench.data.mixing import MixedAugment
from snnbench.data.operations import Flip, KeepFrames, PaddedCrop, Roll, SometimesCutout
from snnbench.errors import ConfigError


class EventAugment(MixedAugment):
    """A training pipeline for event frames. All T frames and both polarities get the same geometric change.

    Args:
        keep_frames: The number of frames that a training sample keeps of its T (T_train in SEW-ResNet). They are drawn
            at random and stay in order. Null keeps all.
        crop_padding: The number of zero pixels added on each side before a random crop back to the frame's size (OTTT).
            0 turns the crop off.
        flip: The probability that all frames of a sample are flipped from left to right.
        roll: The largest circular shift in pixels along each axis. 0 turns the shift off.
        cutout: The largest side in pixels of a square hole of zeros (NDA). Each side is drawn from 1 .. cutout. 0 turns
            the hole off.
        cutout_prob: The probability that a sample gets that hole.
    """

    requires = {  # noqa: RUF012
        "events": "it changes sequences of event frames; for still images use augment=none, crop_flip or another one "
        "that does not begin with events_",
    }

    def __init__(
        self,
        keep_frames: Annotated[int, ">= 1"] | None = None,
        crop_padding: Annotated[int, ">= 0"] = 0,
        flip: Annotated[float, "in [0, 1]"] = 0.0,
        roll: Annotated[int, ">= 0"] = 0,
        cutout: Annotated[int, ">= 0"] = 0,
        cutout_prob: Annotated[float, "in [0, 1]"] = 1.0,
        **rest,
    ):
        super().__init__(**rest)
        self.keep_frames = keep_frames
        self.crop_padding, self.flip, self.roll = crop_padding, flip, roll
        self.cutout, self.cutout_prob = cutout, cutout_prob

    def refuse_misfit(self, shape: tuple[int, int, int], time_steps: int, normalise: Normalise | None) -> None:
        """Raise ConfigError if these settings do not fit T = `time_steps` frames of `shape` [C, H, W]."""
        moves = {"flip": self.flip, "roll": self.roll, "crop_padding": self.crop_padding, "cutout": self.cutout}
        used = next((name for name, value in moves.items() if value), None)
        if shape[1] == 1 and used is not None:
            raise ConfigError(
                f"augment.{used}={moves[used]} moves or cuts an event camera's picture, but the frames here are rows "
                f"of frequency bands (data.shape={list(shape)}): use augment=events_none."
            )
        refuse_emptying(self.crop_padding, self.cutout, shape)
        if self.keep_frames and self.keep_frames > time_steps:
            raise ConfigError(f"augment.keep_frames={self.keep_frames} exceeds T={time_steps}; lower it or raise T")

    def for_training(self, shape: tuple[int, int, int], normalise: Normalise) -> Stage | None:
        """The pipeline from `[T, C, H, W]` to float32 of the same shape, or None if no setting is random."""
        stages: list[Stage] = []
        if self.keep_frames:
            stages.append(KeepFrames(self.keep_frames))
        if self.flip:
            stages.append(Flip(self.flip))
        if self.roll:
            stages.append(Roll(self.roll))
        if self.crop_padding:
            stages.append(PaddedCrop(self.crop_padding))
        if self.cutout:
            stages.append(SometimesCutout(self.cutout, self.cutout_prob))
        return v2.Compose([*stages, normalise]) if stages else None

    def unbatched(self) -> str | None:
        """Every setting has a batched form, so there is none to name."""
        return None

    def batched(self, shape: tuple[int, ...], normalise: Normalise, device: torch.device) -> list[BatchedStage]:
        """The same pipeline for many samples `shape` [T, C, H, W], as stored, at once on `device` -> float32."""
        stages: list[BatchedStage] = []
        moves: list[placement.Move] = []
        if self.keep_frames:
            stages.append(placement.KeepFrames(self.keep_frames, shape[0]))
        if self.flip:
            moves.append(placement.Flip(self.flip))
        if self.roll:
            moves.append(placement.Roll(self.roll))
        if self.crop_padding:
            moves.append(placement.PaddedCrop(self.crop_padding))
        if moves:
            stages.append(placement.Placement(moves))
        if self.cutout:
            stages.append(rectangles.Cutout(tuple(shape[-2:]), 1, self.cutout, self.cutout_prob))
        return [*stages, Normalised(normalise, device)]
