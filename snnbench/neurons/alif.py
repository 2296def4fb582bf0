"""Adaptive LIF with an absolute refractory period (Taylor, King, Harper, NeurIPS 2023; their sequential control).

    I[t] = 0 for the d steps after a spike, else x[t]
    v[t] = beta v[t-1] + I[t];   s[t] = 1[v[t] > theta[t]];   v[t] <- v[t] (1 - s[t])
    a[t] = p a[t-1] + s[t];      theta[t+1] = v_th + b a[t],  theta[0] = v_th
    beta = clamp(., .001, .999),  p = clamp(|.|, 0, .999),  b = clamp(|.|, .001, 1)

As in the released code only the reset detaches its spike; a's spike carries a gradient. Recurrent input is left out.
Here beta, p and b belong to a channel; there to every neuron (of a map too). There b starts at 1.8, beyond its clamp,
so it acts as 1 and its gradient is zero for ever; here it starts at 0.999 and learns. `b=1.8` restores theirs.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.kernels.adaptive.form import AdaptiveForm
from snnbench.kernels.common.form import Refusal, overridden, surrogate_form
from snnbench.neurons.base import Neuron
from snnbench.neurons.parameters import column, spared
from snnbench.site import Site
from snnbench.temporal import full_precision

# what the kernels write out: a neuron that overrides one of them runs as plain PyTorch
_KERNEL_DOES = ("initial_state", "step", "sequence", "emit", "ranged", "coefficients")


class ALIF(Neuron):
    """`[T, N, C, *]` currents -> spikes; 3 C parameters; the state is (v, a, steps still to wait), each `[N, C, *]`.

    Args:
        latency: absolute refractory period d in steps.
        beta: membrane decay a step at the start (the survey's: 0.99; exp(-dt/tau) elsewhere).
        p: decay of the adaptation a step at the start.
        b: strength of the adaptation at the start.
        detach_reset: no gradient through the spike that resets.
        strict: see `Neuron`; the released code fires at strictly v > theta.
    """

    traits = ("learnable_leak",)

    def __init__(
        self,
        site: Site,
        surrogate: nn.Module,
        latency: Annotated[int, ">= 0"] = 1,
        beta: Annotated[float, "in (0, 1)"] = 0.99,
        p: Annotated[float, "in (0, 1)"] = 0.99,
        b: Annotated[float, "> 0"] = 0.999,
        detach_reset: bool = True,
        strict: bool = True,
        **rest,
    ):
        super().__init__(site, surrogate, strict=strict, **rest)
        self.latency, self.detach_reset = latency, detach_reset
        self.beta, self.p, self.b = (spared(torch.full((site.channels,), float(start))) for start in (beta, p, b))

    def kernel_form(self) -> AdaptiveForm | Refusal:
        return overridden(self, ALIF, *_KERNEL_DOES) or self.adaptive_form(0)

    def adaptive_form(self, length: int) -> AdaptiveForm | Refusal:
        """The neuron in blocks of `length` steps (0: step by step) as the kernels know it, or why they do not."""
        surrogate = surrogate_form(self.surrogate)
        if isinstance(surrogate, Refusal):
            return surrogate
        constants = [self.v_th, self.latency, self.amplitude, surrogate.p0, surrogate.p1]
        codes = [surrogate.kind, int(self.detach_reset), int(self.strict)]
        return AdaptiveForm(torch.stack(self.ranged()), [float(number) for number in constants], codes, length)

    def ranged(self) -> tuple[Tensor, Tensor, Tensor]:
        """beta, p and b in their ranges, `[C]` each."""
        return self.beta.clamp(0.001, 0.999), self.p.abs().clamp(max=0.999), self.b.abs().clamp(0.001, 1)

    def learnt(self) -> dict[str, Tensor]:
        """Decay a step of the membrane (beta) and of the adaptation (p), and the adaptation's strength (b)."""
        return dict(zip(("beta", "p", "b"), self.ranged()))

    def coefficients(self, x_t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """beta, p and b in their ranges, `[C, 1...]` for `[N, C, *]`."""
        beta, p, b = (column(values, x_t) for values in self.ranged())
        return beta, p, b

    def initial_state(self, x_t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rest = torch.zeros_like(full_precision(x_t), requires_grad=False)
        return rest, rest, rest

    def step(self, x_t: Tensor, state: tuple[Tensor, Tensor, Tensor]):
        v, a, wait = state
        beta, p, b = self.coefficients(x_t)
        v = beta * v + torch.where(wait > 0, 0.0, full_precision(x_t))
        spike = self.surrogate(v - (self.v_th + b * a), strict=self.strict)
        fired = spike.detach().bool()
        v = torch.where(fired, 0.0, v) if self.detach_reset else v * (1 - spike)
        wait = (wait - 1).masked_fill(fired, self.latency)
        return self.emit(spike, x_t), (v, p * a + spike, wait)

    def extra_repr(self) -> str:
        return f"latency={self.latency}, detach_reset={self.detach_reset}, {super().extra_repr()}"
