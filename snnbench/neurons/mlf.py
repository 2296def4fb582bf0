"""Multi-level firing: the sum of the spikes of LIF neurons with rising thresholds (Feng et al., IJCAI 2022).

Levels k = 1..K have the thresholds V_k = v_th + (k - 1) spacing and receive the same x_t:

    u_k,t = d u_k,t-1 (1 - s_k,t-1) + x_t;   s_k,t = 1[u_k,t > V_k];   o_t = sum_k s_k,t in 0..K;   u_0 = 0.

With a rectangle surrogate of width `spacing`, the levels together have a gradient from v_th - spacing/2 to
V_K + spacing/2, which is K times as wide as one rectangle. The reset is not detached. The paper calls o_t the union of
the levels' spikes; its code (langfengQ/MLF-DSResNet @a49bdc3) adds them up, so the next synapse receives integers.
"""

from functools import partial
from typing import Annotated

from torch import Tensor, nn

from snnbench.modules import Aside
from snnbench.neurons.base import Neuron
from snnbench.neurons.lif import LIF
from snnbench.site import Site
from snnbench.temporal import Temporal


class MLF(Neuron):
    """`[T, N, C, *]` currents -> numbers of spikes 0..levels; the state is the potential of each level. No parameters.

    The paper uses the surrogate `rectangle` with width = spacing = 1.

    Args:
        levels: The number K of levels. 1 gives the iterative LIF of STBP; the paper's main results use 3.
        decay: The share d of the potential that one step leaves.
        v_th: The threshold of the first level; tdBN scales by it.
        spacing: The distance between the thresholds of neighbouring levels.
        detach_reset: True sends no gradient through the spikes that reset the potentials.
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
        # held aside, so that a list of the model's neurons names this layer once and not each of its levels
        self._levels = Aside(nn.ModuleList(lif(v_th=v_th + k * spacing) for k in range(levels)))

    @property
    def levels(self) -> nn.ModuleList:
        """The LIF neuron of each level, lowest threshold first."""
        return self._levels.module

    def forward(self, x_seq: Tensor, norm: nn.Module | None = None, residual: Tensor | None = None) -> Tensor:
        """Spike counts `[T, N, C, *]` of the current `norm(x_seq) + residual`; each level may use a fused kernel."""
        current = x_seq if norm is None else norm(x_seq)
        return Temporal.forward(self, current if residual is None else current + residual)

    def sequence(self, x_seq: Tensor) -> Tensor:
        return sum(level(x_seq) for level in self.levels)

    def initial_state(self, x_t: Tensor) -> tuple[Tensor, ...]:
        return tuple(level.initial_state(x_t) for level in self.levels)

    def step(self, x_t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        spikes, states = zip(*(level.step(x_t, u) for level, u in zip(self.levels, state)))
        return sum(spikes), states

    def extra_repr(self) -> str:
        return f"levels={len(self.levels)}, decay={self.decay}, spacing={self.spacing}, {super().extra_repr()}"
