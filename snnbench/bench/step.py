"""The work of one step: a net's training step, or a layer's forward and backward; the same for every engine."""

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
    """One way in which an engine does a work; of an engine's variants the fastest counts."""

    precision: str = "bf16"
    layout: str = "channels_last"
    mode: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.precision, self.layout, self.mode)))


@dataclass
class Prepared:
    """A step ready to be timed. peak_from_start: its memory is allocated while it warms up (captured graphs)."""

    step: Step
    parameters: int | None = None
    peak_from_start: bool = False


def train_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, x_seq: Tensor, target: Tensor, precision: str
) -> Step:
    """Forward, cross-entropy of the mean logits, backward, optimiser step, gradients to None; no host sync."""

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
    """The same with forward and backward replayed as a CUDA graph, as the trainer does (snnbench.train.capture)."""
    time_steps, static = x_seq.shape[0], is_static(x_seq)

    def forward_backward(x: Tensor, target: Tensor) -> tuple[Tensor, ...]:
        sequence = shown(x, time_steps) if static else x
        with autocast(x.device, precision):
            loss = F.cross_entropy(model(sequence).float().mean(0), target)
        loss.backward()
        return (loss.detach(),)

    batch, x = CapturedBatch(model, forward_backward), x_seq[0] if static else x_seq

    def step() -> Tensor:
        (loss,) = batch(x, target)
        optimizer.step()
        return loss

    return step


def autocast(device: torch.device, precision: str):
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def optimizer_of(model: nn.Module, device: torch.device) -> torch.optim.Optimizer:
    """SGD with momentum, fused on CUDA. The small rate keeps random labels from blowing up a long measurement."""
    return torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=device.type == "cuda")


def batch_of(work: Work, config: dict, device: torch.device, layout: str) -> tuple[Tensor, Tensor]:
    """Random images `[N, C, H, W]` in the layout, and labels `[N]`; the same numbers for every engine."""
    generator = torch.Generator().manual_seed(0)
    data = config["data"]
    x = torch.randn(work.batch, *data["shape"], generator=generator)
    y = torch.randint(data["num_classes"], (work.batch,), generator=generator)
    return in_layout(x.to(device), layout), y.to(device)


def in_layout(x: Tensor, layout: str) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if layout == "channels_last" else x.contiguous()


def net_in_layout(model: nn.Module, device: torch.device, layout: str) -> nn.Module:
    model = model.to(device).train()
    return channels_last(model) if layout == "channels_last" else model


def layer_step(layer: nn.Module, work: Work, variant: Variant, device: torch.device) -> Step:
    """Forward and backward of a memoryless call `layer(x_seq)` on random currents of `work.shape`."""
    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[variant.precision]
    x = torch.randn(work.shape, device=device, dtype=dtype, requires_grad=True)
    grad = torch.randn_like(x)
    inputs = [x, *layer.parameters()]

    def step() -> tuple[Tensor, ...]:
        return torch.autograd.grad(layer(x), inputs, grad)

    return captured_call(step) if variant.mode == "captured" else step


def captured_call(step: Step) -> Step:
    """The step as a CUDA graph: what it costs inside a captured training step, without Python between the kernels."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = step()

    def replay() -> object:
        graph.replay()
        return kept

    return replay


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@contextmanager
def kernel_path(name: str) -> Iterator[None]:
    """Run our modules on the fused kernels where they exist ("auto") or on plain PyTorch ("reference")."""
    try:
        from snnbench.kernels import use
    except ImportError:  # no kernels in this build: everything is the reference
        yield
        return
    with use(name):
        yield
