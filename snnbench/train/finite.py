"""A non-finite loss stops the run and says where it began."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class NonFiniteLoss(RuntimeError):
    """The loss became NaN or infinite: names the step, the epoch and the first layer that produced it."""

    def __init__(self, value: float, step: int, epoch: int, layer: str):
        super().__init__(
            f"the loss is {value} at step {step} (epoch {epoch}); {layer}: lower optimizer.lr, set "
            "train.grad_clip, or check the data"
        )


@torch.no_grad()
def first_non_finite(model: nn.Module, x_seq: Tensor) -> str:
    """A clause naming the first parameter, input or layer output of `model` on `x_seq` that is not finite."""
    if not torch.isfinite(x_seq).all():
        return "the input itself holds non-finite values"
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            return f"the parameter {name} is not finite"
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


def _bad(y: object) -> bool:
    return isinstance(y, Tensor) and not torch.isfinite(y).all()
