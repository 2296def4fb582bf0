"""The parts that models are built from: synapse, norm, neuron, and the unit that chains them.

A model never names a concrete neuron, norm, synapse or attention: it asks its `Parts` for a layer and says where it
will sit (`Site`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from snnbench.attentions.base import Attention
from snnbench.errors import ConfigError
from snnbench.neurons.membrane import MembraneNeuron
from snnbench.site import Site

PoolPlace = Literal["before_norm", "after_norm"]


class Projection(nn.Module):
    """synapse (-> pool) -> norm (-> pool) (-> attention): a current `[T, N, C_in, *] -> [T, N, C_out, *]`.

    Args:
        synapse: A convolution or linear layer.
        norm: The norm of its currents, or `nn.Identity()`.
        pool: A pool of the currents, or None. Pools of spikes stand behind a unit.
        pool_at: Where the pool stands: "after_norm" (QKFormer), or "before_norm", where the norm reads less (ResNet-9).
        attention: A module `[T, N, C, *] -> same` that weighs the currents behind norm and pool, or None.
    """

    def __init__(
        self,
        synapse: nn.Module,
        norm: nn.Module,
        pool: nn.Module | None = None,
        pool_at: PoolPlace = "after_norm",
        attention: nn.Module | None = None,
    ):
        super().__init__()
        self.pools_first = pool_at == "before_norm"
        self.synapse = synapse
        if self.pools_first:  # modules are registered in forward order
            self.pool, self.norm = pool, norm
        else:
            self.norm, self.pool = norm, pool
        self.attention = attention

    def forward(self, x_seq: Tensor) -> Tensor:
        return self.weighed(self.norm(self.current(x_seq)))

    def current(self, x_seq: Tensor) -> Tensor:
        """What enters the norm."""
        current = self.synapse(x_seq)
        return self.pool(current) if self.pool is not None and self.pools_first else current

    def weighed(self, current: Tensor) -> Tensor:
        """What pool and attention make of the normed current."""
        if self.pool is not None and not self.pools_first:
            current = self.pool(current)
        return current if self.attention is None else self.attention(current)

    def extras(self) -> list[str]:
        """What this layer has beside synapse, norm and neuron, in words: a rule that knows only these refuses it."""
        found = {"a pool": self.pool, "an attention": self.attention}
        return [words for words, module in found.items() if module is not None]


class Unit(Projection):
    """A projection, and the neuron that reads its current: `[T, N, C_in, *] -> spikes [T, N, C_out, *]`.

    Where nothing stands between norm and neuron, a fused kernel may run norm, residual and neuron as one pass. A norm
    that stands behind the spikes (see `behind_spikes`) becomes `spike_norm`, and `norm` is the identity.

    Attributes:
        mechanics: None, or a learning rule's `mechanics(unit, x_seq, residual) -> spikes`, which runs instead of
            `plain` and decides what gradients weights and inputs get. It is no `nn.Module`, so the state dict does not
            see it; one object may serve many units. It calls the unit's synapse, norm and neuron as modules where it
            can, so that hooks on them count what they do; at least where no gradients are asked for, as in a test.
    """

    mechanics: Callable[[Unit, Tensor, Tensor | None], Tensor] | None = None

    def __init__(self, synapse: nn.Module, norm: nn.Module, neuron: nn.Module, *between, **named_between):
        behind = behind_spikes(norm)
        super().__init__(synapse, nn.Identity() if behind else norm, *between, **named_between)
        self.neuron = neuron
        self.spike_norm = norm if behind else None

    def forward(self, x_seq: Tensor, residual: Tensor | None = None) -> Tensor:
        """Spikes of the unit; `residual` is a current `[T, N, C_out, *]` that is added just before the neuron."""
        if self.mechanics is not None:
            return self.mechanics(self, x_seq, residual)
        return self.plain(x_seq, residual)

    def plain(self, x_seq: Tensor, residual: Tensor | None = None) -> Tensor:
        """What the unit does without a rule's mechanics: its parts one after the other, gradients by autograd."""
        current = self.current(x_seq)
        if self.attention is None and (self.pool is None or self.pools_first):
            spikes = self.neuron(current, self.norm, residual)
        else:
            spikes = self.neuron(self.weighed(self.norm(current)), residual=residual)
        return spikes if self.spike_norm is None else self.spike_norm(spikes)

    def extras(self) -> list[str]:
        potential, behind = getattr(self.neuron, "attention", None), self.spike_norm
        found = {"an attention of the potential": potential, "a norm behind the spikes": behind}
        return [*super().extras(), *(words for words, module in found.items() if module is not None)]


@dataclass(frozen=True)
class Parts:
    """Factories handed to a model.

    Args:
        neuron_factory: `neuron(site, **changes)` builds a neuron layer.
        norm_factory: `norm(site)` builds a norm.
        synapse: an object with `conv(dims, c_in, c_out, kernel, stride, padding, bias, groups)` and
            `linear(c_in, c_out, bias)`.
        time_steps: T, the number of time steps.
        attention_factory: `attention(site)` builds the attention of a layer; by default there is none.
    """

    neuron_factory: Callable[..., nn.Module]
    norm_factory: Callable[[Site], nn.Module]
    synapse: object
    time_steps: int
    attention_factory: Callable[[Site], Attention] = Attention
    unit_class: ClassVar[type[Projection]] = Unit

    def neuron(self, channels: int, **changes) -> nn.Module:
        """A neuron layer for `[T, N, channels, *]`; `changes` replace configured values (e.g. `v_th=0.5`)."""
        return self.neuron_factory(Site(channels, self.time_steps), **changes)

    def norm(self, channels: int, *, branches: int = 1, zero_init: bool = False, dims: int = 2) -> nn.Module:
        """A norm of currents `[T, N, channels, *]`; see `Site` for the arguments."""
        v_th = getattr(self.neuron(channels), "v_th", 1.0)
        return self.norm_factory(Site(channels, self.time_steps, v_th, branches, zero_init, dims))

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
        bias: bool | None = None, pool: nn.Module | None = None, pool_at: PoolPlace = "after_norm",
        attended: bool = False, dims: int = 2, **conv,
    ) -> Projection:  # fmt: skip
        """conv -> norm, a current without a neuron; see `Projection` for what may stand between.

        A norm that stands behind spikes has no place here and is left out.

        Args:
            branches, zero_init: see `Site`.
            bias: whether the convolution has a bias; None gives it one only where the norm has no shift.
            pool, pool_at: see `Projection`.
            attended: True lets the configured attention weigh this current. A branch that a neuron reads says so; a
                shortcut does not.
        """
        norm = self.norm(c_out, branches=branches, zero_init=zero_init, dims=dims)
        synapse = self.conv(c_in, c_out, kernel, bias=needs_bias(bias, norm), dims=dims, **conv)
        attention = self._attention(c_out, dims).conv_post if attended else None
        return Projection(synapse, nn.Identity() if behind_spikes(norm) else norm, pool, pool_at, attention)

    def unit(
        self, c_in: int, c_out: int, kernel: int = 3, *, branches: int = 1, zero_init: bool = False,
        bias: bool | None = None, pool: nn.Module | None = None, pool_at: PoolPlace = "after_norm",
        attended: bool = True, dims: int = 2, **conv,
    ) -> Unit:  # fmt: skip
        """conv -> norm -> neuron over `[T, N, C, *]`, or conv -> neuron -> norm; arguments of `projection`."""
        norm = self.norm(c_out, branches=branches, zero_init=zero_init, dims=dims)
        synapse = self.conv(c_in, c_out, kernel, bias=needs_bias(bias, norm), dims=dims, **conv)
        neuron = self.neuron(c_out)
        attention = self._attend(neuron, c_out, dims) if attended else None
        return self.unit_class(synapse, norm, neuron, pool, pool_at, attention)

    def linear_unit(self, c_in: int, c_out: int, *, bias: bool = True, attended: bool = True) -> Unit:
        """linear -> neuron over `[T, N, C]`, without a norm."""
        synapse, neuron = self.linear(c_in, c_out, bias=bias), self.neuron(c_out)
        attention = self._attend(neuron, c_out, 0) if attended else None
        return self.unit_class(synapse, nn.Identity(), neuron, attention=attention)

    def _attention(self, channels: int, dims: int, v_th: float = 1.0) -> Attention:
        return self.attention_factory(Site(channels, self.time_steps, v_th, dims=dims))

    def _attend(self, neuron: nn.Module, channels: int, dims: int) -> nn.Module | None:
        """Give a unit's neuron the attention that acts on its potential; return the one that acts on its current."""
        attention = self._attention(channels, dims, getattr(neuron, "v_th", 1.0))
        if attention.activate_pre is not None:
            if not isinstance(neuron, MembraneNeuron):
                raise ConfigError(
                    f"this attention weighs the membrane potential before the threshold, which {type(neuron).__name__} "
                    "does not hand out; use neuron=lif, neuron=if or neuron=plif, or an attention of the currents"
                )
            neuron.attention = attention.activate_pre
        return attention.conv_post


def behind_spikes(norm: nn.Module) -> bool:
    """Whether a norm stands behind the neuron and reads its spikes, as its class literal `place = "spikes"` says.

    A norm without this literal stands between synapse and neuron and reads currents.
    """
    return getattr(norm, "place", "currents") == "spikes"


def needs_bias(wanted: bool | None, norm: nn.Module) -> bool:
    """Published nets with a norm leave the bias to it; without one in front the synapse must bring its own."""
    return (next(norm.parameters(), None) is None or behind_spikes(norm)) if wanted is None else wanted
