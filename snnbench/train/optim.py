"""Optimisers: thin constructors over torch.optim that take the model and split its parameters.

Parameters marked `no_weight_decay` (PLIF's w and the like) never decay; with `decay_1d=False` neither do biases and
normalisation gains (timm's habit, which the transformer recipes rely on). A module's `lr_scales = {"name": 0.1}` lets
its parameter `name` learn at a tenth of the rate (GLIF's gates).
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import nn

from snnbench.train.rmaxprop import RMaxProp


def sgd(
    model: nn.Module,
    lr: Annotated[float, ">= 0"] = 0.1,
    momentum: Annotated[float, "in [0, 1)"] = 0.9,
    weight_decay: Annotated[float, ">= 0"] = 0.0,
    nesterov: bool = False,
    decay_1d: bool = True,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum.

    Args:
        lr: learning rate at factor 1 of the schedule.
        momentum: share of the last step that is added to the next.
        weight_decay: factor of each weight that is added to its gradient (L2).
        nesterov: the gradient is corrected for the step that momentum is about to take (Nesterov's momentum).
        decay_1d: weight decay also acts on biases and on gains of normalisation.
    """
    groups = parameter_groups(model, lr, weight_decay, decay_1d)
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=nesterov, fused=_on_cuda(model))


def adam(
    model: nn.Module,
    lr: Annotated[float, ">= 0"] = 1e-3,
    betas: tuple[Annotated[float, "in [0, 1)"], Annotated[float, "in [0, 1)"]] = (0.9, 0.999),
    weight_decay: Annotated[float, ">= 0"] = 0.0,
    decay_1d: bool = True,
    amsgrad: bool = False,
) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2015).

    Args:
        lr: learning rate at factor 1 of the schedule.
        betas: decay in a step of the averages of the gradient and of its square.
        weight_decay: factor of each weight that is added to its gradient (L2).
        decay_1d: weight decay also acts on biases and on gains of normalisation.
        amsgrad: steps are divided by the largest average of the square so far, not by the current one.
    """
    groups = parameter_groups(model, lr, weight_decay, decay_1d)
    return torch.optim.Adam(groups, lr=lr, betas=tuple(betas), amsgrad=amsgrad, fused=_on_cuda(model))


def adamw(
    model: nn.Module,
    lr: Annotated[float, ">= 0"] = 5e-4,
    betas: tuple[Annotated[float, "in [0, 1)"], Annotated[float, "in [0, 1)"]] = (0.9, 0.999),
    weight_decay: Annotated[float, ">= 0"] = 0.05,
    decay_1d: bool = False,
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019): Adam whose weight decay does not pass through the gradient.

    Args:
        lr: learning rate at factor 1 of the schedule.
        betas: decay in a step of the averages of the gradient and of its square.
        weight_decay: share of each weight, times the learning rate, that a step takes off.
        decay_1d: weight decay also acts on biases and on gains of normalisation.
    """
    groups = parameter_groups(model, lr, weight_decay, decay_1d)
    return torch.optim.AdamW(groups, lr=lr, betas=tuple(betas), fused=_on_cuda(model))


def rmaxprop(
    model: nn.Module,
    lr: Annotated[float, ">= 0"] = 1e-3,
    gamma: Annotated[float, "in [0, 1]"] = 0.9834714538216175,
    eps: Annotated[float, "> 0"] = 1e-12,
    w_max: Annotated[float, "> 0"] | None = None,
) -> torch.optim.Optimizer:
    """RMaxProp (SuperSpike): steps divided by the largest recent gradient of a weight; nothing decays the weights.

    Args:
        lr: learning rate at factor 1 of the schedule.
        gamma: decay in a step of the largest squared gradient that is remembered.
        eps: number added to the divisor, which keeps steps finite.
        w_max: weights are clipped to [-w_max, w_max] after each step; null clips nothing.
    """
    return RMaxProp(parameter_groups(model, lr, 0.0, True), lr=lr, gamma=gamma, eps=eps, w_max=w_max)


def _on_cuda(model: nn.Module) -> bool:
    """Use the fused optimiser on CUDA. The CPU keeps the default, so that its results stay equal to the last bit."""
    return all(parameter.is_cuda for parameter in model.parameters())


def parameter_groups(model: nn.Module, lr: float, weight_decay: float, decay_1d: bool) -> list[dict]:
    """Parameter groups with and without weight decay, a pair for each learning-rate scale. Empty ones are left out."""
    scales = _lr_scales(model)
    groups: dict[tuple[float, bool], list] = {(1.0, True): [], (1.0, False): []}
    for parameter in model.parameters():
        decays = not getattr(parameter, "no_weight_decay", False) and (decay_1d or parameter.ndim > 1)
        groups.setdefault((scales.get(parameter, 1.0), decays), []).append(parameter)
    return [
        {"params": held, "weight_decay": weight_decay if decays else 0.0, "lr": lr * scale}
        for (scale, decays), held in groups.items()
        if held
    ]


def _lr_scales(model: nn.Module) -> dict[nn.Parameter, float]:
    """The learning-rate scales that modules state for their parameters (`lr_scales`), by the parameter's name."""
    return {
        module.get_parameter(name): scale
        for module in model.modules()
        for name, scale in getattr(module, "lr_scales", {}).items()
    }
