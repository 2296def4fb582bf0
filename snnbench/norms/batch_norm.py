"""Batch normalisation over time and batch at once (Ioffe & Szegedy 2015, on the merged T*N axis as in tdBN and TET).

Statistics of a channel are taken over (T, N, space). They use the whole sequence, so a walk in training mode (one step
at a time) sees different statistics; `norm=bn_by_step` sees the same. In evaluation mode walking equals running. A
static sequence (the direct encoder's) is normalised once: mean and biased variance are the same, while running_var's
n/(n-1) counts n = N * space, as in nets whose static stem is evaluated once (PLIF).
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn import functional as F

from snnbench.kernels.common.form import NormForm, Refusal, unstated
from snnbench.site import Site
from snnbench.temporal import as_map, over_time


def batch_norm(x: Tensor, *arguments) -> Tensor:
    """`F.batch_norm`; on CUDA 1-d sequences `[B, C, L]` go as maps, since their channels lie last in memory."""
    if x.ndim == 3 and x.is_cuda:
        return F.batch_norm(as_map(x), *arguments).squeeze(2)
    return F.batch_norm(x, *arguments)


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """`[T, N, C, *] -> [T, N, C, *]`, any number of trailing axes; state-dict keys of `nn.BatchNorm2d`.

    Without `sync` bit-identical to `nn.BatchNorm2d` on `x.flatten(0, 1)`.

    Args:
        site: channels and zero_init (gain starts at 0) of where the norm sits (injected).
        eps: number added to the variance.
        momentum: weight of the new batch in the running statistics.
        sync: share statistics between the ranks of a distributed run (any backend, CPU too).
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
        """What multiplies the whitened input, `[C]`."""
        return self.weight

    def kernel_form(self) -> NormForm | Refusal:
        """This norm as the fused kernels know it, or why it runs by itself."""
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
        """One merged batch `[B, C, *]`; in training mode moves the running statistics, by `self.momentum` if None."""
        momentum = self.momentum if momentum is None else momentum
        if self.training:
            self.num_batches_tracked.add_(1)
            if self.sync and dist.is_initialized() and dist.get_world_size() > 1:
                return self._normalise_over_ranks(x, momentum)
        statistics = (self.running_mean, self.running_var, self.gain(), self.bias)
        return batch_norm(x, *statistics, self.training, momentum, self.eps)

    def _normalise_over_ranks(self, x: Tensor, momentum: float) -> Tensor:
        """Two-pass mean and variance, summed over ranks with gradients; ranks may hold batches of different size."""
        axes = [axis for axis in range(x.dim()) if axis != 1]
        per_channel = [1, -1] + [1] * (x.dim() - 2)
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        here = values.new_full((1,), x.numel() / x.shape[1])
        totals = all_reduce(torch.cat([values.sum(axes), here]))
        count = totals[-1].detach()
        mean = totals[:-1] / count
        centred = values - mean.view(per_channel)
        variance = all_reduce(centred.square().sum(axes)) / count
        with torch.no_grad():
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
            unbiased = variance * (count / (count - 1))
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)
        scale = self.gain() * torch.rsqrt(variance + self.eps)
        return (centred * scale.view(per_channel) + self.bias.view(per_channel)).to(x.dtype)
