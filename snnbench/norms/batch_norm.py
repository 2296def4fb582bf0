"""Batch normalisation over time and batch together (Ioffe & Szegedy 2015, on the merged T*N axis as in tdBN and TET).

The statistics of a channel are taken over (T, N, space). In training mode, a rule that walks one step at a time
therefore gets other statistics than one that runs the whole sequence; `norm=bn_by_step` gives both the same. In
evaluation mode the two agree. A static sequence (from the direct encoder) is normalised once. This gives the same mean
and biased variance; only the factor n/(n-1) in running_var uses n = N * space instead of T * N * space, as in networks
that evaluate their static stem once (PLIF).
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from snnbench.kernels.common.form import NormForm, Refusal, unstated
from snnbench.site import Site
from snnbench.temporal import as_map, over_time


def batch_norm(x: Tensor, *arguments) -> Tensor:
    """`F.batch_norm`; on CUDA `[B, C, L]` goes as `[B, C, 1, L]`, since channels-last order exists for maps only."""
    if x.ndim == 3 and x.is_cuda:
        return F.batch_norm(as_map(x), *arguments).squeeze(2)
    return F.batch_norm(x, *arguments)


class Total(torch.autograd.Function):
    """The sum of a tensor over all processes; the gradient is the sum of those of all processes."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return Total.apply(gradient)


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """`[T, N, C, *] -> [T, N, C, *]` for any number of trailing axes, with the state-dict keys of `nn.BatchNorm2d`.

    Without `sync` the result is bit-identical to `nn.BatchNorm2d` on `x.flatten(0, 1)`.

    Args:
        site: The layer's place in the network; its `zero_init` starts the gain at 0. The program passes it.
        eps: The number that is added to the variance.
        momentum: The weight of the new batch in the running statistics.
        sync: True takes the statistics over the batches of all processes of a distributed run, on GPU or CPU.
    """

    traits = ("batch_statistics",)

    def __init__(
        self,
        site: Site,
        eps: Annotated[float, "> 0"] = 1e-5,
        momentum: Annotated[float, "in [0, 1]"] = 0.1,
        sync: bool = False,
    ):
        super().__init__(site.channels, eps, momentum)
        self.sync = sync
        if site.zero_init:
            nn.init.zeros_(self.weight)

    def gain(self) -> Tensor:
        """The factor `[C]` that multiplies the normalised input."""
        return self.weight

    def kernel_form(self) -> NormForm | Refusal:
        """What a fused kernel needs to compute this norm, or why the norm runs outside the kernel."""
        if self.sync and dist.is_initialized() and dist.get_world_size() > 1:
            return Refusal("norm.sync shares statistics between ranks")
        refused = unstated(self, "forward") or unstated(self, "normalise")
        if refused is not None:
            return refused
        return NormForm(
            self.gain(), self.bias, self.running_mean, self.running_var, self.training, self.momentum, self.eps,
            batches=self.num_batches_tracked,
        )  # fmt: skip

    def forward(self, x_seq: Tensor) -> Tensor:
        return over_time(self.normalise, x_seq)

    def normalise(self, x: Tensor, momentum: float | None = None) -> Tensor:
        """Normalise `[B, C, *]`, B being T*N; in training mode also update the running statistics.

        `momentum` replaces `self.momentum` in that update, unless it is None.
        """
        momentum = self.momentum if momentum is None else momentum
        if self.training:
            self.num_batches_tracked.add_(1)
            if self.sync and dist.is_initialized() and dist.get_world_size() > 1:
                return self._normalise_over_ranks(x, momentum)
        statistics = (self.running_mean, self.running_var, self.gain(), self.bias)
        return batch_norm(x, *statistics, self.training, momentum, self.eps)

    def _normalise_over_ranks(self, x: Tensor, momentum: float) -> Tensor:
        """Normalise by the mean and variance over all processes, whose batches may differ in size."""
        axes = [axis for axis in range(x.dim()) if axis != 1]
        per_channel = [1, -1] + [1] * (x.dim() - 2)
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        here = values.new_full((1,), x.numel() / x.shape[1])
        totals = Total.apply(torch.cat([values.sum(axes), here]))
        count = totals[-1].detach()
        mean = totals[:-1] / count
        centred = values - mean.view(per_channel)
        variance = Total.apply(centred.square().sum(axes)) / count
        with torch.no_grad():
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
            unbiased = variance * (count / (count - 1))
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)
        scale = self.gain() * torch.rsqrt(variance + self.eps)
        return (centred * scale.view(per_channel) + self.bias.view(per_channel)).to(x.dtype)
