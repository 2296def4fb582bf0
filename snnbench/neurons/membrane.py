"""Neurons with one membrane potential that charge, fire and reset at each step (as in STBP, Wu et al. 2018).

    h_t = charge(v_{t-1}, x_t);   s_t = H(compared(h_t) - v_th),   compared(h) = h;
    v_t = v_reset where s_t = 1, else h_t   (hard)        or        v_t = h_t - v_th s_t   (soft);      v_0 = v_reset.

STBP writes u_t = d u_{t-1} (1 - o_{t-1}) + x_t, which is the hard form with the reset at the start of the next step.

A subclass may override `compared` to change the potential that is compared with the threshold, for example by a norm
(MPBN, Guo et al., ICCV 2023) or an attention. The reset always acts on h_t itself.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from snnbench.errors import ConfigError
from snnbench.kernels.common.form import Refusal, overridden, surrogate_form, unstated
from snnbench.kernels.membrane.form import ChargeForm, MembraneForm, walk_step
from snnbench.neurons.base import Neuron
from snnbench.site import Site
from snnbench.temporal import full_precision

# the kernels compute these methods: a subclass that overrides one of them runs as plain PyTorch
_KERNEL_DOES = ("initial_state", "step", "reset", "sequence", "fire", "emit", "compared")


def membrane_form(
    neuron: Neuron,
    dynamics: int,
    leak: float = 0.0,
    *,
    v_reset: float = 0.0,
    soft: bool = False,
    detach: bool = False,
    learnt: Tensor | None = None,
    longest: int | None = None,
) -> MembraneForm | Refusal:
    """What the membrane kernels need to compute `neuron`, or a refusal if they lack its surrogate.

    `dynamics` is the kernels' code of the neuron's update (`snnbench.kernels.membrane.codes`) and `leak` the k of that
    update; `MembraneNeuron` explains the reset, `MembraneForm` the last two arguments.
    """
    surrogate = surrogate_form(neuron.surrogate)
    if isinstance(surrogate, Refusal):
        return surrogate
    constants = [leak, neuron.v_th, v_reset, neuron.amplitude, surrogate.p0, surrogate.p1]
    codes = [dynamics, surrogate.kind, int(soft), int(detach), int(neuron.strict)]
    return MembraneForm([float(number) for number in constants], codes, learnt, longest)


class MembraneNeuron(Neuron):
    """Charge-fire-reset neuron; a subclass defines `charge`. The state is the membrane potential `[N, C, *]`.

    Attributes:
        attention: None, or a module `[N, C, *] -> [N, C, *]` that scales the potential of each step before it is
            compared with the threshold. `snnbench.models.parts.Parts` sets it.

    Args:
        reset: "hard" sets the potential to v_reset after a spike, "soft" subtracts v_th from it.
        v_reset: The resting potential: a sequence starts there, the leak decays towards it, and a hard reset sets it.
        detach_reset: True sends no gradient through the spike that resets the potential.

    Raises:
        ConfigError: v_reset is not below v_th, so the neuron would fire at every step.
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
        """The potential h_t from the potential `v` after the last reset and the input current; all `[N, C, *]`."""
        raise NotImplementedError(f"{type(self).__name__} must define charge(v, x_t)")

    def compared(self, h: Tensor) -> Tensor:
        """The potential that is compared with the threshold, from `h` `[N, C, *]`, of the same shape.

        A subclass that overrides this method runs as plain PyTorch, because no kernel can compute it.
        """
        return h if self.attention is None else self.attention(h)

    def kernel_charge(self) -> ChargeForm | Refusal:
        """What the fused kernels need to compute `charge`, or why they cannot; it belongs beside every `charge`."""
        return Refusal(f"{type(self).__name__} has no kernel_charge()")

    def kernel_form(self) -> MembraneForm | Refusal:
        if self.attention is not None:
            return Refusal("an attention scales the potential before it is compared with the threshold")
        charge = overridden(self, MembraneNeuron, *_KERNEL_DOES) or unstated(self, "charge", "kernel_charge")
        charge = charge or self.kernel_charge()
        if isinstance(charge, Refusal):
            return charge
        leak, learnt = (0.0, charge.k.view(1, 1)) if isinstance(charge.k, Tensor) else (charge.k, None)
        reset = {"v_reset": self.v_reset, "soft": self.soft, "detach": self.detach_reset}
        return membrane_form(self, charge.kind, leak, **reset, learnt=learnt)

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
        """The potential after the reset, from the potential `h` and the spikes {0, 1}; all `[N, C, *]`."""
        if self.detach_reset:
            spike = spike.detach()
        if self.soft:
            return torch.sub(h, spike, alpha=self.v_th)
        if self.detach_reset:
            # saves a bool for the backward pass, unlike the product below; masked_fill would lose channels-last order
            return torch.where(spike.bool(), self.v_reset, h)
        return (1 - spike) * h + self.v_reset * spike

    def extra_repr(self) -> str:
        kind = "soft" if self.soft else "hard"
        return f"{super().extra_repr()}, reset={kind}, v_reset={self.v_reset}, detach_reset={self.detach_reset}"
