"""The example neuron in README.md, which defines only `step`. The bench times it as an example of a user's neuron."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.neurons.base import Neuron
from snnbench.site import Site


class StepOnly(Neuron):
    """A leak and a hard reset: `[T, N, C, *]` currents -> spikes; the state is the membrane potential `[N, C, *]`.

    Args:
        keep: The share of the membrane potential that remains after a step.
    """

    def __init__(self, site: Site, surrogate: nn.Module, keep: Annotated[float, "in [0, 1]"] = 0.5, **rest):
        super().__init__(site, surrogate, strict=False, amplitude=1.0, **rest)
        self.keep = keep

    def initial_state(self, x_t: Tensor) -> Tensor:
        return torch.zeros_like(x_t, dtype=torch.float32)

    def step(self, x_t: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        u = self.keep * u + x_t.float()
        spike = self.fire(u)
        return self.emit(spike, x_t), u * (1 - spike.detach())
