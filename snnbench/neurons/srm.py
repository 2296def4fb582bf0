"""Spike response model with alpha kernels (SLAYER: Shrestha & Orchard, NeurIPS 2018, arXiv:1810.08646).

    u[n] = sum_i eps[i] x[n-i] + sum_j nu[j] s[n-j],   s[n] = 1[u[n] >= v_th],   eps(t) = t/tau_s exp(1 - t/tau_s),
    nu(t) = -scale_ref v_th t/tau_ref exp(1 - t/tau_ref);   nothing before n = 0.

Both kernels are sampled every dt and cut off where they fall below 0.01 in absolute value. Since eps[0] = nu[0] = 0, an
input or a spike changes the potential from the next step on. There is no reset; the refractory response nu replaces it.
No gradient passes through nu, but the surrogate is evaluated at the u that contains it, as in the released code
(bamsumit/slayerPytorch @01beeeb). The backward pass therefore needs no loop over time: it multiplies by the surrogate's
derivative and then applies the transposed filter eps.

The paper filters the spikes that enter a layer, u = W (eps * s). Filtering the current, eps * (W s), gives the same
potential, because W does not depend on time; the released MLP does so, and any model can use this neuron. It also
filters a bias or the shift of a norm; SLAYER's own layers have neither.

Released spikes have the height 1/Ts, and the postsynaptic potential (PSP) is multiplied by Ts. Here spikes have the
height 1, which gives the same u for every dt, and `surrogate.scale` = scaleRho dt. All released examples have Ts = 1.
"""

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.filters import alpha_kernel, causal_filter
from snnbench.neurons.base import Neuron
from snnbench.neurons.parameters import over_steps
from snnbench.site import Site
from snnbench.temporal import full_precision


class SRM(Neuron):
    """`[T, N, C, *]` currents -> spikes; it has no parameters. SLAYER uses v_th 10 and `exp_abs` of width 10.

    The state is the last inputs `[up to len(eps) - 1, N, C, *]` and the refractory responses that earlier spikes add to
    the coming steps, `[len(nu) - 1, N, C, *]`. Walking step by step and running a sequence differ by rounding.

    Args:
        tau_s: The time constant of the postsynaptic potential, in ms (released tauSr).
        tau_ref: The time constant of the refractory response, in ms (released tauRef).
        scale_ref: The depth of the refractory response, in multiples of the threshold (released scaleRef).
        dt: The length of a time step, in ms (released Ts).

    Raises:
        ConfigError: dt is so long that the postsynaptic potential is over before the next step.
    """

    traits = ("spike_response",)
    printed = ("tau_s", "tau_ref", "scale_ref", "dt", *Neuron.printed)
    rejects = {  # noqa: RUF012
        "online": "an input changes this neuron's potential from the next step on, so the gradient of a step alone is "
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
        # double serves inputs of every dtype; as buffers they lie on the GPU, where a captured CUDA graph needs them
        self.register_buffer("eps", torch.tensor(eps, dtype=torch.float64), persistent=False)
        self.register_buffer("nu", torch.tensor((*nu, 0.0), dtype=torch.float64)[: max(len(nu), 2)], persistent=False)

    def initial_state(self, x_t: Tensor) -> tuple[Tensor, Tensor]:
        rest = torch.zeros_like(full_precision(x_t), requires_grad=False)
        return rest.new_empty(0, *rest.shape), rest.expand(len(self.nu) - 1, *rest.shape)

    def step(self, x_t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        inputs, after = state
        inputs = torch.cat([inputs, full_precision(x_t).unsqueeze(0)])
        psp = (over_steps(self.eps[: len(inputs)].flip(0).to(inputs.dtype), inputs) * inputs).sum(0)
        spike = self.fire(psp + after[0])
        after = torch.cat([after[1:], torch.zeros_like(after[:1])])
        after = after.addcmul(over_steps(self.nu[1:].to(after.dtype), after), spike.detach())
        return self.emit(spike, x_t), (inputs[1:] if len(inputs) == len(self.eps) else inputs, after)

    def sequence(self, x_seq: Tensor) -> Tensor:
        return self.potentials(x_seq)[0]

    def potentials(self, x_seq: Tensor) -> tuple[Tensor, Tensor]:
        """The spikes that `forward` returns and the potentials u, refractory response included, both `[T, N, C, *]`."""
        psp = causal_filter(self.eps, full_precision(x_seq))
        u = psp + self.refractory(psp)
        return self.emit(self.fire(u), x_seq), u

    @torch.no_grad()
    def refractory(self, psp: Tensor) -> Tensor:
        """The sum of the refractory responses of earlier spikes, `[T, *]`, from the postsynaptic potential `[T, *]`."""
        taps = over_steps(self.nu[1:].to(psp.dtype), psp)
        after = psp.new_zeros(len(psp) + len(taps), *psp.shape[1:])
        for n, psp_n in enumerate(psp):
            u = psp_n + after[n]
            spike = (u > self.v_th if self.strict else u >= self.v_th).to(u.dtype)
            after[n + 1 : n + 1 + len(taps)].addcmul_(taps, spike)
        return after[: len(psp)]
