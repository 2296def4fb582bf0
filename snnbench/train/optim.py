"""Optimisers: thin constructors over torch.optim that take the model and split its parameters.

Parameters marked `no_weight_decay` (PLIF's w and the like) never decay; with `decay_1d=False` neither do biases and
normalisation gains (timm's habit, which the transformer recipes rely on).
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import nn


def sgd(
    model: nn.Module,
    lr: Annotated[float, ">= 0"] = 0.1,
    momentum: Annotated[float, "in [0, 1)"] = 0.9,
    weight_decay: Annotated[float, ">= 0"] = 0.0,
    nesterov: bool = False,
    decay_1d: bool = True,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum."""
    return torch.optim.SGD(parameter_groups(model, weight_decay, decay_1d), lr=lr, momentum=momentum, nesterov=nesterov,
                           fused=_on_cuda(model))  # fmt: skip


def adam(
    model: nn.Module,
    lr: Annotated[float, ">= 0"] = 1e-3,
    betas: list[Annotated[float, "in [0, 1)"]] = (0.9, 0.999),
    weight_decay: Annotated[float, ">= 0"] = 0.0,
    decay_1d: bool = True,
) -> torch.optim.Optimizer:
    """Adam; weight decay is added to the gradient (L2)."""
    return torch.optim.Adam(parameter_groups(model, weight_decay, decay_1d), lr=lr, betas=tuple(betas),
                            fused=_on_cuda(model))  # fmt: skip


def adamw(
    model: nn.Module,
    lr: Annotated[float, ">= 0"] = 5e-4,
    betas: list[Annotated[float, "in [0, 1)"]] = (0.9, 0.999),
    weight_decay: Annotated[float, ">= 0"] = 0.05,
    decay_1d: bool = False,
) -> torch.optim.Optimizer:
    """AdamW; decoupled weight decay."""
    return torch.optim.AdamW(parameter_groups(model, weight_decay, decay_1d), lr=lr, betas=tuple(betas),
                             fused=_on_cuda(model))  # fmt: skip


def _on_cuda(model: nn.Module) -> bool:
    """One kernel instead of one an operation; the CPU keeps its default, whose bits the tests know."""
    return all(parameter.is_cuda for parameter in model.parameters())


def parameter_groups(model: nn.Module, weight_decay: float, decay_1d: bool) -> list[dict]:
    """One group that decays and one that does not; empty groups are left out."""
    groups: dict[bool, list] = {True: [], False: []}
    for parameter in model.parameters():
        decays = not getattr(parameter, "no_weight_decay", False) and (decay_1d or parameter.ndim > 1)
        groups[decays].append(parameter)
    return [{"params": p, "weight_decay": weight_decay if d else 0.0} for d, p in groups.items() if p]
