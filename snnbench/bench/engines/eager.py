"""Plain PyTorch: `nn.Conv2d` and `nn.BatchNorm2d` on merged time, LIF as a Python loop over T, ATan in autograd.

What a researcher writes without a library. Arithmetic is ours (membranes in fp32), so outputs are equal to those of
our reference path; the image is repeated T times in memory, as the survey's code does. Measured as it is called and
captured as a CUDA graph.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from snnbench.bench.batch import batch_of, sequence_of
from snnbench.bench.peers import peer_net, require_lif
from snnbench.bench.step import MODES, Prepared, Variant, layer_step, net_in_layout, prepare_net, variants_of
from snnbench.bench.works import Work
from snnbench.site import Site


def variants(work: Work, device: torch.device, thorough: bool) -> list[Variant]:
    return variants_of(work, device, ("captured", "eager"))


def prepare(work: Work, variant: Variant, device: torch.device) -> Prepared:
    config = work.config()
    if work.is_layer:
        lif = plain_lif(config["neuron"], config["surrogate"]).to(device)
        return Prepared(layer_step(lif, work, variant, device), peak_from_start=MODES[variant.mode].from_start)
    model = net_in_layout(plain_net(work), device, variant.layout)
    x, target = batch_of(work, config, device, variant.layout)
    return prepare_net(model, sequence_of(x, config), target, variant, device)


def plain_net(work: Work) -> nn.Module:
    """The work's architecture in plain PyTorch, weights of ours."""
    return peer_net(work, plain_lif, _norm, _Synapses())


def plain_lif(neuron: dict, surrogate: dict) -> nn.Module:
    require_lif(neuron, surrogate)
    return PlainLIF(neuron["tau"], neuron["v_th"], surrogate["alpha"])


class PlainATan(torch.autograd.Function):
    """Heaviside; backward (alpha/2) / (1 + (pi/2 alpha x)^2)."""

    @staticmethod
    def forward(ctx, x: Tensor, alpha: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.alpha = alpha
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx, grad: Tensor):
        (x,) = ctx.saved_tensors
        return grad * (ctx.alpha / 2 / (1 + (math.pi / 2 * ctx.alpha * x).square())), None


class PlainLIF(nn.Module):
    """h = v + (x - v) / tau; s = H(h - v_th); v = h (1 - s) with s detached. `[T, N, *]` -> spikes."""

    def __init__(self, tau: float, v_th: float, alpha: float):
        super().__init__()
        self.tau, self.v_th, self.alpha = tau, v_th, alpha

    def forward(self, x_seq: Tensor) -> Tensor:
        v, spikes = torch.zeros_like(x_seq[0], dtype=torch.float32), []
        for x in x_seq.unbind(0):
            h = v + (x.float() - v) / self.tau
            s = PlainATan.apply(h - self.v_th, self.alpha)
            v = h * (1 - s.detach())
            spikes.append(s.to(x.dtype))
        return torch.stack(spikes)


class _Merged:
    """Mixin before a torch layer: time and batch are one axis for it."""

    def forward(self, x_seq: Tensor) -> Tensor:
        return super().forward(x_seq.flatten(0, 1)).unflatten(0, x_seq.shape[:2])


class MergedConv1d(_Merged, nn.Conv1d):
    """`[T, N, C, L]`."""


class MergedConv2d(_Merged, nn.Conv2d):
    """`[T, N, C, H, W]`."""


class MergedBatchNorm1d(_Merged, nn.BatchNorm1d):
    """`[T, N, C, L]`, statistics over T, N, L."""


class MergedBatchNorm2d(_Merged, nn.BatchNorm2d):
    """`[T, N, C, H, W]`, statistics over T, N, H, W."""


def _norm(site: Site) -> nn.Module:
    return (MergedBatchNorm1d if site.dims == 1 else MergedBatchNorm2d)(site.channels)


class _Synapses:
    def conv(self, dims: int, c_in: int, c_out: int, kernel: int, **settings) -> nn.Module:
        return (MergedConv1d if dims == 1 else MergedConv2d)(c_in, c_out, kernel, **settings)

    def linear(self, c_in: int, c_out: int, *, bias: bool = True) -> nn.Module:
        return nn.Linear(c_in, c_out, bias=bias)
