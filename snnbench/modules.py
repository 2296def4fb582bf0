"""What several rooms do with any network: evaluate it for a while, and hold a module that belongs to somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn


@contextmanager
def evaluated(model: nn.Module) -> Iterator[nn.Module]:
    """Inside, `model` is in evaluation mode; afterwards the mode of every module and every buffer is what it was."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    model.eval()
    try:
        yield model
    finally:
        for module, training in modes:
            module.training = training
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)


@dataclass(frozen=True)
class Aside:
    """A module, or None, that an nn.Module uses and does not own.

    As an attribute of its own it would become a submodule: its weights would be saved, counted and trained twice. Held
    in here, torch does not see it.
    """

    module: nn.Module | None
