"""One step of a work, the same for every engine: a training step, or the forward and backward pass of a layer.

`MODES` holds every way to run a step. An engine names the modes that it supports, and `variants_of` combines them with
both precisions and both memory layouts. Each variant is measured, and the fastest counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnbench.bench.works import Work
from snnbench.synapses.base import channels_last
from snnbench.temporal import is_static, shown
from snnbench.train.capture import CapturedBatch

Step = Callable[[], object]
# make_step(model, optimizer, x_seq [T,N,C,H,W], target [N], precision) -> step; the last argument is "bf16" or "fp32"
MakeStep = Callable[[nn.Module, torch.optim.Optimizer, Tensor, Tensor, str], Step]


@dataclass(frozen=True)
class Variant:
    """One way in which an engine runs a work. The fastest variant of an engine counts.

    precision: "bf16" (autocast) or "fp32" (with TF32 on CUDA). layout: "contiguous" or "channels_last". mode: a key of
    `MODES`.
    """

    precision: str = "bf16"
    layout: str = "channels_last"
    mode: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.precision, self.layout, self.mode)))


@dataclass
class Prepared:
    """A step ready to be timed. peak_from_start: see `measure`; True for captured graphs."""

    step: Step
    parameters: int | None = None
    peak_from_start: bool = False


def train_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, x_seq: Tensor, target: Tensor, precision: str
) -> Step:
    """Forward, cross-entropy of the mean logits, backward, optimiser step. The host does not wait for the device."""

    def step() -> Tensor:
        with autocast(x_seq.device, precision):
            loss = F.cross_entropy(model(x_seq).float().mean(0), target)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    return step


def captured_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, x_seq: Tensor, target: Tensor, precision: str
) -> Step:
    """Like `train_step`, with forward and backward replayed as a CUDA graph as in snnbench.train.capture."""
    time_steps, static = x_seq.shape[0], is_static(x_seq)

    def forward_backward(x: Tensor, target: Tensor) -> tuple[Tensor, ...]:
        sequence = shown(x, time_steps) if static else x
        with autocast(x.device, precision):
            loss = F.cross_entropy(model(sequence).float().mean(0), target)
        loss.backward()
        return (loss.detach(),)

    batch, x = CapturedBatch(model, forward_backward), x_seq[0] if static else x_seq

    def step() -> Tensor:
        found = batch(x, target)
        if found is None:
            raise RuntimeError("the training step cannot be captured as a CUDA graph")
        optimizer.step()
        return found[0]

    return tuned_first(train_step(model, optimizer, x_seq, target, precision), step)


def tuned_first(eager: Step, captured: Step) -> Step:
    """A step whose first call runs eagerly and whose second call captures a CUDA graph.

    The first call compiles kernels and lets cuDNN try its algorithms. `measure` ignores the memory that this takes.
    """
    first = iter([eager])

    def step() -> object:
        return next(first, captured)()

    return step


@dataclass(frozen=True)
class Mode:
    """A way of running a training step.

    make: makes the step. only_cuda: the way needs a CUDA graph. from_start: its memory is allocated when the graph is
    captured, so its peak counts from the second step on.
    """

    make: MakeStep
    only_cuda: bool = False
    from_start: bool = False


MODES = {
    "eager": Mode(train_step),
    "captured": Mode(captured_step, only_cuda=True, from_start=True),
    # of torch.compile: the engine compiles the network, the step is the eager one
    "default": Mode(train_step),
    "reduce-overhead": Mode(train_step, only_cuda=True, from_start=True),
    "max-autotune-no-cudagraphs": Mode(train_step),
    # SpikingJelly's checkpoints with compressed spikes: the engine rewrites the network
    "memopt": Mode(train_step),
}
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def variants_of(work: Work, device: torch.device, modes: tuple[str, ...], first: str = "bf16") -> list[Variant]:
    """All combinations of mode, precision and layout that run here; a layer has one precision and one layout.

    The variants that are probably fastest come first, so that a bench that ends early has measured them: precision
    `first`, channels-last, and the modes in their order. On the CPU there is only one precision and one layout.
    """
    possible = [mode for mode in modes if device.type == "cuda" or not MODES[mode].only_cuda]
    if work.is_layer:
        return [Variant(work.precision, "contiguous", mode) for mode in possible]
    if device.type == "cpu":
        return [Variant("fp32", mode=mode) for mode in possible]
    ways = [(first, "channels_last"), (first, "contiguous")]
    ways += [("fp32" if first == "bf16" else "bf16", layout) for _, layout in ways]
    return [Variant(precision, layout, mode) for precision, layout in ways for mode in possible]


def prepare_net(model: nn.Module, x_seq: Tensor, target: Tensor, variant: Variant, device: torch.device) -> Prepared:
    """The network's training step in the variant's mode and precision; it already has the variant's layout."""
    mode = MODES[variant.mode]
    step = mode.make(model, optimizer_of(model, device), x_seq, target, variant.precision)
    return Prepared(step, count(model), mode.from_start)


def autocast(device: torch.device, precision: str):
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def optimizer_of(model: nn.Module, device: torch.device) -> torch.optim.Optimizer:
    """SGD with momentum, fused on CUDA. The small rate keeps random labels from blowing up a long measurement."""
    return torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=device.type == "cuda")


def net_in_layout(model: nn.Module, device: torch.device, layout: str) -> nn.Module:
    model = model.to(device).train()
    return channels_last(model) if layout == "channels_last" else model


def layer_step(layer: nn.Module, work: Work, variant: Variant, device: torch.device) -> Step:
    """Forward and backward of a memoryless call `layer(x_seq)` on random currents of `work.shape`."""
    x = torch.randn(work.shape, device=device, dtype=DTYPES[variant.precision], requires_grad=True)
    grad = torch.randn_like(x)
    inputs = [x, *layer.parameters()]

    def step() -> tuple[Tensor, ...]:
        return torch.autograd.grad(layer(x), inputs, grad)

    return captured_call(step) if variant.mode == "captured" else step


def captured_call(step: Step) -> Step:
    """Replay the step as a CUDA graph, without Python between the kernels, as in a captured training step.

    The first call runs it eagerly, the second captures it.
    """
    graph, kept = torch.cuda.CUDAGraph(), []

    def warm_up() -> object:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            found = step()
        torch.cuda.current_stream().wait_stream(stream)
        return found

    def replay() -> object:
        if not kept:
            with torch.cuda.graph(graph):
                kept.append(step())
        graph.replay()
        return kept[0]

    return tuned_first(warm_up, replay)


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@contextmanager
def kernel_path(name: str) -> Iterator[None]:
    """Run our modules on the fused kernels where they exist ("auto") or on plain PyTorch ("reference")."""
    try:
        from snnbench.kernels import use
    except ImportError:  # this build has no kernels, so all modules use the reference path
        yield
        return
    with use(name):
        yield
