"""The fully connected nets of DCLS-Delays for audio spikes, with or without delays.

Hammouamri et al. (ICLR 2024); code Thvnvtos/SNN-delays @d169b4e, snn_delays.py (synapse=dcls) and snn.py (plain, the
network of the survey on SHD).

    [linear - norm - neuron - dropout] x layers - linear - leaky integrator v_t = v_{t-1} (1 - 1/tau) + x_t
    m = sum_t softmax(v_t),   loss CE(m, y)  (softmax twice, as published)

A linear layer has no bias if its norm has a shift; the readout never has one. The model returns
logits[t] = T' softmax(v_t), whose mean over the T' steps is m, so objective=mean_ce is the published loss, and the
accuracy is that of m. Delayed spikes may arrive after the input has ended: `tail` empty steps (official: half the taps)
are appended before each synapse, so the model returns logits for T' = T + tail (layers + 1) steps. A walk step by step
ends at T and does not multiply by T'.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from snnbench.models.base import SpikingModel
from snnbench.models.dropout import TemporalDropout
from snnbench.models.layers import Flatten
from snnbench.models.parts import Parts, Unit, needs_bias
from snnbench.temporal import Temporal, active_states, full_precision


class Tail(nn.Module):
    """Append `steps` time steps of zeros, `[T, N, *] -> [T + steps, N, *]`; no steps inside a walk."""

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps

    def forward(self, x_seq: Tensor) -> Tensor:
        if self.steps == 0 or active_states() is not None:
            return x_seq
        return torch.cat([x_seq, x_seq.new_zeros(self.steps, *x_seq.shape[1:])])


class LeakyIntegrator(Temporal):
    """v_t = (1 - 1/tau) v_{t-1} + x_t, which starts at v = 0, `[T, N, K] -> [T, N, K]`: a LIF that never fires."""

    def __init__(self, tau: float):
        super().__init__()
        self.leak = 1 - 1 / tau

    def initial_state(self, x_t: Tensor) -> Tensor:
        return torch.zeros_like(full_precision(x_t), requires_grad=False)

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        v = torch.add(full_precision(x_t), state, alpha=self.leak)
        return v, v


class SNNDelays(SpikingModel):
    """`[T, N, C, H, W] -> [T', N, K]`, T' = T + tail * (layers + 1).

    Args:
        hidden: The number of neurons of each hidden layer.
        layers: The number of hidden layers.
        dropout: The share of a hidden layer's spikes that is dropped, with the same mask at all T steps.
        readout_tau: The time constant of the readout's integrator, in steps; officially that of the neurons.
        readout: The logits, "softmax_sum" as published, or "membrane" for the potential, logits[t] = v_t.
        tail: The number of empty steps that are appended before each synapse; 0 keeps T.
    """

    made_for = {"*": ("data=shd",)}  # noqa: RUF012

    def __init__(
        self,
        parts: Parts,
        in_shape: tuple[int, int, int],
        num_classes: int,
        hidden: Annotated[int, ">= 1"] = 256,
        layers: Annotated[int, ">= 1"] = 2,
        dropout: Annotated[float, "in [0, 1)"] = 0.4,
        readout_tau: Annotated[float, ">= 1"] = 1.005,
        readout: Literal["softmax_sum", "membrane"] = "softmax_sum",
        tail: Annotated[int, ">= 0"] = 0,
    ):
        super().__init__()
        width, blocks = in_shape[0] * in_shape[1] * in_shape[2], [Flatten()]
        for _ in range(layers):
            norm = parts.norm(hidden)
            synapse = parts.linear(width, hidden, bias=needs_bias(None, norm))
            blocks += [Tail(tail), Unit(synapse, norm, parts.neuron(hidden)), TemporalDropout(dropout)]
            width = hidden
        self.features = nn.Sequential(*blocks, Tail(tail))
        self.readout = parts.linear(hidden, num_classes, bias=False)
        self.integrator, self.softmax = LeakyIntegrator(readout_tau), readout == "softmax_sum"
        for unit in self.units():
            nn.init.kaiming_uniform_(unit.synapse.weight, nonlinearity="relu")
        nn.init.kaiming_uniform_(self.readout.weight, nonlinearity="relu")

    def forward(self, x_seq: Tensor) -> Tensor:
        v = self.integrator(self.readout(self.features(x_seq)))
        return v.shape[0] * v.softmax(-1) if self.softmax else v
