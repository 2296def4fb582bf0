"""Spike-count loss of SLAYER (Shrestha & Orchard, NeurIPS 2018; released code bamsumit/slayerPytorch @01beeeb).

With c_k the spikes of output k in the region [start, stop), c*_k = true_count for the class's output, else false_count,
and eps the PSP's alpha kernel:

    e_k[n] = (c_k - c*_k) / (bins of the region) if n lies in it, plus (eps * s_k')[n],   s' = s outside the region,
    L = mean over samples of dt/2 sum_k sum_n e_k[n]^2

Inside the region a spike's own PSP is taken out by its value but not from the graph, so that the count error travels
through eps: dL/ds_k[n] = dt sum_i eps[i] e_k[n+i] (times 1/N). This is no derivative of L, which jumps with the count,
but how the code makes one. Its spikes have height 1/Ts and its PSP a factor Ts; for spikes of height 1 counts, e and L
are the same numbers, and the gradient above is the code's. The code sums over the batch instead of taking the mean, a
factor that Adam does not see.
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

    "count_error" is the mean of |c - c*| in spikes. Probabilities `[N, K]` move c* between false_count and true_count.

    Args:
        true_count: number of spikes in the region that the label's output should give.
        false_count: number of spikes in the region that every other output should give.
        start: time in ms at which the region begins.
        stop: time in ms at which the region ends; null is the end of the sequence.
        tau_s: time constant of the kernel eps in ms, the same as the neuron's. dt: length of a time step, in ms.

    Raises:
        ConfigError: true_count not above false_count; a region that is empty or does not lie within T.
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
        """[start, stop) in steps, rounded as released."""
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
        # zero inside the region, yet with the graph of its spikes
        outside = causal_filter(self.eps, spikes - spikes.detach() * inside)
        error = outside + inside * (count_error / (stop - start))
        loss = 0.5 * self.dt * error.square().sum((0, 2)).mean()
        return loss, {"num_spikes": loss, "count_error": count_error.abs().mean()}
