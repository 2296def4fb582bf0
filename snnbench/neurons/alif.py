"""Adaptive LIF with an absolute refractory period (the sequential baseline of Taylor, King, Harper, NeurIPS 2023).

    I[t] = 0 for the d steps after a spike, else x[t]
    v[t] = beta v[t-1] + I[t];   s[t] = 1[v[t] > theta[t]];   v[t] <- v[t] (1 - s[t])
    a[t] = p a[t-1] + s[t];      theta[t+1] = v_th + b a[t],  theta[0] = v_th
    beta = clamp(., .001, .999),  p = clamp(|.|, 0, .999),  b = clamp(|.|, .001, 1)

As in the released code, the spike in the reset is detached and the spike in the adaptation a carries a gradient. Unlike
there, the neuron has no recurrent input, and beta, p and b belong to a channel, not to each neuron. b starts at 0.999;
`b=1.8` gives the released behaviour, in which b acts as 1 and never changes, since its start lies outside the clamp.
"""

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.kernels.adaptive.form import AdaptiveForm
from snnbench.kernels.common.form import Refusal, overridden, surrogate_form
from snnbench.neurons.base import Neuron
from snnbench.neurons.parameters import column, spared
from snnbench.site import Site
from snnbench.temporal import full_precision

# the kernels compute these methods: a subclass that overrides one of them runs as plain PyTorch
_KERNEL_DOES = ("initial_state", "step", "sequence", "emit", "ranged", "coefficients")


class ALIF(Neuron):
    """`[T, N, C, *]` currents -> spikes; 3 C parameters. The state is v, a and the refractory steps left, `[N, C, *]`.

    Args:
        latency: The absolute refractory period d, in steps.
        beta: The initial share of the membrane potential that one step leaves; the survey takes 0.99.
        p: The initial share of the adaptation that one step leaves.
        b: The initial strength of the adaptation.
        detach_reset: True sends no gradient through the spike that resets the potential.
    """

    traits = ("learnable_leak",)
    zero_states = 3
    printed = ("latency", "detach_reset", *Neuron.printed)

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
        """What the kernels need for blocks of `length` steps (0: step by step), or why they cannot compute this."""
        surrogate = surrogate_form(self.surrogate)
        if isinstance(surrogate, Refusal):
            return surrogate
        constants = [self.v_th, self.latency, self.amplitude, surrogate.p0, surrogate.p1]
        codes = [surrogate.kind, int(self.detach_reset), int(self.strict)]
        return AdaptiveForm(torch.stack(self.ranged()), [float(number) for number in constants], codes, length)

    def ranged(self) -> tuple[Tensor, Tensor, Tensor]:
        """beta, p and b, each `[C]`, clamped to their ranges."""
        return self.beta.clamp(0.001, 0.999), self.p.abs().clamp(max=0.999), self.b.abs().clamp(0.001, 1)

    def learnt(self) -> dict[str, Tensor]:
        """beta, p and b, each `[C]`, clamped to their ranges."""
        return dict(zip(("beta", "p", "b"), self.ranged()))

    def coefficients(self, x_t: Tensor) -> tuple[Tensor, ...]:
        """beta, p and b, each `[C, 1...]`, ready to be multiplied with `x_t` `[N, C, *]`."""
        return tuple(column(values, x_t) for values in self.ranged())

    def step(self, x_t: Tensor, state: tuple[Tensor, Tensor, Tensor]):
        v, a, wait = state
        beta, p, b = self.coefficients(x_t)
        v = beta * v + torch.where(wait > 0, 0.0, full_precision(x_t))
        spike = self.surrogate(v - (self.v_th + b * a), strict=self.strict)
        fired = spike.detach().bool()
        v = torch.where(fired, 0.0, v) if self.detach_reset else v * (1 - spike)
        wait = (wait - 1).masked_fill(fired, self.latency)
        return self.emit(spike, x_t), (v, p * a + spike, wait)
