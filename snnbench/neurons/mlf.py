"""Multi-level firing: parallel LIF neurons with rising thresholds, their spikes summed (Feng et al., IJCAI 2022).

For levels k = 1..K with V_k = v_th + (k - 1) spacing, all fed the same x_t:

    u_k,t = d u_k,t-1 (1 - s_k,t-1) + x_t;   s_k,t = 1[u_k,t > V_k];   o_t = sum_k s_k,t in 0..K;   u_0 = 0.

With the rectangle of width `spacing` the windows of all levels tile (v_th - spacing/2, V_K + spacing/2): the gradient's
window is K times as wide. The reset is not detached. Paper and code (langfengQ/MLF-DSResNet @a49bdc3) agree; the sum is
what the paper calls the union of the levels' spikes, so the next synapse meets small integers.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

from torch import Tensor, nn

from snnbench.modules import Aside
from snnbench.neurons.base import Neuron
from snnbench.neurons.lif import LIF
from snnbench.site import Site


class MLF(Neuron):
    """`[T, N, C, *]` currents -> numbers of spikes 0..levels; the state is one potential a level. No parameters.

    The paper's surrogate is `rectangle`, width = spacing = 1.

    Args:
        levels: K; 1 is the iterative LIF of STBP, 3 the headline results.
        decay: d, the fraction of the potential that stays.
        v_th: threshold of the first level (what tdBN scales by).
        spacing: distance between thresholds.
        detach_reset: no gradient through the spikes that reset.
    """

    traits = ("multi_level",)

    def __init__(
        self,
        site: Site,
        surrogate: nn.Module,
        levels: Annotated[int, ">= 1"] = 3,
        decay: Annotated[float, "in [0, 1)"] = 0.25,
        v_th: Annotated[float, "> 0"] = 0.6,
        spacing: Annotated[float, "> 0"] = 1.0,
        detach_reset: bool = False,
        strict: bool = True,
    ):
        super().__init__(site, surrogate, v_th, strict, amplitude=1.0)
        self.decay, self.spacing = decay, spacing
        lif = partial(LIF, site, surrogate, 1 / (1 - decay), False, detach_reset=detach_reset, strict=strict)
        # aside: levels have no parameters, and a list of the model's neurons should name the unit, not them
        self._levels = Aside(nn.ModuleList(lif(v_th=v_th + k * spacing) for k in range(levels)))

    @property
    def levels(self) -> nn.ModuleList:
        """The LIF neuron of each level, lowest threshold first."""
        return self._levels.module

    def initial_state(self, x_t: Tensor) -> tuple[Tensor, ...]:
        return tuple(level.initial_state(x_t) for level in self.levels)

    def step(self, x_t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        spikes, states = zip(*(level.step(x_t, u) for level, u in zip(self.levels, state)))
        return sum(spikes), states

    def extra_repr(self) -> str:
        return f"levels={len(self.levels)}, decay={self.decay}, spacing={self.spacing}, {super().extra_repr()}"
