"""Online spiking renormalisation, batch norm for one step at a time (Zhu et al., ICLR 2024, OpenReview CIj1CVbkpr).

    Ihat[t] = (I[t] - mu[t]) / sqrt(var[t] + eps)          mu, var: this step's batch, biased
    y[t] = gamma * (k Ihat[t] + d) + beta,     k = sqrt(var[t] + eps) / sqrt(var_r + eps)
                                               d = (mu[t] - mu_r) / sqrt(var_r + eps)

k and d carry no gradient. In value y is one affine map for all t, by the running statistics mu_r, var_r, as at
inference; its gradient is a batch norm's of step t. So it is `F.batch_norm` with gain gamma k, shift gamma d + beta.

As in the official code the running statistics move once a batch, towards those of all T steps together, at the first
step of the *next* training batch (an evaluation in between has not seen the last batch), and while they are still far
off a layer falls back on the statistics of the step. Differs from it: its dgamma lacks the factor k, and under the
fallback its gradient keeps k; here both are the gradients of what is computed. No statistics are shared between ranks.
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
    """`[T, N, C, *] -> [T, N, C, *]`, the same whether a rule walks or runs the sequence.

    Args:
        site: channels and zero_init (gain starts at 0) of where the norm sits (injected).
        eps: number added to the variance (released 1e-4, the survey 1e-5).
        momentum: weight of the last batch in the running statistics (released 0.1, the survey 0.1 / T).
        bound: largest ratio, either way, between the standard deviations of a step and of the running statistics.
        beyond: where a ratio passes the bound, "batch" lets the whole layer use the step's own statistics (released),
            "clip" clips k and scales d alike, channel by channel (the survey).
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
        # of the batch not yet folded in: sums over its steps, and their number
        self.register_buffer("pending_mean", torch.zeros(channels))
        self.register_buffer("pending_square", torch.zeros(channels))
        self.register_buffer("pending_steps", torch.zeros(()))

    def renorm_form(self) -> RenormForm | Refusal:
        """One step of this norm as a kernel knows it; a batch's first step must `fold` before it in training."""
        refused = overridden(self, OSR, "step", "sequence")
        if refused is not None:
            return refused
        pending = (self.pending_mean, self.pending_square, self.pending_steps)
        running = (self.running_mean, self.running_var)
        clip = self.beyond == "clip"
        return RenormForm(self.weight, self.bias, *running, pending, self.training, self.eps, self.bound, clip)

    def initial_state(self, x_t: Tensor) -> bool:
        """Whether this sequence has begun."""
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
        """Move the running statistics towards the last batch's, taken over all its steps; no batch, no move."""
        steps = self.pending_steps.clamp_min(1)
        mean = self.pending_mean / steps
        variance = (self.pending_square / steps - mean.square()).clamp_min(0)
        weight = self.momentum * (self.pending_steps > 0).to(mean.dtype)  # no branch: the host must not wait
        self.running_mean.lerp_(mean, weight)
        self.running_var.lerp_(variance, weight)
        for pending in (self.pending_mean, self.pending_square, self.pending_steps):
            pending.zero_()

    def _affine(self, x: Tensor) -> Tensor:
        return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)

    def _renormalise(self, x_t: Tensor, times: int = 1) -> Tensor:
        """One step `[N, C, *]` in training mode, counted `times` times in the statistics."""
        scale, shift = self._scale_and_shift(x_t.detach(), times)
        gain, bias = self.weight * scale, torch.addcmul(self.bias, self.weight, shift)
        return batch_norm(x_t, None, None, gain, bias, True, 0.0, self.eps)

    @torch.no_grad()
    def _scale_and_shift(self, x_t: Tensor, times: int) -> tuple[Tensor, Tensor]:
        """k and d of the docstring, each `[C]`; collects the step's statistics."""
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
