"""Stopping a run whose loss or weights are no longer finite, with a sentence that names where this began."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class NonFiniteLoss(RuntimeError):
    """The loss, a weight or a statistic became NaN or infinite: names the step, the epoch and the first layer."""

    def __init__(self, value: float, step: int, epoch: int, layer: str):
        super().__init__(
            f"the loss is {value} at step {step} (epoch {epoch}); {layer}: lower optimizer.lr, set "
            "train.grad_clip, or check the data"
        )


@torch.no_grad()
def first_non_finite(model: nn.Module, x_seq: Tensor) -> str:
    """A clause that names the first non-finite tensor: the input, a parameter, a statistic, or a layer's output."""
    if not torch.isfinite(x_seq).all():
        return "the input itself holds non-finite values"
    learnt = dict(model.named_parameters())
    for name, values in model.state_dict().items():
        if not torch.isfinite(values).all():
            return f"the {'parameter' if name in learnt else 'statistic'} {name} is not finite"
    found: list[str] = []
    hooks = [
        module.register_forward_hook(lambda _m, _i, y, name=name: found.append(name) if not found and _bad(y) else None)
        for name, module in model.named_modules()
        if name
    ]
    try:
        model(x_seq)
    finally:
        for hook in hooks:
            hook.remove()
    return f"the first layer with a non-finite output is {found[0]}" if found else "every layer's output is finite"


@torch.no_grad()
def all_finite(module: nn.Module) -> Tensor:
    """Whether every parameter and every saved statistic is finite, a 0-d bool on their device. It does not wait."""
    values = [v for v in module.state_dict().values() if v.is_floating_point()]
    return torch.stack([torch.isfinite(v).all() for v in values]).all()


def _bad(y: object) -> bool:
    return isinstance(y, Tensor) and not torch.isfinite(y).all()
