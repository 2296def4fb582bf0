"""Processes of one run that must hold the same network, although each has seen other samples."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import nn


@torch.no_grad()
def take_over(model: nn.Module) -> None:
    """Give every process the parameters and buffers of process 0; a single process keeps its own."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return
    for tensor in (*model.parameters(), *model.buffers()):
        sent = tensor.contiguous()  # weights in channels-last order are copied; backends send no other layout
        dist.broadcast(sent, src=0)
        tensor.copy_(sent)
