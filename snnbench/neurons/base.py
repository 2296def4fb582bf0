"""The contract of spiking neurons: how one is built, when it fires, what leaves it.

A neuron maps a sequence of input currents `[T, N, *]` to spikes `[T, N, *]`, starting from rest. `Neuron.forward` lets
a fused kernel stand in for the loop of `step`s, and a membrane neuron's `step` one for a walk that cuts the state from
the graph; either must give the same spikes and gradients. On CUDA a neuron without a kernel runs compiled, for which it
need do nothing: `snnbench.kernels.compiled`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from torch import Tensor, nn

from snnbench.kernels import dispatch
from snnbench.kernels.common.form import Form, Refusal
from snnbench.kernels.common.mode import wanted
from snnbench.site import Site
from snnbench.temporal import Temporal, active_states


class Neuron(Temporal):
    """A layer of spiking neurons: `[T, N, C, *] -> [T, N, C, *]`, spikes in {0, amplitude}.

    State is held in at least fp32 (double if the input is double), also under bf16 autocast; what comes out has the
    input's dtype. One that learns numbers states them by `learnt()`, see `snnbench.train.parameters`.

    Attributes:
        watcher: None, or a function that `fire` calls with every potential that it compares with v_th. It is set while
            an objective sees potentials (`snnbench.objectives.taps`), and the neuron then runs as plain PyTorch.

    Args:
        site: where the layer sits (injected).
        surrogate: spike function of u - v_th (injected; shared between layers, it has no parameters).
        v_th: firing threshold (units of membrane potential).
        strict: fire at u > v_th (STBP, tdBN, TET, MS-ResNet) instead of u >= v_th (SpikingJelly, OTTT).
        amplitude: height of an emitted spike (OTTT's weight-standardised nets use 2.74); the reset does not see it.
    """

    delay = 0  # steps from an input to the first spike that it can cause
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
        """This neuron as a family of fused kernels knows it, or why none does: its `step` then runs compiled."""
        return Refusal("nobody has written one for its dynamics")

    def form(self) -> Form | Refusal:
        """What stands in for this neuron now: its `kernel_form()`, or no kernel while its potential is watched."""
        if self.watcher is not None:
            return Refusal("an objective sees its membrane potential, which no kernel writes out")
        return self.kernel_form()

    def forward(self, x_seq: Tensor, norm: nn.Module | None = None, residual: Tensor | None = None) -> Tensor:
        """Spikes `[T, N, C, *]` of `norm(x_seq) + residual`: one fused pass, or its steps compiled, or one by one."""
        if active_states() is None and wanted(x_seq):
            spikes = dispatch.run(self, x_seq, norm, residual)
            if spikes is not None:
                return spikes
        current = x_seq if norm is None else norm(x_seq)
        return super().forward(current if residual is None else current + residual)

    def fire(self, u: Tensor) -> Tensor:
        """Spikes {0, 1} of the membrane potential `u`, same shape and dtype, with the surrogate's gradient.

        `u` is one step `[N, *]` or the whole sequence `[T, N, *]`. A neuron whose threshold moves calls its surrogate
        itself; objectives that see potentials then refuse it.
        """
        if self.watcher is not None:
            self.watcher(u)
        return self.surrogate(u - self.v_th, strict=self.strict)

    def emit(self, spike: Tensor, x_t: Tensor) -> Tensor:
        """What leaves the neuron: spikes times the amplitude, in the dtype of its input."""
        spike = spike.to(x_t.dtype)
        return spike if self.amplitude == 1 else spike * self.amplitude

    def extra_repr(self) -> str:
        return f"v_th={self.v_th}, strict={self.strict}, amplitude={self.amplitude}"
