"""The random batch that every engine gets: images or event frames, in either memory layout, and labels."""

from __future__ import annotations

import torch
from torch import Tensor

from snnbench.bench.works import Work
from snnbench.config.signature import component


def batch_of(work: Work, config: dict, device: torch.device, layout: str) -> tuple[Tensor, Tensor]:
    """Random images `[N, C, H, W]` or event frames `[N, T, C, H, W]`, and labels `[N]`; the same for every engine."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch_shape(work, config), generator=generator)
    y = torch.randint(config["data"]["num_classes"], (work.batch,), generator=generator)
    return in_layout(x.to(device), layout), y.to(device)


def batch_shape(work: Work, config: dict) -> tuple[int, ...]:
    """The shape of a batch of the data set, which is `[N, T, C, H, W]` if the encoder needs event frames."""
    frames = (config["T"],) if takes_frames(config) else ()
    return (work.batch, *frames, *config["data"]["shape"])


def takes_frames(config: dict) -> bool:
    """Whether the data are event frames, which already have a time axis."""
    return "events" in component(config["encoder"]["_target_"]).requires


def sequence_of(x: Tensor, config: dict) -> Tensor:
    """A batch as a sequence `[T, N, C, H, W]` in its layout, copied T times as code without our encoder does it."""
    if not takes_frames(config):
        return torch.stack([x] * config["T"])
    return torch.stack(x.unbind(1))


def in_layout(x: Tensor, layout: str) -> Tensor:
    """The tensor `[*, C, H, W]` in the given memory layout."""
    if layout != "channels_last":
        return x.contiguous()
    images = x.flatten(0, -4).contiguous(memory_format=torch.channels_last)
    return images.view(x.shape) if x.dim() == 4 else images.unflatten(0, x.shape[:-3])
