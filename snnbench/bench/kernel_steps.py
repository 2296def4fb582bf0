"""The steps whose bandwidth is measured: a norm and a neuron over a sequence, the same step by step, and a pool."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from snnbench.bench.engines.ours import neuron_of
from snnbench.bench.step import DTYPES, Prepared, Step, Variant, captured_call, kernel_path
from snnbench.build import factory
from snnbench.models.layers import AvgPool2d, MaxPool2d
from snnbench.models.parts import Unit
from snnbench.site import Site
from snnbench.temporal import stepping

POOLS = {"average_pool": AvgPool2d, "max_pool": MaxPool2d}


def prepare(
    config: dict, row: dict, shape: tuple[int, ...], variant: Variant, device: torch.device, path: str
) -> Prepared:
    """A row of `kernels` on a random tensor `[T, N, C, H, W]`; row["layer"] names what is no neuron over a sequence."""
    x, layer = _tensor(shape, variant, device), row.get("layer")
    if layer in POOLS:
        step = _differentiated(POOLS[layer](2), [x], path, backward=True)
    elif layer == "walk":
        step = _walk(neuron_of(config, shape[2], shape[0]).to(device), x, path)
    else:
        currents = [x, _tensor(shape, variant, device)] if row["residual"] else [x]
        unit = _unit(config, row, shape).to(device).train()
        step = _differentiated(unit, currents, path, row["backward"])
    captured = variant.mode == "captured"
    return Prepared(captured_call(step) if captured else step, peak_from_start=captured)


def _unit(config: dict, row: dict, shape: tuple[int, ...]) -> nn.Module:
    """A `Unit` of norm (+ residual) + neuron without a synapse, which one kernel may compute, or only the neuron."""
    neuron = neuron_of(config, shape[2], shape[0])
    if not row["norm"]:
        return neuron
    norm = factory(config["norm"])(Site(shape[2], shape[0], branches=1 + row["residual"]))
    return Unit(nn.Identity(), norm, neuron)


def _differentiated(layer: nn.Module, inputs: list[Tensor], path: str, backward: bool) -> Step:
    """Run the layer forward and, with `backward`, compute the gradients of all inputs and parameters."""
    for x in inputs:
        x.requires_grad_(backward)
    wanted = [*inputs, *layer.parameters()]
    with kernel_path(path), torch.no_grad():
        grad = torch.randn_like(layer(*inputs))

    def step() -> tuple[Tensor | None, ...]:
        with kernel_path(path), torch.set_grad_enabled(backward):
            y = layer(*inputs)
            if not backward:
                return (y,)
            return torch.autograd.grad(y, wanted, grad, allow_unused=True)  # T may be too short for some neurons

    return step


def _walk(neuron: nn.Module, x_seq: Tensor, path: str) -> Step:
    """Run step by step with a detached state and compute a gradient at each step, as online rules do."""
    inputs = [x_t.clone().requires_grad_() for x_t in x_seq]
    grad = torch.randn_like(x_seq[0])

    def step() -> tuple[Tensor, ...]:
        with kernel_path(path), stepping(neuron, detach=True) as walk:
            return tuple(torch.autograd.grad(walk(x_t), x_t, grad)[0] for x_t in inputs)

    return step


def _tensor(shape: tuple[int, ...], variant: Variant, device: torch.device) -> Tensor:
    """`[T, N, C, H, W]`, channels-last as convolutions of merged time leave it."""
    x = torch.randn(shape[0] * shape[1], *shape[2:], device=device, dtype=DTYPES[variant.precision])
    if variant.layout == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last)
    return x.unflatten(0, shape[:2])
