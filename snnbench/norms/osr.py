"""Online spiking renormalisation, batch norm for one step at a time (Zhu et al., ICLR 2024, OpenReview CIj1CVbkpr).

    Ihat[t] = (I[t] - mu[t]) / sqrt(var[t] + eps)          mu, var: this step's batch, biased
    y[t] = gamma * (k Ihat[t] + d) + beta,     k = sqrt(var[t] + eps) / sqrt(var_r + eps)
                                               d = (mu[t] - mu_r) / sqrt(var_r + eps)

k and d carry no gradient. The values y[t] are those of a norm with the running statistics mu_r, var_r, as at inference;
the gradient is that of a batch norm with the statistics of step t. `F.batch_norm` with the gain gamma k and the shift
gamma d + beta computes both.

As in the official code, each batch updates the running statistics once, by the statistics over all its T steps. The
update happens at the first step of the *next* training batch, so an evaluation in between does not yet use the last
batch. While the running statistics are far from those of a step, the layer uses those of the step instead (`bound`).
Two gradients differ from the official code: its gradient of gamma lacks the factor k, and in the fallback it keeps k;
here both are the gradients of the values. Processes of a distributed run do not share statistics.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from snnbench.kernels.common.form import Refusal, overridden
from snnbench.kernels.common.statistics import moments
from snnbench.kernels.renormalised.form import RenormForm
from snnbench.norms.batch_norm import batch_norm
from snnbench.site import Site
from snnbench.temporal import Temporal, full_precision, is_static, over_time, shown, step_of


class OSR(Temporal):
    """`[T, N, C, *] -> [T, N, C, *]`, with the same result in a walk step by step and over the whole sequence.

    Args:
        site: The layer's place in the network; its `zero_init` starts the gain at 0. The program passes it.
        eps: The number that is added to the variance (released 1e-4, the survey 1e-5).
        momentum: The weight of the last batch in the running statistics (released 0.1, the survey 0.1 / T).
        bound: The largest allowed k or 1/k, the ratio between the standard deviations of a step and of the running
            statistics.
        beyond: What happens where k passes the bound: "batch" uses the step's own statistics in the whole layer
            (released), "clip" clips k and scales d by the same factor in each such channel (the survey).
    """

    def __init__(
        self,
        site: Site,
        eps: Annotated[float, "> 0"] = 1e-4,
        momentum: Annotated[float, "in [0, 1]"] = 0.1,
        bound: Annotated[float, "> 1"] = 20.0,
        beyond: Literal["batch", "clip"] = "batch",
    ):
        super().__init__()
        self.eps, self.momentum, self.bound, self.beyond = eps, momentum, bound, beyond
        channels = site.channels
        self.weight = nn.Parameter(torch.zeros(channels) if site.zero_init else torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        # sums over the steps of the last batch, and their number: `fold` moves them into the running statistics
        self.register_buffer("pending_mean", torch.zeros(channels))
        self.register_buffer("pending_square", torch.zeros(channels))
        self.register_buffer("pending_steps", torch.zeros(()))

    def renorm_form(self) -> RenormForm | Refusal:
        """What a kernel needs to compute one step; in training, call `fold` before the first step of a batch."""
        refused = overridden(self, OSR, "step", "sequence")
        if refused is not None:
            return refused
        pending = (self.pending_mean, self.pending_square, self.pending_steps)
        running = (self.running_mean, self.running_var)
        clip = self.beyond == "clip"
        return RenormForm(self.weight, self.bias, *running, pending, self.training, self.eps, self.bound, clip)

    def initial_state(self, x_t: Tensor) -> bool:
        """Whether the sequence has had a step already: False."""
        return False

    def step(self, x_t: Tensor, begun: bool) -> tuple[Tensor, bool]:
        if not self.training:
            return self._affine(x_t), True
        if not begun:
            self.fold()
        return self._renormalise(x_t), True

    def sequence(self, x_seq: Tensor) -> Tensor:
        if not self.training:
            return over_time(self._affine, x_seq)
        if is_static(x_seq):
            self.fold()
            return shown(self._renormalise(step_of(x_seq), times=x_seq.shape[0]), x_seq.shape[0])
        return super().sequence(x_seq)

    @torch.no_grad()
    def fold(self) -> None:
        """Update the running statistics by those of the last batch over all its steps, if there was one."""
        steps = self.pending_steps.clamp_min(1)
        mean = self.pending_mean / steps
        variance = (self.pending_square / steps - mean.square()).clamp_min(0)
        weight = self.momentum * (self.pending_steps > 0).to(mean.dtype)  # an `if` would wait for the GPU
        self.running_mean.lerp_(mean, weight)
        self.running_var.lerp_(variance, weight)
        for pending in (self.pending_mean, self.pending_square, self.pending_steps):
            pending.zero_()

    def _affine(self, x: Tensor) -> Tensor:
        return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)

    def _renormalise(self, x_t: Tensor, times: int = 1) -> Tensor:
        """Normalise one step `[N, C, *]` in training mode; it counts `times` times in the statistics."""
        scale, shift = self._scale_and_shift(x_t.detach(), times)
        gain, bias = self.weight * scale, torch.addcmul(self.bias, self.weight, shift)
        return batch_norm(x_t, None, None, gain, bias, True, 0.0, self.eps)

    @torch.no_grad()
    def _scale_and_shift(self, x_t: Tensor, times: int) -> tuple[Tensor, Tensor]:
        """k and d, each `[C]`, from one step, whose statistics are added to those of the batch."""
        found = moments(x_t)
        if found is None:
            axes = [axis for axis in range(x_t.ndim) if axis != 1]
            found = torch.var_mean(full_precision(x_t), axes, correction=0)
        variance, mean = found
        self.pending_mean.add_(mean, alpha=times)
        self.pending_square.add_(variance + mean.square(), alpha=times)
        self.pending_steps.add_(times)
        deviation = (variance + self.eps).sqrt()
        scale = deviation * torch.rsqrt(self.running_var + self.eps)
        if self.beyond == "clip":
            scale = scale.clamp(1 / self.bound, self.bound)
            return scale, scale * (mean - self.running_mean) / deviation
        shift = scale * (mean - self.running_mean) / deviation
        off = torch.maximum(scale.max(), 1 / scale.min()) > self.bound
        return scale.masked_fill(off, 1.0), shift.masked_fill(off, 0.0)

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, eps={self.eps}, momentum={self.momentum}, {self.beyond} beyond {self.bound}"
