"""Which path a neuron takes on CUDA: its fused kernel where one can stand in, else its own Python compiled
(`compiled`), else plain PyTorch. What is not fused is said once.

Models and rules never look here; neurons do. `refusal` tells why a layer does not run fused.
"""

from __future__ import annotations

from torch import Tensor

from snnbench.kernels import compiled
from snnbench.kernels.common.form import Form, NormForm, Refusal
from snnbench.kernels.common.mode import DTYPES, has_triton, hooked, log

_said: set[str] = set()


def run(neuron, x_seq: Tensor, norm, residual: Tensor | None) -> Tensor | None:
    """Spikes of `neuron(norm(x_seq) + residual)` from the kernels, or None: the caller takes the reference path.

    Args:
        neuron: a `Temporal` with `form() -> Form | Refusal`.
        x_seq: currents `[T, N, C, *]`. Lengths that a neuron or a norm was not built for give None, since their own
            code refuses them with a sentence.
        norm: None, or a module that may have `kernel_form() -> NormForm | Refusal`. A norm that the kernel cannot take
            in runs by itself before it.
        residual: `[T, N, C, *]`, or None.
    """
    if not has_triton():
        return None
    form = neuron.form()
    refused = refusal(form, x_seq)
    if refused is not None:
        return _compiled(neuron, x_seq, norm, residual, refused)
    if not form.fits(len(x_seq)):
        return None
    norm_form = None if norm is None else _norm_form(norm, form, len(x_seq))
    if norm is not None and norm_form is None:
        x_seq = norm(x_seq)
    elif norm_form is not None and norm_form.training and norm_form.batches is not None:
        norm_form.batches.add_(1)
    return form.run(x_seq, residual, norm_form)


def refusal(form: Form | Refusal, x_seq: Tensor) -> Refusal | None:
    """Why the kernel of this form does not run on these currents, or None where it does."""
    if isinstance(form, Refusal):
        return form
    return None if x_seq.dtype in DTYPES else Refusal(f"its input is {x_seq.dtype} and kernels read fp32, bf16 or fp16")


def _norm_form(norm, form: Form, time_steps: int) -> NormForm | None:
    """The norm as this neuron's kernel takes it in, or None where the norm has to run by itself."""
    make = getattr(norm, "kernel_form", None)
    norm_form = None if make is None or hooked(norm) else make()
    if not isinstance(norm_form, NormForm):
        return None
    steps = norm_form.steps
    return norm_form if steps is None or (form.takes_steps and len(steps) == time_steps) else None


def _compiled(neuron, x_seq: Tensor, norm, residual: Tensor | None, refused: Refusal) -> Tensor | None:
    """Spikes from the neuron's own Python, compiled, or None: the caller takes the reference path."""
    walk = compiled.walk_of(neuron, x_seq)
    _say_once(neuron, refused, walk)
    if not isinstance(walk, compiled.CompiledWalk):
        return None
    return walk.run(x_seq if norm is None else norm(x_seq), residual)


def _say_once(neuron, refused: Refusal, instead: compiled.CompiledWalk | Refusal | None) -> None:
    text = f"no fused kernel for {type(neuron).__name__}, because {refused.why}: this layer "
    if isinstance(instead, compiled.CompiledWalk):
        text += "runs its own Python compiled by torch.compile"
    else:
        text += "runs as plain PyTorch" + (f", since {instead.why}" if instead else "")
    if text not in _said:
        _said.add(text)
        log.warning(text)
