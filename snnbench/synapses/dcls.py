"""Trained delays: convolutions over time whose kernel has a Gaussian at a trained position (DCLS).

Hammouamri, Khalfaoui-Hassani, Masquelier, "Learning Delays in Spiking Neural Networks using Dilated Convolutions with
Learnable Spacings" (ICLR 2024, arXiv:2306.17670); code Thvnvtos/SNN-delays @d169b4e, DCLS package @83de562. A kernel
has D taps (odd), h = (D - 1) / 2; a connection has weight w and position p in [-h, h], its delay is h - p steps:

    training:    g[k] = exp(-((k - p - h) / (sigma + 0.27))^2 / 2),   K[k] = w g[k] / (sum_k g[k] + 1e-7)
    evaluation:  p rounded, sigma 0, g[k] = max(0, 1 - |k - p - h|): one tap, a pure delay
    y[t] = sum_k K[k] x[t + k - (D - 1)],   x = 0 before the sequence

In the first quarter of training, sigma falls geometrically from its start to 0.23, by one step each epoch. No tap reads
a later input. The official layer also returns h steps after the end of its input; here the sequence keeps its T, and
the model adds such steps (`snn_delays`, argument `tail`). The official code clamps p after each optimiser step; here p
is clamped before each use in training, which gives the same values. The official layers are fully connected; a
convolution here has one delay for each weight.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnbench.errors import ConfigError
from snnbench.synapses.base import Synapse, SynapseFamily
from snnbench.temporal import Temporal

WIDTH_FLOOR = 0.27  # the DCLS package uses |sigma| + 0.27 as the width of its Gaussian
SIGMA_END = 0.23
CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class DelayedSynapse(Synapse, Temporal):
    """A linear map with delays; `weight` and `position` are `[C_out, C_in / groups, *kernel, bumps]`.

    `effective_weight()` is the kernel over time, `[C_out, C_in / groups, D, *kernel]`. The state of a walk is the last
    D - 1 inputs `[N, C_in, D - 1, *]`. `DCLS` explains the other arguments.

    Args:
        shape: The shape (C_out, C_in / groups, *kernel) of the weights of one Gaussian.
        stride, padding: The stride and the padding of every spatial axis.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        taps: int,
        bumps: int,
        sigma: float | None,
        sigma_until: float,
        learn_delays: bool,
        position_lr: float,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        bias: bool = False,
    ):
        super().__init__()
        self.taps, self.reach, self.groups = taps, taps // 2, groups
        self.stride, self.padding = (stride,) * (len(shape) - 2), (padding,) * (len(shape) - 2)
        self.sigma_start = float(self.reach if sigma is None else sigma)
        self.sigma_until, self.lr_scales = sigma_until, {"position": position_lr}
        self.weight = nn.Parameter(torch.empty(*shape, bumps))
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")
        start = torch.empty_like(self.weight, requires_grad=False)
        start.uniform_(-taps // 2, taps // 2).clamp_(-self.reach, self.reach)  # -25 // 2 = -13: U(-13, 12) for D = 25
        self.position = nn.Parameter(start, requires_grad=learn_delays)
        self.position.no_weight_decay = True
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None
        # a tensor that is filled in place, because a captured CUDA graph would keep the old value of a number
        self.register_buffer("sigma", torch.tensor(self.sigma_start), persistent=False)

    @property
    def delays(self) -> Tensor:
        """The rounded delay of every connection in steps, as in evaluation; it has the shape of `weight`."""
        return self.reach - self._rounded()

    def learnt(self) -> dict[str, Tensor]:
        """The delays in steps, not rounded, as in training; empty if they are fixed."""
        if not self.position.requires_grad:
            return {}
        return {"delay": self.reach - self.position.clamp(-self.reach, self.reach)}

    def on_epoch(self, progress: float) -> None:
        """Set sigma for an epoch; `progress` is the share of the training in [0, 1] that is over."""
        if self.sigma_start <= SIGMA_END:
            return
        share = 1.0 if self.sigma_until == 0 else min(progress / self.sigma_until, 1.0)
        self.sigma.fill_(self.sigma_start * (SIGMA_END / self.sigma_start) ** share)

    def effective_weight(self) -> Tensor:
        ticks = torch.arange(-self.reach, self.reach + 1, device=self.position.device, dtype=self.position.dtype)
        if self.training:
            with torch.no_grad():
                self.position.clamp_(-self.reach, self.reach)
            bump = torch.exp(-0.5 * ((ticks - self.position.unsqueeze(-1)) / (self.sigma + WIDTH_FLOOR)).square())
        else:
            bump = (1 - (ticks - self._rounded().unsqueeze(-1)).abs()).clamp(min=0)
        kernel = self.weight.unsqueeze(-1) * (bump / (bump.sum(-1, keepdim=True) + 1e-7))
        return kernel.sum(-2).movedim(-1, 2)

    def contract(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution `[N, C_in, S, *] -> [N, C_out, S - D + 1, *']`, without padding in time."""
        convolution = CONVOLUTIONS[weight.ndim - 2]
        return convolution(x, weight, bias, stride=(1, *self.stride), padding=(0, *self.padding), groups=self.groups)

    def sequence(self, x_seq: Tensor) -> Tensor:
        x = x_seq.movedim(0, 2)
        x = torch.cat([x.new_zeros(*x.shape[:2], self.taps - 1, *x.shape[3:]), x], dim=2)
        return self.contract(x, self.effective_weight(), self.bias).movedim(2, 0).contiguous()

    def initial_state(self, x_t: Tensor) -> Tensor:
        return x_t.new_zeros(*x_t.shape[:2], self.taps - 1, *x_t.shape[2:])

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        window = torch.cat([state, x_t.unsqueeze(2)], dim=2)
        return self.contract(window, self.effective_weight(), self.bias).squeeze(2), window[:, :, 1:]

    def forward(self, x_seq: Tensor) -> Tensor:
        return Temporal.forward(self, x_seq) if self.mechanics is None else self.mechanics(self, x_seq)

    def _rounded(self) -> Tensor:
        return self.position.detach().clamp(-self.reach, self.reach).round()

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, taps={self.taps}, stride={self.stride}, padding={self.padding}"


class DCLS(SynapseFamily):
    """Linear layers over `[T, N, C]` and convolutions over `[T, N, C, *]` with delays; the output has the same T.

    Args:
        taps: The odd number D of possible delays, from 0 to D - 1 steps; 1 gives an ordinary synapse.
        bumps: The number of Gaussians of each connection (the paper's kernel count).
        sigma: The initial width of the Gaussians, in steps; null takes D // 2.
        sigma_until: The share of the training after which the width is 0.23 (official: epochs // 4).
        learn_delays: True trains the delays; False keeps the random initial ones (the paper's baseline).
        position_lr: The learning rate of the positions as a multiple of the optimiser's rate.

    Raises:
        ConfigError: `taps` is even, or a convolution has more than two spatial axes.
    """

    traits = ("delays",)
    rejects = {  # noqa: RUF012
        "online": "a delayed synapse needs the inputs of many steps at once, for which online rules have no trace; "
        "use rule=bptt",
        "spike_time_rule": "the closed-form gradient has no delays; use synapse=plain, or rule=bptt",
    }

    def __init__(
        self,
        taps: Annotated[int, ">= 1"] = 25,
        bumps: Annotated[int, ">= 1"] = 1,
        sigma: Annotated[float, ">= 0"] | None = None,
        sigma_until: Annotated[float, "in [0, 1]"] = 0.25,
        learn_delays: bool = True,
        position_lr: Annotated[float, "> 0"] = 100.0,
    ):
        if taps % 2 == 0:
            raise ConfigError(f"synapse.taps={taps} must be odd, so that positions have a middle; set {taps + 1}.")
        self.settings = {
            "taps": taps, "bumps": bumps, "sigma": sigma, "sigma_until": sigma_until,
            "learn_delays": learn_delays, "position_lr": position_lr,
        }  # fmt: skip

    def conv(self, dims: int, c_in: int, c_out: int, kernel: int, *, stride: int = 1, padding: int = 0,
             bias: bool = False, groups: int = 1) -> Synapse:  # fmt: skip
        if dims not in (1, 2):
            raise ConfigError(f"synapse=dcls has no {dims}-d convolution; use one of: 1, 2.")
        shape = (c_out, c_in // groups, *[kernel] * dims)
        return DelayedSynapse(shape, stride=stride, padding=padding, groups=groups, bias=bias, **self.settings)

    def linear(self, c_in: int, c_out: int, *, bias: bool = True) -> Synapse:
        return DelayedSynapse((c_out, c_in), bias=bias, **self.settings)
