"""Spike-count loss of SLAYER (Shrestha & Orchard, NeurIPS 2018; released code bamsumit/slayerPytorch @01beeeb).

c_k is the number of spikes of output k in the region [start, stop), c*_k = true_count for the output of the right
class, else false_count, and eps is the alpha kernel of the postsynaptic potential (PSP):

    e_k[n] = (c_k - c*_k) / (bins of the region) if n lies in it, plus (eps * s_k')[n],   s' = s outside the region,
    L = mean over samples of dt/2 sum_k sum_n e_k[n]^2

L is not differentiable in the counts. As in the released code, the gradient is dL/ds_k[n] = dt sum_i eps[i] e_k[n+i]
(times 1/N): in the region, the value of the PSP is subtracted but its autograd graph is kept, so the error of the count
flows back through eps. Released spikes have the height 1/Ts and the PSP a factor Ts; spikes of height 1 give the same
counts, e, L and gradient. The released code sums over the batch; the mean here differs by a factor that Adam ignores.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from snnbench.errors import ConfigError
from snnbench.filters import alpha_kernel, causal_filter
from snnbench.objectives.base import Loss, Objective, as_probabilities
from snnbench.temporal import full_precision


class NumSpikes(Objective):
    """`(spikes [T, N, K], target [N] or [N, K]) -> (loss, {"num_spikes", "count_error"})`, at least fp32.

    "count_error" is the mean of |c - c*| in spikes. For probabilities `[N, K]`, c* lies between the two counts.

    Args:
        true_count: The number of spikes in the region that the output of the right class should give.
        false_count: The number of spikes in the region that every other output should give.
        start: The time at which the region begins, in ms.
        stop: The time at which the region ends, in ms; null is the end of the sequence.
        tau_s: The time constant of the kernel eps, in ms; it should be that of the neuron.
        dt: The length of a time step, in ms.

    Raises:
        ConfigError: true_count is not above false_count, or the region is empty or does not lie within T.
    """

    traits = ("spike_train_loss",)
    requires = {  # noqa: RUF012
        "spike_output": "a number of spikes needs a model whose output neurons spike; use model=slayer_mlp, or a loss "
        "on rates such as objective=mean_ce",
    }

    def __init__(
        self,
        true_count: Annotated[float, "> 0"] = 60.0,
        false_count: Annotated[float, ">= 0"] = 10.0,
        start: Annotated[float, ">= 0"] = 0.0,
        stop: Annotated[float, "> 0"] | None = None,
        tau_s: Annotated[float, "> 0"] = 10.0,
        dt: Annotated[float, "in [1e-6, 1e6]"] = 1.0,
    ):
        super().__init__()
        if true_count <= false_count:
            raise ConfigError(
                f"objective.true_count={true_count} must be above objective.false_count={false_count}: the class's "
                "output shall fire most"
            )
        self.true_count, self.false_count, self.start, self.stop = true_count, false_count, start, stop
        self.dt = dt
        self.register_buffer("eps", torch.tensor(alpha_kernel(tau_s, dt), dtype=torch.float64), persistent=False)

    def check_length(self, time_steps: int) -> None:
        self.region(time_steps)

    def region(self, time_steps: int) -> tuple[int, int]:
        """[start, stop) in steps, rounded as in the released code."""
        start = round(self.start / self.dt)
        stop = time_steps if self.stop is None else round(self.stop / self.dt)
        if not start < stop <= time_steps:
            raise ConfigError(
                f"objective.start={self.start}, objective.stop={'null' if self.stop is None else self.stop} ms are the "
                f"steps {start} to {stop}, no region within T={time_steps} steps of {self.dt} ms; set stop=null, or "
                f"start below {time_steps * self.dt}"
            )
        return start, stop

    def forward(self, logits: Tensor, target: Tensor) -> Loss:
        spikes = full_precision(logits)
        start, stop = self.region(len(spikes))
        wanted = self.false_count + (self.true_count - self.false_count) * as_probabilities(target, spikes)
        count_error = spikes.detach()[start:stop].sum(0) - wanted
        steps = torch.arange(len(spikes), device=spikes.device).view(-1, 1, 1)
        inside = ((steps >= start) & (steps < stop)).to(spikes.dtype)
        # the subtraction makes the value 0 inside the region and keeps the autograd graph of the spikes
        outside = causal_filter(self.eps, spikes - spikes.detach() * inside)
        error = outside + inside * (count_error / (stop - start))
        loss = 0.5 * self.dt * error.square().sum((0, 2)).mean()
        return loss, {"num_spikes": loss, "count_error": count_error.abs().mean()}
