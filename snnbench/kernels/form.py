"""What a neuron or a surrogate says about itself so that a kernel can stand in for its Python; no Triton here."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

# the codes of snnbench.kernels.device, which cannot be imported without Triton
ATAN, SIGMOID, TRIANGLE, RECTANGLE, FAST_SIGMOID = range(5)
INTEGRATE, DECAY_INPUT, DECAY_STATE, DECAY_STATE_LEARNT = range(4)


def states_its_own(thing: object, method: str, form: str = "kernel_form") -> bool:
    """Whether the class that defines `method` also defines `form`: a subclass may not inherit just one."""
    owners = [next(cls for cls in type(thing).__mro__ if name in vars(cls)) for name in (method, form)]
    return owners[0] is owners[1]


@dataclass(frozen=True)
class SurrogateForm:
    """kind and its two numbers: ATAN (alpha/2, pi alpha/2), SIGMOID (alpha, -), TRIANGLE (gamma, 1/gamma^2),
    RECTANGLE (width/2, 1/width), FAST_SIGMOID (scale, beta)."""

    kind: int
    p0: float
    p1: float = 0.0


@dataclass(frozen=True)
class ChargeForm:
    """kind and k: 1/tau (DECAY_INPUT, DECAY_STATE_LEARNT), 1 - 1/tau (DECAY_STATE); a 0-d tensor where it is learnt."""

    kind: int
    k: float | Tensor = 0.0


@dataclass(frozen=True)
class MembraneForm:
    """A charge-fire-reset neuron in numbers: the kernels' `constants`, `codes` and learnt k."""

    constants: list[float]
    codes: list[int]
    k: Tensor | None


@dataclass(frozen=True)
class NormForm:
    """Batch normalisation over (T, N, space) in numbers; `training`: use and update statistics of the batch."""

    gain: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor
    training: bool
    momentum: float
    eps: float
