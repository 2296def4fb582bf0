"""How a sequence lies in memory, for the kernels: T steps of `[outer, channels, inner]`, outer * inner positions."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """How one step `[N, C, *]` lies in memory.

    Args:
        positions: The number of values of one channel, N times the product of *.
        channels: The number of channels C.
        inner: The number of neighbouring values in memory that belong to one channel; 1 where channels are last.
        step: The number of values of the step.
        channels_last: Whether the channels of one position are neighbours in memory.
    """

    positions: int
    channels: int
    inner: int
    step: int
    channels_last: bool

    @property
    def channel_block(self) -> int:
        """Channels a program handles: neighbours in memory where channels are last, one otherwise."""
        return min(128, 1 << (self.channels - 1).bit_length()) if self.channels_last else 1

    def blocks(self, elements: int) -> dict[str, int | bool]:
        """Tile sizes of about `elements` values, as the kernels' compile-time arguments."""
        width = self.channel_block
        tallest = 1 << (self.positions - 1).bit_length()
        return {"BP": max(1, min(elements // width, tallest)), "BC": width, "CHANNELS_LAST": self.channels_last}


def _channels_last(x_t: Tensor) -> bool:
    return x_t.dim() > 2 and x_t.movedim(1, -1).is_contiguous()


def layout_of(x_seq: Tensor, by_channel: bool) -> Layout | None:
    """Layout of a step of `[T, N, C, *]` (T may be 1); None if a step is neither contiguous nor channels-last.

    Args:
        x_seq: The sequence.
        by_channel: Whether the kernel needs to know the channel of a value. Where it does not, a step without gaps is
            treated as one long channel, whatever the order of its axes.
    """
    x_t = x_seq[0]
    if x_seq.shape[0] > 1 and x_seq.stride(0) != x_t.numel():
        return None
    contiguous, last = x_t.is_contiguous(), _channels_last(x_t)
    if not (contiguous or last):
        return None
    if not by_channel:
        return Layout(x_t.numel(), 1, x_t.numel(), x_t.numel(), False)
    channels, inner = x_t.shape[1], prod(x_t.shape[2:])
    if contiguous and inner > 1:
        return Layout(x_t.shape[0] * inner, channels, inner, x_t.numel(), False)
    return Layout(x_t.shape[0] * inner, channels, 1, x_t.numel(), True)


def dense(x_seq: Tensor) -> Tensor:
    """The same values in a layout the kernels read; a copy only where the memory has gaps or T does not lead."""
    return x_seq if layout_of(x_seq, False) else x_seq.contiguous()


def like(tensor: Tensor, model: Tensor) -> Tensor:
    """`tensor` with the strides of `model` (same shape), copied if they differ."""
    if tensor.stride() == model.stride() and tensor.dtype == model.dtype:
        return tensor
    return torch.empty_like(model).copy_(tensor)


def empty_sequence(x_seq: Tensor, time_steps: int) -> Tensor:
    """Uninitialised `[time_steps, N, C, *]` with the memory layout of a step of `x_seq`."""
    x_t = x_seq[0]
    return torch.empty_strided(
        (time_steps, *x_t.shape), (x_t.numel(), *x_t.stride()), dtype=x_seq.dtype, device=x_seq.device
    )
