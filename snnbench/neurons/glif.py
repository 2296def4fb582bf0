"""Gated LIF: learnable mixtures of leaks, resets and input gains (Yao et al., NeurIPS 2022, arXiv:2210.13768).

The gates alpha, beta, gamma and the values tau, leak, v_th, v_re, c_t are sigmoids of trainable numbers, one for each
channel:

    I_t = x_t (1 - beta (1 - c_t))
    u_t = (1 - alpha (1 - tau)) u_{t-1} (1 - gamma o_{t-1}) - (1 - alpha) leak + I_t - (1 - gamma) v_re o_{t-1}
    o_t = 1[u_t > v_th];   u_0 = o_0 = 0;   nothing is detached.

tau is the share of the potential that one step leaves, not a time constant. The released code has a channel-wise and a
layer-wise class, which start their gates with opposite signs; this class follows the channel-wise one. The backward
pass of the released surrogate crashes; the rectangle of width 1 that it intends is `surrogate=rectangle`. leak starts
at 0.0625 = v_th / (2 * 4) for every T, as in the released code for static images. The released code for CIFAR10-DVS
has other initial values (experiment=glif/cifar10dvs_wide7b).
"""

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.kernels.common.form import Refusal, overridden
from snnbench.kernels.membrane.codes import GATED
from snnbench.kernels.membrane.form import MembraneForm
from snnbench.neurons.base import Neuron
from snnbench.neurons.membrane import membrane_form
from snnbench.neurons.parameters import spared
from snnbench.site import Site
from snnbench.temporal import full_precision

# the kernels compute these methods: a subclass that overrides one of them runs as plain PyTorch
_KERNEL_DOES = ("initial_state", "step", "sequence", "emit", "_advance", "coefficients")


class GLIF(Neuron):
    """`[T, N, C, *]` currents -> spikes; (7 + T) C parameters, all logits. The state is (t, u, o).

    Args:
        gates: Three numbers g in (0, 1) for alpha, beta and gamma, which start at (g + 0.5) / 2 (released option
            `--gate .6 .8 .6`). Null draws the gates' logits from U(-0.1, 0.1) (`--randomgate`), as every published
            training command does.
        tau: The initial share of the potential that one step leaves.
        v_th: The initial firing threshold, and the initial amount v_re that a soft reset subtracts.
        leak: The initial linear leak of one step.
        conduct: The initial weight c_t of the input at each step.
        hard_gates: True rounds the gates to 0 or 1; their gradient ignores the rounding (straight-through).
        channel_wise: True gives each channel its own parameters, as in the main published results; False gives the
            whole layer 7 + T scalars.
        gate_lr: The learning rate of the gates as a multiple of the weights' rate; the released code uses 0.1 on CIFAR
            and 1 on ImageNet.

    Raises:
        ConfigError: `gates` are not three numbers in (0, 1), or a sequence has more than the T steps of `site`.
    """

    traits = ("learnable_leak",)
    printed = ("hard_gates", *Neuron.printed)

    def __init__(
        self,
        site: Site,
        surrogate: nn.Module,
        gates: list[float] | None = None,
        tau: Annotated[float, "in (0, 1)"] = 0.25,
        v_th: Annotated[float, "in (0, 1)"] = 0.5,
        leak: Annotated[float, "in (0, 1)"] = 0.0625,
        conduct: Annotated[float, "in (0, 1)"] = 0.5,
        hard_gates: bool = False,
        channel_wise: bool = True,
        gate_lr: Annotated[float, "> 0"] = 0.1,
        strict: bool = True,
        **rest,
    ):
        super().__init__(site, surrogate, v_th, strict, **rest)
        self.hard_gates = hard_gates
        self.lr_scales = dict.fromkeys(("alpha", "beta", "gamma"), gate_lr)
        shape = (site.channels,) if channel_wise else ()
        self.alpha, self.beta, self.gamma = (spared(start) for start in _gate_logits(gates, shape))
        self.tau, self.threshold, self.reset, self.leak = (
            spared(torch.full(shape, value).logit()) for value in (tau, v_th, v_th, leak)
        )
        self.conduct = spared(torch.full((site.time_steps, *shape), conduct).logit())

    def coefficients(self, axes: int) -> tuple[Tensor, ...]:
        """(gain, keep, clear, sink, drop, threshold) of u_t = keep u (1 - clear o) - sink + gain_t x_t - drop o.

        gain is `[T, C, 1...]`, the others are `[C, 1...]`, for inputs with that many `axes` behind C.
        """
        ones = [1] * axes
        alpha, beta, gamma = (self.gate(gate).view(-1, *ones) for gate in (self.alpha, self.beta, self.gamma))
        tau, threshold, reset, leak = (
            torch.sigmoid(value).view(-1, *ones) for value in (self.tau, self.threshold, self.reset, self.leak)
        )
        conduct = torch.sigmoid(self.conduct).view(len(self.conduct), -1, *ones)
        gain = 1 - beta * (1 - conduct)
        return gain, 1 - alpha * (1 - tau), gamma, (1 - alpha) * leak, (1 - gamma) * reset, threshold

    def kernel_form(self) -> MembraneForm | Refusal:
        gain, *numbers = self.coefficients(0)
        learnt = torch.cat([torch.stack(numbers), gain]).float()
        refused = overridden(self, GLIF, *_KERNEL_DOES)
        return refused or membrane_form(self, GATED, learnt=learnt, longest=len(gain))

    def learnt(self) -> dict[str, Tensor]:
        """The sigmoids of all eight parameters; gates are not rounded."""
        names = ("alpha", "beta", "gamma", "tau", "threshold", "reset", "leak", "conduct")
        return {name: torch.sigmoid(getattr(self, name)) for name in names}

    def gate(self, logit: Tensor) -> Tensor:
        """The gate in [0, 1] of a logit, rounded if `hard_gates` is set."""
        soft = torch.sigmoid(logit)
        return soft + ((soft > 0.5).to(soft.dtype) - soft).detach() if self.hard_gates else soft

    def initial_state(self, x_t: Tensor) -> tuple[int, Tensor, Tensor]:
        rest = torch.zeros_like(full_precision(x_t), requires_grad=False)
        return 0, rest, rest

    def step(self, x_t: Tensor, state: tuple[int, Tensor, Tensor]):
        return self._advance(x_t, state, self.coefficients(x_t.ndim - 2))

    def sequence(self, x_seq: Tensor) -> Tensor:
        coefficients = self.coefficients(x_seq.ndim - 3)
        state, spikes = self.initial_state(x_seq[0]), []
        for x_t in x_seq:
            spike, state = self._advance(x_t, state, coefficients)
            spikes.append(spike)
        return torch.stack(spikes)

    def _advance(self, x_t: Tensor, state: tuple[int, Tensor, Tensor], coefficients: tuple[Tensor, ...]):
        t, u, o = state
        gain, keep, clear, sink, drop, threshold = coefficients
        if t >= len(gain):
            raise ConfigError(
                f"neuron=glif was built for T={len(gain)} steps and got more; set T to the sequence's length"
            )
        u = keep * u * (1 - clear * o) - sink + gain[t] * full_precision(x_t) - drop * o
        o = self.surrogate(u - threshold, strict=self.strict)
        return self.emit(o, x_t), (t + 1, u, o)


def _gate_logits(gates: list[float] | None, shape: tuple[int, ...]) -> list[Tensor]:
    """The initial logits of alpha, beta and gamma, each of the given shape."""
    if gates is None:
        return [torch.empty(shape).uniform_(-0.1, 0.1) for _ in range(3)]
    if len(gates) != 3 or not all(0 < g < 1 for g in gates):
        raise ConfigError(f"neuron.gates={gates} must be three numbers inside (0, 1): alpha, beta, gamma; or null")
    return [torch.full(shape, (g + 0.5) / 2).logit() for g in gates]
