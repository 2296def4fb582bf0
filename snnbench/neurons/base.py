"""The base class of all neurons: the arguments they share, when they fire, and what they emit.

A neuron maps a sequence of input currents `[T, N, C, *]` to spikes of the same shape and starts each sequence from
rest. A subclass defines `step`. On a GPU, `forward` calls a fused kernel instead of looping over `step` where one
exists; the kernel must give the same spikes and gradients. A neuron without a kernel needs to do nothing: on CUDA its
`step` runs compiled (`snnbench.kernels.compiled`).
"""

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor, nn

from snnbench.kernels import dispatch
from snnbench.kernels.common.form import Form, Refusal
from snnbench.kernels.common.mode import wanted
from snnbench.site import Site
from snnbench.temporal import State, Temporal, active_states, full_precision


class Neuron(Temporal):
    """A layer of spiking neurons: `[T, N, C, *]` currents -> `[T, N, C, *]` spikes, each 0 or `amplitude`.

    The state is kept in at least fp32 (in double if the input is double), also under bf16 autocast; the spikes have the
    dtype of the input. A neuron with trainable numbers returns them from `learnt()`, and training logs them
    (`snnbench.train.parameters`).

    Attributes:
        watcher: None, or a function that `fire` calls with every potential that it compares with v_th. It is set while
            an objective reads potentials (`snnbench.objectives.taps`); the neuron then runs as plain PyTorch.

    Args:
        site: The layer's place in the network: its channels, time steps and more. The program passes it.
        surrogate: The spike function of u - v_th. All layers share one; it has no parameters. The program passes it.
        v_th: The firing threshold, in units of the membrane potential.
        strict: True fires at u > v_th (STBP, tdBN, TET, MS-ResNet), False at u >= v_th (SpikingJelly, OTTT).
        amplitude: The height of an emitted spike; OTTT's weight-standardised nets use 2.74. The reset ignores it.
    """

    delay = 0  # number of steps from an input to the first spike that it can cause
    zero_states = 0  # number of tensors in a state that starts at zero; 0 where `initial_state` is overridden
    printed: tuple[str, ...] = ("v_th", "strict", "amplitude")  # the attributes that `repr` shows
    watcher: Callable[[Tensor], None] | None = None

    def __init__(
        self,
        site: Site,
        surrogate: nn.Module,
        v_th: Annotated[float, "> 0"] = 1.0,
        strict: bool = False,
        amplitude: Annotated[float, "> 0"] = 1.0,
    ):
        super().__init__()
        self.site, self.surrogate = site, surrogate
        self.v_th, self.strict, self.amplitude = v_th, strict, amplitude

    def kernel_form(self) -> Form | Refusal:
        """What a fused kernel needs to compute this neuron, or why none can; its `step` then runs compiled."""
        return Refusal("nobody has written one for its dynamics")

    def form(self) -> Form | Refusal:
        """`kernel_form()`, or a refusal while an objective reads the membrane potential."""
        if self.watcher is not None:
            return Refusal("an objective sees its membrane potential, which no kernel writes out")
        return self.kernel_form()

    def forward(self, x_seq: Tensor, norm: nn.Module | None = None, residual: Tensor | None = None) -> Tensor:
        """Spikes `[T, N, C, *]` of the current `norm(x_seq) + residual`, in one fused pass if a kernel can do it.

        Args:
            x_seq: The output `[T, N, C, *]` of the layer's synapse.
            norm: The norm between synapse and neuron, or None.
            residual: A current `[T, N, C, *]` that is added after the norm, or None.
        """
        if active_states() is None and wanted(x_seq):
            spikes = dispatch.run(self, x_seq, norm, residual)
            if spikes is not None:
                return spikes
        current = x_seq if norm is None else norm(x_seq)
        return super().forward(current if residual is None else current + residual)

    def initial_state(self, x_t: Tensor) -> State:
        """The state before the first step: `zero_states` tensors of zeros in the shape `[N, C, *]`, or None."""
        if not self.zero_states:
            return None
        return (torch.zeros_like(full_precision(x_t), requires_grad=False),) * self.zero_states

    def fire(self, u: Tensor) -> Tensor:
        """Spikes {0, 1} of the membrane potential `u`, same shape and dtype, with the surrogate's gradient.

        `u` is one step `[N, *]` or the whole sequence `[T, N, *]`. A neuron with a moving threshold does not use this
        method but calls `surrogate` itself; an objective that reads potentials refuses such a neuron.
        """
        if self.watcher is not None:
            self.watcher(u)
        return self.surrogate(u - self.v_th, strict=self.strict)

    def emit(self, spike: Tensor, x_t: Tensor) -> Tensor:
        """The output of a step or sequence: `spike` times the amplitude, in the dtype of the input `x_t`."""
        spike = spike.to(x_t.dtype)
        return spike if self.amplitude == 1 else spike * self.amplitude

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in self.printed)
