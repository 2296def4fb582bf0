"""What a neuron or a surrogate says about itself so that a kernel can stand in for its Python; no Triton here."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

# the codes of snnbench.kernels.device, which cannot be imported without Triton
ATAN, SIGMOID, TRIANGLE, RECTANGLE, FAST_SIGMOID, GAUSSIAN, EXP_ABS, DSPIKE = range(8)
INTEGRATE, DECAY_INPUT, DECAY_STATE, DECAY_STATE_LEARNT, COMPLEMENTARY, COMPLEMENTARY_OVERWRITTEN, GATED = range(7)
PARALLEL_STEPS = 8  # most steps of a matrix over time that the kernels multiply by
SLIDING_ORDER = 8  # largest order of a kernel that slides over time
BLOCK_STEPS = 16  # most steps of a block that they unroll


def states_its_own(thing: object, method: str, form: str = "kernel_form") -> bool:
    """Whether `form` speaks of the `method` there is: a class that changes the method may not inherit the form."""
    owners = [next(cls for cls in type(thing).__mro__ if name in vars(cls)) for name in (form, method)]
    return issubclass(*owners)


def as_in(thing: object, cls: type, *methods: str) -> bool:
    """Whether no subclass of `cls` changed any of these methods."""
    return all(getattr(type(thing), name) is getattr(cls, name) for name in methods)


@dataclass(frozen=True)
class SurrogateForm:
    """kind and its two numbers: ATAN (alpha/2, pi alpha/2), SIGMOID (alpha, -), TRIANGLE (gamma, 1/gamma^2),
    RECTANGLE (width/2, 1/width), FAST_SIGMOID (scale, beta), GAUSSIAN (1/(sqrt(2 pi) sigma), 1/(2 sigma^2)),
    EXP_ABS (scale/width, 1/width), DSPIKE (b, half width)."""

    kind: int
    p0: float
    p1: float = 0.0


def surrogate_form(surrogate) -> SurrogateForm | None:
    """The surrogate as the kernels know it, or None: they do not."""
    return surrogate.kernel_form() if states_its_own(surrogate, "derivative") else None


@dataclass(frozen=True)
class ChargeForm:
    """kind and k: 1/tau (DECAY_INPUT, DECAY_STATE_LEARNT), 1 - 1/tau (DECAY_STATE); a 0-d tensor where it is learnt."""

    kind: int
    k: float | Tensor = 0.0


@dataclass(frozen=True)
class MembraneForm:
    """A neuron in numbers: `constants` [k, v_th, v_reset, amplitude, p0, p1], `codes` [dynamics, surrogate, soft,
    detach, strict], and the learnt numbers `[R, C]`, or `[R, 1]` where channels share them (gradients flow to them).

    R is 1 (k), or for GATED 5 + T: keep, clear, sink, drop, v_th and the input gains of the steps, longest = T.
    """

    constants: list[float]
    codes: list[int]
    learnt: Tensor | None = None
    longest: int | None = None

    def fits(self, time_steps: int) -> bool:
        """Whether the neuron takes sequences of this length."""
        return self.longest is None or time_steps <= self.longest


@dataclass(frozen=True)
class ParallelForm:
    """A neuron that is one matrix over time: weight `[T, T]`, bias `[T]`, or weight `[K]` that slides over any T and
    bias `[1]` (gradients flow to both), `constants` [amplitude, p0, p1], `codes` [surrogate, strict]."""

    weight: Tensor
    bias: Tensor
    constants: list[float]
    codes: list[int]

    def fits(self, time_steps: int) -> bool:
        """Whether the matrix is one over that many steps."""
        return self.weight.dim() == 1 or time_steps == len(self.bias)


@dataclass(frozen=True)
class AdaptiveForm:
    """An adaptive neuron: beta, p and b `[3, C]` (gradients flow to them), `constants` [v_th, latency, amplitude, p0,
    p1], `codes` [surrogate, detach, strict]; length: steps of a block of BlockALIF, 0 for ALIF."""

    learnt: Tensor
    constants: list[float]
    codes: list[int]
    length: int

    def fits(self, time_steps: int) -> bool:
        """Any length will do."""
        return True


@dataclass(frozen=True)
class NormForm:
    """Batch normalisation over (T, N, space) in numbers; `training`: use and update statistics of the batch.

    steps: what multiplies the normed current of each step, `[T]` (TEBN), or None. batches: a count of training batches.
    """

    gain: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor
    training: bool
    momentum: float
    eps: float
    steps: Tensor | None = None
    batches: Tensor | None = None


@dataclass(frozen=True)
class RenormForm:
    """OSR's norm of one step in numbers; `training`: bound k and collect the step's statistics in `pending` (sums of
    mean and mean square `[C]`, their number 0-d). clip: bound k channel by channel, else let the layer fall back."""

    gain: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor
    pending: tuple[Tensor, Tensor, Tensor]
    training: bool
    eps: float
    bound: float
    clip: bool
