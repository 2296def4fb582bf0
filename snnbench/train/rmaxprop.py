"""RMaxProp: each weight's step is divided by the largest recent gradient (SuperSpike, Zenke & Ganguli 2018).

    v = max(g^2, gamma v);    w -= lr g / (sqrt(v) + eps);    w clipped to [-w_max, w_max]

The first step has size lr, whatever the gradient's scale. v decays to the maximum, it is no average: RMSprop differs.
Released code @9bd0c41: gamma = exp(-0.5 s / 30 s) = 0.98347 an update, eps 1e-12, w_max 0.1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch


class RMaxProp(torch.optim.Optimizer):
    """See the module; state "v" for each parameter, in its dtype.

    Args:
        params: parameters or groups.
        lr, gamma, eps: as above.
        w_max: largest absolute value of a parameter; None: no limit.
    """

    def __init__(self, params, lr: float, gamma: float, eps: float, w_max: float | None):
        super().__init__(params, {"lr": lr, "gamma": gamma, "eps": eps, "w_max": w_max})

    @torch.no_grad()
    def step(self, closure: Callable | None = None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: torch.Tensor, group: dict) -> None:
        state = self.state[parameter]
        if "v" not in state:
            state["v"] = torch.zeros_like(parameter)
        v = state["v"].mul_(group["gamma"])
        torch.maximum(v, parameter.grad.square(), out=v)
        parameter.addcdiv_(parameter.grad, v.sqrt().add_(group["eps"]), value=-group["lr"])
        if group["w_max"] is not None:
            parameter.clamp_(-group["w_max"], group["w_max"])
