"""S4NN's fully connected network, in which the output neuron that fires first gives the class (Kheradpisheh &
Masquelier, IJNS 2020, arXiv:1910.09495).

flatten - [linear - first spike - delay of one step] x hidden - linear - first spike. No bias anywhere; weights start
uniform in [0, init_high), so that neurons fire. The delay makes a layer's firing time t_j = 1 + (step of crossing).

logits[t] is 1 from the step on at which the neuron of the class crosses its threshold, and 0 before. The sum over T is
T + 1 - t_o, so the mean over T orders the classes by firing time, and `target_time` recovers the times. If no neuron
fires before T, evaluation uses V(T - 3), as the official code does. On a tie the first class wins; the official code
counts a sample as correct if its class is among the earliest (0.6 points more with the released weights).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from snnbench.models.base import SpikingModel, require
from snnbench.models.layers import Flatten
from snnbench.models.parts import Parts
from snnbench.temporal import Temporal

FALLBACK = 3  # the official code reads V(t_max - 3)


class Delay(Temporal):
    """Delays spikes `[T, N, *]` by one step; the output is 0 at step 0."""

    def initial_state(self, x_t: Tensor) -> Tensor:
        return torch.zeros_like(x_t, requires_grad=False)

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return state, x_t

    def sequence(self, x_seq: Tensor) -> Tensor:
        return torch.cat([self.initial_state(x_seq[:1]), x_seq[:-1]])


class HasFired(Temporal):
    """The running sum of spikes `[T, N, K]`: 1 from a neuron's only spike on."""

    def initial_state(self, x_t: Tensor) -> Tensor:
        return torch.zeros_like(x_t, requires_grad=False)

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = state + x_t
        return state, state

    def sequence(self, x_seq: Tensor) -> Tensor:
        return x_seq.cumsum(0)


class S4NNMLP(SpikingModel):
    """`[T, N, C, H, W] -> logits [T, N, K]`, steps from 0 to 1 at the firing times.

    Args:
        hidden: The number of neurons of each hidden layer.
        init_high: The upper end of the uniform initial weights of each linear layer, the readout included.

    Raises:
        ConfigError: `init_high` has not one value for each linear layer.
    """

    traits = ("first_spike_times",)
    requires = {  # noqa: RUF012
        "single_spike": "the readout asks which neuron fires first, so each may fire once; use neuron=first_spike",
        "single_spike_input": "the layers compare firing times, so each input may spike once; use encoder=rank_latency",
    }
    made_for = {"*": ("data=mnist", "data.mean=[0.0]", "data.std=[1.0]")}  # noqa: RUF012

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        hidden: list[int] = (400,),
        init_high: list[float] = (5.0, 48.0),
    ):
        super().__init__()
        require(
            len(init_high) == len(hidden) + 1,
            f"model.init_high={list(init_high)} needs one number for each linear layer, {len(hidden) + 1} for "
            f"model.hidden={list(hidden)}.",
        )
        channels, height, width = in_shape
        layers: list[nn.Module] = [Flatten()]
        c_in = channels * height * width
        for c_out in hidden:
            layers += [parts.linear_unit(c_in, c_out, bias=False), Delay()]
            c_in = c_out
        self.features = nn.Sequential(*layers)
        self.readout = parts.linear(c_in, num_classes, bias=False)
        self.output = parts.neuron(num_classes)
        self.has_fired = HasFired()
        self.init_high = list(init_high)
        with torch.no_grad():
            for index, synapse in enumerate(self.synapses()):
                synapse.weight.copy_(self.fresh_weights(index))

    def fresh_weights(self, layer: int) -> Tensor:
        """Initial weights `[C_out, C_in]` of linear layer `layer`, newly drawn for silent neurons (`rule=s4nn`)."""
        return torch.rand_like(self.synapses()[layer].weight) * self.init_high[layer]

    def forward(self, x_seq: Tensor) -> Tensor:
        current = self.readout(self.features(x_seq))
        logits = self.has_fired(self.output(current))
        return logits if self.training or len(logits) <= FALLBACK else _read_silent(logits, current)


def _read_silent(logits: Tensor, current: Tensor) -> Tensor:
    """The logits; for samples without an output spike before T, those of the last step are softmax V(T - 3)."""
    silent = (logits[:-1].sum((0, 2)) == 0).unsqueeze(-1)
    v = current[: len(current) - FALLBACK + 1].float().sum(0)
    last = torch.where(silent, v.softmax(-1).to(logits.dtype), logits[-1])
    return torch.cat([logits[:-1], last.unsqueeze(0)])
