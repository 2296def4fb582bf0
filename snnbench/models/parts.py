"""The parts that models are built from: synapse, norm, neuron, and the unit that chains them.

A model never names a concrete neuron, norm or synapse: it asks its `Parts` for one and says where it will sit (`Site`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from snnbench.site import Site


@dataclass(frozen=True)
class Parts:
    """Factories handed to a model.

    neuron(site, **changes), norm(site), and synapse: an object with
    `conv(dims, c_in, c_out, kernel, stride, padding, bias, groups)` and `linear(c_in, c_out, bias)`.
    """

    neuron_factory: Callable[..., nn.Module]
    norm_factory: Callable[[Site], nn.Module]
    synapse: object
    time_steps: int

    def neuron(self, channels: int, **changes) -> nn.Module:
        """A neuron layer for `[T, N, channels, *]`; `changes` replace configured values (e.g. `v_th=0.5`)."""
        return self.neuron_factory(Site(channels, self.time_steps), **changes)

    def norm(self, channels: int, *, branches: int = 1, zero_init: bool = False) -> nn.Module:
        v_th = getattr(self.neuron(channels), "v_th", 1.0)
        return self.norm_factory(Site(channels, self.time_steps, v_th, branches, zero_init))

    def conv(
        self, c_in: int, c_out: int, kernel: int = 3, *, stride: int = 1, padding: int | None = None,
        bias: bool = False, groups: int = 1, dims: int = 2,
    ) -> nn.Module:  # fmt: skip
        """A convolution over `[T, N, C, *]` with `dims` spatial axes (1 for tokens `[T,N,C,L]`); same padding."""
        padding = kernel // 2 if padding is None else padding
        return self.synapse.conv(dims, c_in, c_out, kernel, stride=stride, padding=padding, bias=bias, groups=groups)

    def linear(self, c_in: int, c_out: int, *, bias: bool = True) -> nn.Module:
        """A fully connected synapse over `[T, N, C]`."""
        return self.synapse.linear(c_in, c_out, bias=bias)

    def readout(self, c_in: int, num_classes: int) -> nn.Module:
        """The last layer, `[T, N, C] -> logits [T, N, K]`: linear with bias, followed by no neuron."""
        return self.synapse.linear(c_in, num_classes, bias=True)

    def projection(
        self, c_in: int, c_out: int, kernel: int = 1, *, branches: int = 1, zero_init: bool = False,
        bias: bool | None = None, pool: nn.Module | None = None, **conv,
    ) -> Projection:  # fmt: skip
        """conv (-> pool) -> norm, a current without a neuron. `bias=None`: only where the norm has no shift."""
        norm = self.norm(c_out, branches=branches, zero_init=zero_init)
        return Projection(self.conv(c_in, c_out, kernel, bias=needs_bias(bias, norm), **conv), norm, pool)

    def unit(
        self, c_in: int, c_out: int, kernel: int = 3, *, branches: int = 1, zero_init: bool = False,
        bias: bool | None = None, pool: nn.Module | None = None, **conv,
    ) -> Unit:  # fmt: skip
        """conv -> norm (-> pool) -> neuron over `[T, N, C, *]`. `bias=None`: only where the norm has no shift."""
        norm = self.norm(c_out, branches=branches, zero_init=zero_init)
        return Unit(self.conv(c_in, c_out, kernel, bias=needs_bias(bias, norm), **conv), norm, self.neuron(c_out), pool)

    def linear_unit(self, c_in: int, c_out: int, *, bias: bool = True) -> Unit:
        """linear -> neuron over `[T, N, C]`, without a norm."""
        return Unit(self.linear(c_in, c_out, bias=bias), nn.Identity(), self.neuron(c_out))


def needs_bias(wanted: bool | None, norm: nn.Module) -> bool:
    """Published nets with a norm leave the bias to it; without one (norm=none) the synapse must bring its own."""
    return next(norm.parameters(), None) is None if wanted is None else wanted


class Projection(nn.Module):
    """synapse (-> pool) -> norm: a current `[T, N, C_in, *] -> [T, N, C_out, *]`, without a neuron."""

    def __init__(self, synapse: nn.Module, norm: nn.Module, pool: nn.Module | None = None):
        super().__init__()
        self.synapse, self.pool, self.norm = synapse, pool, norm

    def forward(self, x_seq: Tensor) -> Tensor:
        current = self.synapse(x_seq)
        return self.norm(current if self.pool is None else self.pool(current))


class Unit(nn.Module):
    """synapse -> norm (-> pool) (-> + residual) -> neuron: the triple that a fused kernel may run as one pass.

    `[T, N, C_in, *] -> [T, N, C_out, *]`; a residual is a current added just before the neuron; a pool here acts on
    currents (QKFormer), pools on spikes stand behind the unit.

    Attributes:
        mechanics: None, or a learning rule's `mechanics(unit, x_seq, residual) -> spikes`, which runs instead of
            `plain` and decides what gradients weights and inputs get. It is no `nn.Module`, so the state dict does not
            see it; one object may serve many units. It calls the unit's synapse, norm and neuron as modules where it
            can, so that hooks on them count what they do; at least where no gradients are asked for, as in a test.
    """

    mechanics: Callable[[Unit, Tensor, Tensor | None], Tensor] | None = None

    def __init__(self, synapse: nn.Module, norm: nn.Module, neuron: nn.Module, pool: nn.Module | None = None):
        super().__init__()
        self.synapse, self.norm, self.pool, self.neuron = synapse, norm, pool, neuron

    def forward(self, x_seq: Tensor, residual: Tensor | None = None) -> Tensor:
        if self.mechanics is not None:
            return self.mechanics(self, x_seq, residual)
        return self.plain(x_seq, residual)

    def plain(self, x_seq: Tensor, residual: Tensor | None = None) -> Tensor:
        """What the unit does without a rule's mechanics: its parts one after the other, gradients by autograd."""
        current = self.synapse(x_seq)
        if self.pool is not None:
            return self.neuron(self.pool(self.norm(current)), residual=residual)
        return self.neuron(current, self.norm, residual)
