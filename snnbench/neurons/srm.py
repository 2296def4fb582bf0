"""Spike response model with alpha kernels (SLAYER: Shrestha & Orchard, NeurIPS 2018, arXiv:1810.08646).

    u[n] = sum_i eps[i] x[n-i] + sum_j nu[j] s[n-j],   s[n] = 1[u[n] >= v_th],   eps(t) = t/tau_s exp(1 - t/tau_s),
    nu(t) = -scale_ref v_th t/tau_ref exp(1 - t/tau_ref);   nothing before n = 0.

Both kernels are sampled every dt and end where they fall below 0.01 in absolute value. eps[0] = nu[0] = 0: an input
moves the potential from the next step on, a spike leaves that of its own step. No reset: the refractory response is all
that follows a spike. No gradient passes through it, but the surrogate is taken at u that contains it, as released
(bamsumit/slayerPytorch @01beeeb adds nu to u in place and its backward pass reads that u); so the backward pass is
elementwise in time, then the adjoint of eps.

The paper filters the spikes that enter a layer, u = W (eps * s). Weights without memory commute with the filter, so
filtering the current is the same, eps * (W s) (the released MLP does so), and any model can use the neuron. A bias or a
norm's shift is then filtered too; SLAYER's own layers have neither.

Released spikes have height 1/Ts and its PSP a factor Ts. Spikes of height 1 leave u as it is for every dt; what changes
is the surrogate, ds/du = dt rho(u): `surrogate.scale` = scaleRho dt. All its examples have Ts = 1.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.filters import alpha_kernel, causal_filter
from snnbench.neurons.base import Neuron
from snnbench.site import Site
from snnbench.temporal import full_precision


class SRM(Neuron):
    """`[T, N, C, *]` currents -> spikes; the state is (inputs, after-potentials to come). No parameters.

    The state's shapes are `[up to len(eps) - 1, N, C, *]` and `[len(nu) - 1, N, C, *]`. A walk sums the inputs one by
    one and a sequence as one matrix product: equal up to rounding.
    SLAYER has v_th 10 and surrogate `exp_abs`, width 10.

    Args:
        tau_s: time constant of the postsynaptic potential, in ms (released tauSr).
        tau_ref: time constant of the refractory response, in ms (released tauRef).
        scale_ref: depth of the refractory response in thresholds (released scaleRef).
        dt: length of a time step, in ms (released Ts).

    Raises:
        ConfigError: dt is so long that nothing of the PSP is left.
    """

    traits = ("spike_response",)
    rejects = {  # noqa: RUF012
        "online": "an input moves this neuron's potential from the next step on, so the gradient of a step alone is "
        "zero; use rule=bptt, or a neuron such as neuron=lif",
    }

    def __init__(
        self,
        site: Site,
        surrogate: nn.Module,
        tau_s: Annotated[float, "> 0"] = 10.0,
        tau_ref: Annotated[float, "> 0"] = 1.0,
        scale_ref: Annotated[float, ">= 0"] = 2.0,
        dt: Annotated[float, "in [1e-6, 1e6]"] = 1.0,
        **rest,
    ):
        super().__init__(site, surrogate, **rest)
        self.tau_s, self.tau_ref, self.scale_ref, self.dt = tau_s, tau_ref, scale_ref, dt
        eps, nu = alpha_kernel(tau_s, dt), alpha_kernel(tau_ref, dt, -scale_ref * self.v_th)
        if not any(eps):
            raise ConfigError(
                f"neuron.dt={dt} ms is too long for neuron.tau_s={tau_s} ms: the PSP is over before the next step; "
                f"shorten dt or set neuron.tau_s={dt} or more"
            )
        # buffers in double: exact in any dtype, and a captured CUDA graph finds them on its device
        self.register_buffer("eps", torch.tensor(eps, dtype=torch.float64), persistent=False)
        self.register_buffer("nu", torch.tensor((*nu, 0.0), dtype=torch.float64)[: max(len(nu), 2)], persistent=False)

    def initial_state(self, x_t: Tensor) -> tuple[Tensor, Tensor]:
        rest = torch.zeros_like(full_precision(x_t), requires_grad=False)
        return rest.new_empty(0, *rest.shape), rest.expand(len(self.nu) - 1, *rest.shape)

    def step(self, x_t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        inputs, after = state
        inputs = torch.cat([inputs, full_precision(x_t).unsqueeze(0)])
        psp = (self._taps(self.eps[: len(inputs)].flip(0), inputs) * inputs).sum(0)
        spike = self.fire(psp + after[0])
        after = torch.cat([after[1:], torch.zeros_like(after[:1])])
        after = after.addcmul(self._taps(self.nu[1:], after), spike.detach())
        return self.emit(spike, x_t), (inputs[1:] if len(inputs) == len(self.eps) else inputs, after)

    def sequence(self, x_seq: Tensor) -> Tensor:
        return self.potentials(x_seq)[0]

    def potentials(self, x_seq: Tensor) -> tuple[Tensor, Tensor]:
        """Spikes as `forward` gives them and the potentials u, refractory response included, both `[T, N, C, *]`."""
        psp = causal_filter(self.eps, full_precision(x_seq))
        u = psp + self.refractory(psp)
        return self.emit(self.fire(u), x_seq), u

    @torch.no_grad()
    def refractory(self, psp: Tensor) -> Tensor:
        """What earlier spikes add to each potential, `[T, *]` from the PSP `[T, *]`; the only loop over time."""
        taps = self._taps(self.nu[1:], psp)
        after = psp.new_zeros(len(psp) + len(taps), *psp.shape[1:])
        for n, psp_n in enumerate(psp):
            u = psp_n + after[n]
            spike = (u > self.v_th if self.strict else u >= self.v_th).to(u.dtype)
            after[n + 1 : n + 1 + len(taps)].addcmul_(taps, spike)
        return after[: len(psp)]

    @staticmethod
    def _taps(kernel: Tensor, x_seq: Tensor) -> Tensor:
        """A kernel shaped to multiply `x_seq` `[T, *]` along its first axis."""
        return kernel.to(x_seq.dtype).view(-1, *[1] * (x_seq.ndim - 1))

    def extra_repr(self) -> str:
        times = f"tau_s={self.tau_s}, tau_ref={self.tau_ref}, scale_ref={self.scale_ref}, dt={self.dt}"
        return f"{times}, {super().extra_repr()}"
