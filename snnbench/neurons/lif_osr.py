"""LIF with the online threshold stabiliser (OTS, Zhu et al., ICLR 2024, OpenReview CIj1CVbkpr).

    u[t] = lam v[t-1] + x[t],   lam = 1 - 1/tau,   v[0] = 0
    theta[1] = v_th;   theta[t] = m[t] + sd[t] (v_th - m[1]) / sd[1]       m, sd: of u[t] over the whole layer and batch
    s[t] = H(u[t] - theta[t]);   v[t] = u[t] - theta[t] s[t]               (soft; hard: 0 where s = 1)

The threshold normalised by the membrane's mean and (unbiased) deviation stays what it was at the first step, and with
it the firing rate. Neither theta nor the reset carries a gradient. The paper writes a hard reset, its code and the
survey's a soft one. Both codes mean to freeze the threshold at test where asked (`fixed_test_threshold`), but write
`self.train()` for `self.training`, so it stays dynamic and a prediction depends on its batch: the default here too.
A layer whose membrane is flat at the first step (no input) keeps v_th, where theirs gives NaN.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from snnbench.kernels.common.form import Refusal, overridden, surrogate_form
from snnbench.kernels.membrane.codes import DECAY_STATE
from snnbench.kernels.membrane.form import MembraneForm, walk_step
from snnbench.kernels.renormalised.form import renormalised
from snnbench.neurons.base import Neuron
from snnbench.site import Site
from snnbench.temporal import active_states, full_precision

Stabilised = tuple[Tensor, Tensor | None]  # membrane [N, *]; normalised threshold, None before the first step


class LIFOSR(Neuron):
    """`[T, N, C, *]` currents -> spikes; no parameters. The paper's surrogate is `sigmoid`, alpha 4.

    Args:
        tau: membrane time constant in steps; the input is not divided by it.
        v_th: threshold at the first step.
        reset: "soft" subtracts the threshold of the step (code), "hard" sets to 0 (paper).
        frozen_at_test: in evaluation use one threshold for all steps, the running mean (weight 0.1 / T a step) of
            those in training, kept in the buffer `running_threshold`.
    """

    def __init__(
        self,
        site: Site,
        surrogate: nn.Module,
        tau: Annotated[float, "> 1"] = 2.0,
        reset: Literal["soft", "hard"] = "soft",
        frozen_at_test: bool = False,
        **rest,
    ):
        super().__init__(site, surrogate, **rest)
        self.tau, self.soft, self.frozen_at_test = tau, reset == "soft", frozen_at_test
        if frozen_at_test:
            self.register_buffer("running_threshold", torch.tensor(float(self.v_th)))

    @property
    def leak(self) -> float:
        """lam = 1 - 1/tau."""
        return 1 - 1 / self.tau

    def step_form(self) -> MembraneForm | Refusal:
        """This neuron between two thresholds, as a kernel for one step knows it."""
        surrogate = overridden(self, LIFOSR, "step", "emit") or surrogate_form(self.surrogate)
        if isinstance(surrogate, Refusal):
            return surrogate
        constants = [self.leak, self.v_th, 0.0, self.amplitude, surrogate.p0, surrogate.p1]
        codes = [DECAY_STATE, surrogate.kind, int(self.soft), 1, int(self.strict)]
        return MembraneForm([float(number) for number in constants], codes)

    def forward(self, x_seq: Tensor, norm: nn.Module | None = None, residual: Tensor | None = None) -> Tensor:
        """Spikes of `norm(x_seq) + residual`: OSR's norm and this neuron in one, where a kernel can."""
        fused = None if residual is not None or self.frozen_at_test else renormalised(self, norm, x_seq)
        if fused is None:
            return super().forward(x_seq, norm, residual)
        states = active_states()
        if states is not None:
            return states.walk(self, x_seq, lambda x_t: (None, None), fused)
        state, spikes = (None, None), []
        for x_t in x_seq:
            spike, state = fused(x_t, state)
            spikes.append(spike)
        return torch.stack(spikes)

    def initial_state(self, x_t: Tensor) -> Stabilised:
        return torch.zeros_like(full_precision(x_t), requires_grad=False), None

    def step(self, x_t: Tensor, state: Stabilised) -> tuple[Tensor, Stabilised]:
        v, ratio = state
        u = torch.add(x_t, v, alpha=self.leak)  # in the state's precision
        theta, ratio = self.threshold(u.detach(), ratio)
        walked = walk_step(self.step_form, x_t, v, theta)
        if walked is not None:
            spike, v = walked
            return spike, (v, ratio)
        spike = self.surrogate(u - theta, strict=self.strict)
        fired = spike.detach()
        v = torch.addcmul(u, fired, theta, value=-1) if self.soft else torch.where(fired.bool(), 0.0, u)
        return self.emit(spike, x_t), (v, ratio)

    @torch.no_grad()
    def threshold(self, u: Tensor, ratio: Tensor | None) -> tuple[Tensor, Tensor]:
        """theta[t] and (v_th - m[1]) / sd[1], both 0-d, from the potential `[N, *]` before firing."""
        if self.frozen_at_test and not self.training:
            return self.running_threshold.to(u.dtype), self.running_threshold
        deviation, mean = torch.std_mean(u)
        if ratio is None:
            ratio, theta = (self.v_th - mean) / deviation, torch.full_like(mean, self.v_th)
        else:
            theta = (mean + deviation * ratio).nan_to_num(nan=self.v_th, posinf=self.v_th, neginf=self.v_th)
        if self.frozen_at_test:
            self.running_threshold.lerp_(theta.to(self.running_threshold.dtype), 0.1 / self.site.time_steps)
        return theta, ratio

    def extra_repr(self) -> str:
        kind = "soft" if self.soft else "hard"
        return f"tau={self.tau}, reset={kind}, frozen_at_test={self.frozen_at_test}, {super().extra_repr()}"
