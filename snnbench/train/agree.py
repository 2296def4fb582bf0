"""Agreement between the processes of one run, each of which has seen other samples.

All of them must hold the same network and make the same decisions.
"""

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
        sent = tensor.contiguous()  # backends send contiguous tensors only, so channels-last weights are copied
        dist.broadcast(sent, src=0)
        tensor.copy_(sent)


def mean(value: Tensor) -> Tensor:
    """The mean of a 0-d value over all processes. It is NaN or infinite if the value of one process is."""
    if is_alone():
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


def all_succeeded(succeeded: bool, device: torch.device) -> bool:
    """Whether all processes succeeded in what they just tried. All must call this, and it waits for the device."""
    if is_alone():
        return succeeded
    count = torch.tensor(int(succeeded), device=device)
    dist.all_reduce(count)
    return int(count) == dist.get_world_size()
