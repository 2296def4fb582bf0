"""LIF with the online threshold stabiliser (OTS, Zhu et al., ICLR 2024, OpenReview CIj1CVbkpr).

    u[t] = lam v[t-1] + x[t],   lam = 1 - 1/tau,   v[0] = 0
    theta[1] = v_th;   theta[t] = m[t] + sd[t] (v_th - m[1]) / sd[1]
    s[t] = H(u[t] - theta[t]);   v[t] = u[t] - theta[t] s[t]   (soft)   or   v[t] = 0 where s[t] = 1   (hard)

m[t] and sd[t] are the mean and the unbiased standard deviation of u[t] over the whole layer and batch. The threshold
follows them, so that the firing rate stays close to that of the first step. Neither theta nor the reset carries a
gradient. The paper writes a hard reset; its code and the survey's use a soft one. Both codes have an option to freeze
the threshold at test time (`fixed_test_threshold`), which has no effect because they write `self.train()` for
`self.training`; a prediction thus depends on its batch, here too by default. Where the potential is constant at the
first step (no input), this layer keeps v_th; the released code gives NaN.
"""

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from snnbench.kernels.common.form import Refusal, overridden
from snnbench.kernels.membrane.codes import DECAY_STATE
from snnbench.kernels.membrane.form import MembraneForm, walk_step
from snnbench.kernels.renormalised.form import renormalised
from snnbench.neurons.base import Neuron
from snnbench.neurons.membrane import membrane_form
from snnbench.site import Site
from snnbench.temporal import active_states, full_precision

Stabilised = tuple[Tensor, Tensor | None]  # v [N, C, *]; (v_th - m[1]) / sd[1], None before the first step


class LIFOSR(Neuron):
    """`[T, N, C, *]` currents -> spikes; it has no parameters. The paper uses the surrogate `sigmoid` with alpha 4.

    Args:
        tau: The membrane time constant, in steps; the input is not divided by it.
        v_th: The threshold of the first step.
        reset: "soft" subtracts the step's threshold from the potential (code), "hard" sets the potential to 0 (paper).
        frozen_at_test: True uses one threshold for all steps in evaluation: the running mean of the thresholds seen in
            training, in which each step has the weight 0.1 / T. The buffer `running_threshold` holds it.
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
        """lam = 1 - 1/tau, the share of the potential that one step leaves."""
        return 1 - 1 / self.tau

    def step_form(self) -> MembraneForm | Refusal:
        """What the kernel for one step with a given threshold needs, or why it cannot compute this neuron."""
        refused = overridden(self, LIFOSR, "step", "emit")
        return refused or membrane_form(self, DECAY_STATE, self.leak, soft=self.soft, detach=True)

    def forward(self, x_seq: Tensor, norm: nn.Module | None = None, residual: Tensor | None = None) -> Tensor:
        """Spikes of `norm(x_seq) + residual`; on a GPU one kernel computes `norm=osr` and this neuron together."""
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
        u = torch.add(x_t, v, alpha=self.leak)  # in the dtype of v, at least fp32
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
        """theta[t] and the ratio (v_th - m[1]) / sd[1], both 0-d, from u[t] `[N, C, *]`; no ratio at the first step."""
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
