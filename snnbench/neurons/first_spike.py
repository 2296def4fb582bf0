"""Non-leaky integrate-and-fire neuron that fires at most once (S4NN, Kheradpisheh & Masquelier, IJNS 2020).

    V(t) = V(t - 1) + x_t;    s_t = 1 at the first t with V(t) > v_th, else 0;    V(-1) = 0: no leak, no reset.

S4NN defines the firing time as t_j = 1 + min{t : V_j(t) > v_th}, or T for a neuron that never fires. The model
`snnbench.models.s4nn_mlp` adds this delay of one step between its layers. `rule=s4nn` ignores the surrogate; under
`rule=bptt` the surrogate's gradient flows through V up to and including the first spike.
"""

import torch
from torch import Tensor, nn

from snnbench.neurons.base import Neuron
from snnbench.site import Site
from snnbench.temporal import full_precision


class FirstSpike(Neuron):
    """`[T, N, C, *]` currents -> at most one spike of each neuron; the state is (V, has fired). No parameters.

    Args:
        v_th: The firing threshold. S4NN uses 100 with weights between about 1 and 50.
    """

    zero_states = 2

    traits = ("single_spike", "no_leak")
    requires = {  # noqa: RUF012
        "first_spike_times": "a neuron that fires at most once has no firing rate for this model to read out; "
        "use model=s4nn_mlp, which reads who fires first, or another neuron such as neuron=lif",
    }

    def __init__(self, site: Site, surrogate: nn.Module, strict: bool = True, **rest):
        super().__init__(site, surrogate, strict=strict, **rest)

    def step(self, x_t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        v, fired = state
        v = v + full_precision(x_t)
        above = self.fire(v)
        return self.emit(above * (1 - fired), x_t), (v, torch.maximum(fired, above.detach()))

    def sequence(self, x_seq: Tensor) -> Tensor:
        """All steps at once, which is faster than hundreds of steps; equal to them up to the rounding of the sum."""
        above = self.fire(full_precision(x_seq).cumsum(0))
        crossed = above.detach()
        return self.emit(above * (crossed.cumsum(0) == crossed), x_seq)  # equal at the first crossing only


def first_spike_times(spikes: Tensor) -> Tensor:
    """The step of each neuron's first spike, int64 `[N, *]`, from spikes `[T, N, *]`; T for one that never fires."""
    fired = spikes != 0
    return torch.where(fired.any(0), fired.to(torch.uint8).argmax(0), len(spikes))
