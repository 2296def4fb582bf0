"""NeuNorm (Wu et al., AAAI 2019) with one weight a channel."""

from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.site import Site
from snnbench.temporal import Temporal, full_precision


class NeuNorm(Temporal):
    """x_t = k x_{t-1} + (1 - k) / C^2 sum_c s_t;  y_t = s_t - w x_t, `[T, N, C, *] -> same`; the state is x `[N, *]`.

    Args:
        keep: k, what a step leaves of the auxiliary neuron's state.
    """

    place = "spikes"

    def __init__(self, site: Site, keep: Annotated[float, "in [0, 1)"] = 0.9):
        super().__init__()
        self.keep, self.weight = keep, nn.Parameter(torch.rand(site.channels))

    def initial_state(self, s_t: Tensor) -> Tensor:
        return torch.zeros_like(full_precision(s_t[:, 0]), requires_grad=False)

    def step(self, s_t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.keep * x + (1 - self.keep) / s_t.shape[1] ** 2 * full_precision(s_t).sum(1)
        weight = self.weight.view(-1, *[1] * (s_t.ndim - 2))
        return (s_t - weight * x.unsqueeze(1)).to(s_t.dtype), x
