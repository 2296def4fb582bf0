"""Two helpers for any network: run it in evaluation mode for a while, and refer to a module without owning it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn


@contextmanager
def evaluated(model: nn.Module) -> Iterator[nn.Module]:
    """Put `model` into evaluation mode inside the block. Afterwards all modes and buffers have their old values."""
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

    As a direct attribute it would become a submodule, and its weights would be saved, counted and trained twice. torch
    does not look inside this wrapper.
    """

    module: nn.Module | None
