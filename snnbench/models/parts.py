"""The parts of which models are built: synapse, norm, neuron, and the unit that chains them.

A model never names a concrete neuron, norm, synapse or attention. It requests a layer from its `Parts` and describes
the layer's place in the network (`Site`).
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
        pool: A pool of the currents, or None. A pool of spikes is a module of its own after the unit.
        pool_at: The place of the pool, "after_norm" (QKFormer) or "before_norm" (ResNet-9), where the norm has less
            to compute.
        attention: A module `[T, N, C, *] -> same` that scales the currents after norm and pool, or None.
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
        """The input of the norm."""
        current = self.synapse(x_seq)
        return self.pool(current) if self.pool is not None and self.pools_first else current

    def weighed(self, current: Tensor) -> Tensor:
        """Apply the pool and the attention that follow the norm."""
        if self.pool is not None and not self.pools_first:
            current = self.pool(current)
        return current if self.attention is None else self.attention(current)

    def extras(self) -> list[str]:
        """Names of the parts besides synapse, norm and neuron; a rule that cannot handle them refuses the model."""
        found = {"a pool": self.pool, "an attention": self.attention}
        return [words for words, module in found.items() if module is not None]


class Unit(Projection):
    """A projection followed by a neuron, `[T, N, C_in, *] -> spikes [T, N, C_out, *]`.

    If no pool or attention comes between norm and neuron, a fused kernel may compute norm, residual and neuron in one
    pass. A norm of spikes (see `behind_spikes`) becomes `spike_norm`, and `norm` is then the identity.

    Attributes:
        mechanics: None, or a function `mechanics(unit, x_seq, residual) -> spikes` of a learning rule, which is called
            instead of `plain` and defines the gradients of weights and inputs. It is no `nn.Module`, so it adds nothing
            to the state dict; several units may share it. Where no gradients are needed, as in evaluation, it must call
            the unit's synapse, norm and neuron as modules, so that hooks on them can count operations.
    """

    mechanics: Callable[[Unit, Tensor, Tensor | None], Tensor] | None = None

    def __init__(self, synapse: nn.Module, norm: nn.Module, neuron: nn.Module, *between, **named_between):
        behind = behind_spikes(norm)
        super().__init__(synapse, nn.Identity() if behind else norm, *between, **named_between)
        self.neuron = neuron
        self.spike_norm = norm if behind else None

    def forward(self, x_seq: Tensor, residual: Tensor | None = None) -> Tensor:
        """The spikes; `residual`, if given, is a current `[T, N, C_out, *]` that is added just before the neuron."""
        if self.mechanics is not None:
            return self.mechanics(self, x_seq, residual)
        return self.plain(x_seq, residual)

    def plain(self, x_seq: Tensor, residual: Tensor | None = None) -> Tensor:
        """The unit's computation without a rule's mechanics: one part after the other, with autograd's gradients."""
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
    """The factories with which a model builds its layers.

    Args:
        neuron_factory: Called as `neuron(site, **changes)`, it builds a neuron layer.
        norm_factory: Called as `norm(site)`, it builds a norm.
        synapse: Builds synapses by `conv(dims, c_in, c_out, kernel, stride, padding, bias, groups)` and
            `linear(c_in, c_out, bias)`.
        time_steps: The number T of time steps.
        attention_factory: Called as `attention(site)`, it builds the attention of a layer; by default there is none.
    """

    neuron_factory: Callable[..., nn.Module]
    norm_factory: Callable[[Site], nn.Module]
    synapse: object
    time_steps: int
    attention_factory: Callable[[Site], Attention] = Attention
    unit_class: ClassVar[type[Projection]] = Unit

    def neuron(self, channels: int, **changes) -> nn.Module:
        """A neuron layer for `[T, N, channels, *]`; `changes` replace configured arguments (e.g. `v_th=0.5`)."""
        return self.neuron_factory(Site(channels, self.time_steps), **changes)

    def norm(self, channels: int, *, branches: int = 1, zero_init: bool = False, dims: int = 2) -> nn.Module:
        """A norm for `[T, N, channels, *]`; `Site` explains the arguments."""
        v_th = getattr(self.neuron(channels), "v_th", 1.0)
        return self.norm_factory(Site(channels, self.time_steps, v_th, branches, zero_init, dims))

    def conv(
        self, c_in: int, c_out: int, kernel: int = 3, *, stride: int = 1, padding: int | None = None,
        bias: bool = False, groups: int = 1, dims: int = 2,
    ) -> nn.Module:  # fmt: skip
        """A convolution over `[T, N, C, *]` with `dims` spatial axes; by default it keeps the size for stride 1."""
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
        """A convolution and a norm without a neuron; a norm of spikes is left out.

        Args:
            branches, zero_init: The arguments of the same name of `Site`.
            bias: Whether the convolution has a bias; None gives it one only if the norm has no shift.
            pool, pool_at: The arguments of the same name of `Projection`.
            attended: True applies the configured attention to this current. Models set it for a branch that a neuron
                reads, not for a shortcut.
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
        """conv -> norm -> neuron over `[T, N, C, *]`, or conv -> neuron -> norm of spikes; see `projection`."""
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
        """Attach the attention on the potential to the neuron, and return the attention on the current."""
        attention = self._attention(channels, dims, getattr(neuron, "v_th", 1.0))
        if attention.activate_pre is not None:
            if not isinstance(neuron, MembraneNeuron):
                raise ConfigError(
                    f"this attention scales the membrane potential before the threshold, which {type(neuron).__name__} "
                    "does not provide; use neuron=lif, neuron=if or neuron=plif, or an attention of the currents"
                )
            neuron.attention = attention.activate_pre
        return attention.conv_post


def behind_spikes(norm: nn.Module) -> bool:
    """Whether a norm acts on the neuron's spikes, which its class declares by `place = "spikes"`.

    Every other norm acts on the current between synapse and neuron.
    """
    return getattr(norm, "place", "currents") == "spikes"


def needs_bias(wanted: bool | None, norm: nn.Module) -> bool:
    """Whether a synapse has a bias; if `wanted` is None, it has one only if no norm with a shift follows it."""
    return (next(norm.parameters(), None) is None or behind_spikes(norm)) if wanted is None else wanted
