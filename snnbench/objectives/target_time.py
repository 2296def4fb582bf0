"""Relative target firing times (S4NN, Kheradpisheh & Masquelier, IJNS 2020).

With m = min_o t_o over the output neurons' firing times (t_o = T: silent), margin gamma and label y:

    m = T (nobody fired):   T_o = T for all o, then T_y = T - gamma
    else:                   T_o = t_o, but min(m + gamma, T) where t_o - m < gamma; then T_y = m
    L = mean_n 1/2 sum_o ((T_o - t_o) / T)^2,        targets are constants.

If the label's neuron already fires gamma steps before the others, all T_o = t_o, so loss and gradient are zero.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from snnbench.objectives.base import Loss, Objective
from snnbench.temporal import full_precision


class TargetTime(Objective):
    """`(logits [T, N, K], target [N] or [N, K]) -> (loss, {"time_error"})`; the error is the mean |T_o - t_o| in steps.

    Args:
        gamma: The number of steps by which the label's neuron should fire before the others.
    """

    traits = ("spike_time_loss",)
    requires = {  # noqa: RUF012
        "first_spike_times": "a target firing time needs a readout of firing times, and this model's is a rate; "
        "use model=s4nn_mlp, or a loss on rates such as objective=mean_ce",
    }

    def __init__(self, gamma: Annotated[float, "> 0"] = 3.0):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits: Tensor, target: Tensor) -> Loss:
        times, last = firing_times(logits), len(logits)
        label = target.argmax(1) if target.is_floating_point() else target
        error = self.targets(times.detach(), label, last) - times
        return 0.5 * (error / last).square().sum(1).mean(), {"time_error": error.detach().abs().mean()}

    def targets(self, times: Tensor, label: Tensor, last: int) -> Tensor:
        """The target times `[N, K]` from firing times `[N, K]` and labels `[N]`; `last` is T."""
        first = times.amin(1, keepdim=True)
        wanted = torch.where(times - first < self.gamma, (first + self.gamma).clamp(max=last), times)
        silent = first >= last
        wanted = torch.where(silent, float(last), wanted)
        return wanted.scatter(1, label.unsqueeze(1), torch.where(silent, last - self.gamma, first))


def firing_times(logits: Tensor) -> Tensor:
    """t_o `[N, K]` = 1 + (first step at which logits `[T, N, K]` are 1), at most T; dt_o/dlogits = -1 at every step.

    The limit T does not change the gradient, so that a silent neuron, which counts as firing at T, still learns.
    """
    last = len(logits)
    times = last + 1 - full_precision(logits).sum(0)
    return times + (times.clamp(max=last) - times).detach()
