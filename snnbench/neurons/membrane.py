"""Neurons with one membrane potential: charge, fire, reset (the iterative form of STBP, Wu et al. 2018).

    h_t = charge(v_{t-1}, x_t);   s_t = H(compared(h_t) - v_th),   compared(h) = h;
    v_t = v_reset where s_t = 1, else h_t   (hard)        or        v_t = h_t - v_th s_t   (soft);      v_0 = v_reset.

STBP's u_t = d u_{t-1} (1 - o_{t-1}) + x_t is the hard form with the reset written at the start of the next step.

`compared` is where something may stand between charge and fire: a norm of the membrane potential (MPBN, Guo et al.,
ICCV 2023), or an attention. It changes what the threshold sees and nothing else: the reset acts on h_t.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.kernels.common.form import Refusal, overridden, surrogate_form, unstated
from snnbench.kernels.membrane.form import ChargeForm, MembraneForm, walk_step
from snnbench.neurons.base import Neuron
from snnbench.site import Site
from snnbench.temporal import full_precision

# what the kernels write out: a neuron that overrides one of them runs as plain PyTorch
_KERNEL_DOES = ("initial_state", "step", "reset", "sequence", "fire", "emit", "compared")


class MembraneNeuron(Neuron):
    """Charge-fire-reset neuron; a subclass gives `charge(v, x_t) -> h_t`. The state is the membrane potential `[N, *]`.

    Attributes:
        attention: None, or a module `[N, C, *] -> [N, C, *]` that weighs the potential of each step before the
            threshold sees it; `snnbench.models.parts.Parts` sets it.

    Args:
        reset: "hard" sets the potential to v_reset, "soft" subtracts v_th.
        v_reset: resting potential: where a sequence starts, where the leak leads, and where a hard reset goes.
        detach_reset: no gradient through the spike that resets (the surrogate then acts on the output path only).

    Raises:
        ConfigError: v_reset is not below v_th (the neuron would fire for ever).
    """

    def __init__(
        self,
        site: Site,
        surrogate: nn.Module,
        reset: Literal["hard", "soft"] = "hard",
        v_reset: float = 0.0,
        detach_reset: bool = True,
        **rest,
    ):
        super().__init__(site, surrogate, **rest)
        if v_reset >= self.v_th:
            raise ConfigError(
                f"neuron.v_reset={v_reset} must lie below neuron.v_th={self.v_th}; lower it or raise v_th."
            )
        self.soft, self.v_reset, self.detach_reset = reset == "soft", v_reset, detach_reset
        self.attention: nn.Module | None = None

    def charge(self, v: Tensor, x_t: Tensor) -> Tensor:
        """Potential before firing, from the one after the last reset and the input current; both `[N, *]`."""
        raise NotImplementedError(f"{type(self).__name__} must define charge(v, x_t)")

    def compared(self, h: Tensor) -> Tensor:
        """What the threshold sees of the potential `h` `[N, C, *]` before the reset; same shape, the reset acts on `h`.

        A subclass that overrides it runs as plain PyTorch, since no kernel knows what it does.
        """
        return h if self.attention is None else self.attention(h)

    def kernel_charge(self) -> ChargeForm | Refusal:
        """`charge` as the fused kernels know it, or why not; a subclass with its own `charge` states its own."""
        return Refusal(f"{type(self).__name__} has no kernel_charge()")

    def kernel_form(self) -> MembraneForm | Refusal:
        if self.attention is not None:
            return Refusal("its threshold sees something else than the membrane potential")
        refused = overridden(self, MembraneNeuron, *_KERNEL_DOES) or unstated(self, "charge", "kernel_charge")
        if refused is not None:
            return refused
        charge, surrogate = self.kernel_charge(), surrogate_form(self.surrogate)
        for part in (charge, surrogate):
            if isinstance(part, Refusal):
                return part
        learnt = isinstance(charge.k, Tensor)
        constants = [0.0 if learnt else charge.k, self.v_th, self.v_reset, self.amplitude, surrogate.p0, surrogate.p1]
        codes = [charge.kind, surrogate.kind, int(self.soft), int(self.detach_reset), int(self.strict)]
        return MembraneForm([float(c) for c in constants], codes, charge.k.view(1, 1) if learnt else None)

    def initial_state(self, x_t: Tensor) -> Tensor:
        return torch.full_like(full_precision(x_t), self.v_reset, requires_grad=False)

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        walked = walk_step(self.form, x_t, state)
        if walked is not None:
            return walked
        h = self.charge(state, full_precision(x_t))
        spike = self.fire(self.compared(h))
        return self.emit(spike, x_t), self.reset(h, spike)

    def reset(self, h: Tensor, spike: Tensor) -> Tensor:
        """Potential after the reset of those that fired."""
        if self.detach_reset:
            spike = spike.detach()
        if self.soft:
            return torch.sub(h, spike, alpha=self.v_th)
        if self.detach_reset:
            # the product below with a bool kept for its gradient; masked_fill would leave channels-last order
            return torch.where(spike.bool(), self.v_reset, h)
        return (1 - spike) * h + self.v_reset * spike

    def extra_repr(self) -> str:
        kind = "soft" if self.soft else "hard"
        return f"{super().extra_repr()}, reset={kind}, v_reset={self.v_reset}, detach_reset={self.detach_reset}"
