"""Processes of one run that must hold the same network and take the same way, although each has seen other samples."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn


def is_alone() -> bool:
    """Whether this process is the only one of its run."""
    return not dist.is_initialized() or dist.get_world_size() == 1


@torch.no_grad()
def take_over(model: nn.Module) -> None:
    """Give every process the parameters and buffers of process 0; a single process keeps its own."""
    if is_alone():
        return
    for tensor in (*model.parameters(), *model.buffers()):
        sent = tensor.contiguous()  # weights in channels-last order are copied; backends send no other layout
        dist.broadcast(sent, src=0)
        tensor.copy_(sent)


def mean(value: Tensor) -> Tensor:
    """The mean of a value, 0-d, over all processes; NaN or infinite if it is that in one of them."""
    if is_alone():
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


def all_succeeded(succeeded: bool, device: torch.device) -> bool:
    """Whether all processes succeeded in what they have just tried; each calls this once. Waits for the device."""
    if is_alone():
        return succeeded
    count = torch.tensor(int(succeeded), device=device)
    dist.all_reduce(count)
    return int(count) == dist.get_world_size()
