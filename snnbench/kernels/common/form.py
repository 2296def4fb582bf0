"""What a layer says about itself so that a kernel can stand in for its Python, or why none can. No Triton here.

A neuron's `kernel_form()` gives the `Form` of its family, or a `Refusal`; so do a norm's and a surrogate's. A form
holds numbers and knows the runner of its family, so `dispatch` needs no list of families.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor


@dataclass(frozen=True)
class Refusal:
    """Why no kernel stands in for a layer.

    Args:
        why: a clause that goes on from "no fused kernel, because ...".
    """

    why: str


class Form:
    """A neuron in numbers; one subclass for each family of kernels.

    Attributes:
        constants: numbers that reach the kernel as arguments.
        codes: whole numbers for which the kernel is compiled; the family's operators say in what order.
        takes_steps: whether the family's kernels multiply the normed current by a factor for each step (TEBN).
    """

    constants: list[float]
    codes: list[int]
    takes_steps: ClassVar[bool] = False

    def fits(self, time_steps: int) -> bool:
        """Whether the neuron takes sequences of this length; where not, its own code refuses them."""
        return True

    def run(self, x_seq: Tensor, residual: Tensor | None, norm: NormForm | None) -> Tensor:
        """Spikes `[T, N, C, *]` of the currents x_seq `[T, N, C, *]`, normalised by `norm`, plus the residual.

        An implementation imports its operators here, in the call: they need Triton.
        """
        raise NotImplementedError(f"{type(self).__name__} must define run(x_seq, residual, norm)")


@dataclass(frozen=True)
class SurrogateForm:
    """A surrogate's derivative in numbers: its code in `codes`, where the meaning of p0 and p1 is said too."""

    kind: int
    p0: float
    p1: float = 0.0


@dataclass(frozen=True)
class NormForm:
    """Batch normalisation over (T, N, space) in numbers.

    Args:
        gain, bias, running_mean, running_var: `[C]` each.
        training: the statistics of the batch are used, and the running ones move.
        momentum: weight of the batch in the running statistics.
        eps: what is added to the variance.
        steps: `[T]`, factors of the normed current of each step (TEBN), or None.
        batches: a count of training batches that goes up by one, or None.
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


def surrogate_form(surrogate) -> SurrogateForm | Refusal:
    """The surrogate as the kernels know it, or why they do not."""
    return unstated(surrogate, "derivative") or surrogate.kernel_form()


def unstated(thing: object, method: str, form: str = "kernel_form") -> Refusal | None:
    """A refusal if a class of `thing` overrides `method` below the class that defines `form`.

    The form would then describe the parent's method, and the kernel would run that one.
    """
    owners = [next(cls for cls in type(thing).__mro__ if name in vars(cls)) for name in (form, method)]
    if issubclass(*owners):
        return None
    return Refusal(f"{owners[1].__name__} overrides {method}() without a {form}() of its own")


def overridden(thing: object, cls: type, *methods: str) -> Refusal | None:
    """A refusal if a subclass of `cls` overrides one of the methods, all of which the kernel computes itself."""
    for method in methods:
        if getattr(type(thing), method) is not getattr(cls, method):
            return Refusal(f"{type(thing).__name__} overrides {method}(), which the kernel computes itself")
    return None
