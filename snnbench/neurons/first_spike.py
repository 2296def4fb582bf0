"""Non-leaky integrate-and-fire neuron that fires at most once (S4NN, Kheradpisheh & Masquelier, IJNS 2020).

    V(t) = V(t - 1) + x_t;    s_t = 1 at the first t with V(t) > v_th, else 0;    V(-1) = 0: no leak, no reset.

S4NN's firing time is t_j = 1 + min{t : V_j(t) > v_th}, T where there is none: the one-step delay lies between layers
(`snnbench.models.s4nn_mlp`), not in here. `rule=s4nn` needs no surrogate; under `rule=bptt` the surrogate's gradient
flows through V up to and including the first spike.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from snnbench.neurons.base import Neuron
from snnbench.site import Site
from snnbench.temporal import full_precision


class FirstSpike(Neuron):
    """`[T, N, C, *]` currents -> at most one spike a neuron; the state is (V, has fired). No parameters.

    Args:
        v_th: see `Neuron`; S4NN has 100 for weights of order 1 to 50.
    """

    traits = ("single_spike", "no_leak")
    requires = {  # noqa: RUF012
        "first_spike_times": "a neuron that fires at most once has no firing rate for this model to read out; "
        "use model=s4nn_mlp, which reads who fires first, or another neuron such as neuron=lif",
    }

    def __init__(self, site: Site, surrogate: nn.Module, strict: bool = True, **rest):
        super().__init__(site, surrogate, strict=strict, **rest)

    def initial_state(self, x_t: Tensor) -> tuple[Tensor, Tensor]:
        rest = torch.zeros_like(full_precision(x_t), requires_grad=False)
        return rest, rest

    def step(self, x_t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        v, fired = state
        v = v + full_precision(x_t)
        above = self.fire(v)
        return self.emit(above * (1 - fired), x_t), (v, torch.maximum(fired, above.detach()))

    def sequence(self, x_seq: Tensor) -> Tensor:
        """All steps at once: hundreds of steps would be hundreds of launches (equal up to rounding of the sum)."""
        above = self.fire(full_precision(x_seq).cumsum(0))
        crossed = above.detach()
        return self.emit(above * (crossed.cumsum(0) == crossed), x_seq)  # of those above, the first counts itself only


def first_spike_times(spikes: Tensor) -> Tensor:
    """Step of the first spike of `[T, N, *]`, int64 `[N, *]`; T where there is none."""
    fired = spikes != 0
    return torch.where(fired.any(0), fired.to(torch.uint8).argmax(0), len(spikes))
