"""Gated LIF: learnable mixtures of leaks, resets and input gains (Yao et al., NeurIPS 2022, arXiv:2210.13768).

With gates alpha, beta, gamma and values tau, leak, v_th, v_re, c_t, all sigmoids of learnt numbers of each channel:

    I_t = x_t (1 - beta (1 - c_t))
    u_t = (1 - alpha (1 - tau)) u_{t-1} (1 - gamma o_{t-1}) - (1 - alpha) leak + I_t - (1 - gamma) v_re o_{t-1}
    o_t = 1[u_t > v_th];   u_0 = o_0 = 0;   nothing is detached.

tau is the fraction that stays, not a time constant. The released layer-wise class starts its gates with the opposite
sign of the channel-wise one (which is followed here), and its surrogate's backward crashes; the rectangle of width 1
it means is `surrogate=rectangle`. leak starts at 0.0625 = v_th / (2 * 4) whatever T is, as in the code for static
images; the code for CIFAR10-DVS has other start values (experiment=glif/cifar10dvs_wide7b).
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.kernels.common.form import Refusal, overridden, surrogate_form
from snnbench.kernels.membrane.codes import GATED
from snnbench.kernels.membrane.form import MembraneForm
from snnbench.neurons.base import Neuron
from snnbench.neurons.parameters import spared
from snnbench.site import Site
from snnbench.temporal import full_precision

# what the kernels write out: a neuron that overrides one of them runs as plain PyTorch
_KERNEL_DOES = ("initial_state", "step", "sequence", "emit", "_advance", "coefficients")


class GLIF(Neuron):
    """`[T, N, C, *]` currents -> spikes; (7 + T) C parameters, all logits; state (t, u, o).

    Args:
        gates: three numbers in (0, 1) for alpha, beta, gamma, started at (g + 0.5) / 2 (released `--gate .6 .8 .6`), or
            null: logits from U(-0.1, 0.1) (`--randomgate`, in every published training command).
        tau: decay factor of the potential at the start.
        v_th: firing threshold at the start, also the amount v_re that a soft reset subtracts.
        leak: linear leak in a step at the start.
        conduct: weight c_t of every step's input at the start.
        hard_gates: gates are rounded to 0 or 1, the gradient passes straight through.
        channel_wise: parameters of each channel (the headline results), or scalars of the layer, 7 + T of them.
        gate_lr: the gates' learning rate over the weights'; the released code takes 0.1 on CIFAR, 1 on ImageNet.
        strict: see `Neuron`; the released code fires at strictly u > v_th.

    Raises:
        ConfigError: gates are not three numbers inside (0, 1), or a sequence is longer than the T it was built for.
    """

    traits = ("learnable_leak",)

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
        """Gain `[T, C, 1...]`, and keep, clear, sink, drop, threshold `[C, 1...]`, ready to multiply `[N, C, *]` with
        that many axes behind C:

        u_t = keep u (1 - clear o) - sink + gain_t x_t - drop o.
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
        surrogate = overridden(self, GLIF, *_KERNEL_DOES) or surrogate_form(self.surrogate)
        if isinstance(surrogate, Refusal):
            return surrogate
        gain, *numbers = self.coefficients(0)
        learnt = torch.cat([torch.stack(numbers), gain]).float()
        constants = [0.0, 0.0, 0.0, self.amplitude, surrogate.p0, surrogate.p1]
        codes = [GATED, surrogate.kind, 0, 0, int(self.strict)]
        return MembraneForm([float(c) for c in constants], codes, learnt, len(gain))

    def learnt(self) -> dict[str, Tensor]:
        """All eight as their sigmoids; gates before rounding, tau the fraction that stays."""
        names = ("alpha", "beta", "gamma", "tau", "threshold", "reset", "leak", "conduct")
        return {name: torch.sigmoid(getattr(self, name)) for name in names}

    def gate(self, logit: Tensor) -> Tensor:
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
                f"neuron=glif was built for T={len(gain)} and its input gains end there; set T to the sequence's length"
            )
        u = keep * u * (1 - clear * o) - sink + gain[t] * full_precision(x_t) - drop * o
        o = self.surrogate(u - threshold, strict=self.strict)
        return self.emit(o, x_t), (t + 1, u, o)

    def extra_repr(self) -> str:
        return f"hard_gates={self.hard_gates}, {super().extra_repr()}"


def _gate_logits(gates: list[float] | None, shape: tuple[int, ...]) -> list[Tensor]:
    if gates is None:
        return [torch.empty(shape).uniform_(-0.1, 0.1) for _ in range(3)]
    if len(gates) != 3 or not all(0 < g < 1 for g in gates):
        raise ConfigError(f"neuron.gates={gates} must be three numbers inside (0, 1): alpha, beta, gamma; or null")
    return [torch.full(shape, (g + 0.5) / 2).logit() for g in gates]
