"""What a neuron costs that no hand-written kernel knows, and whether each kernel beats what `torch.compile` makes.

Two parts, both to neurons.csv. In the survey's CSNN each neuron without a kernel trains with its `step` compiled
("compiled") and walked by Python ("walk"), beside the built-in LIF on its kernel ("kernel"). As a single layer with its
norm, one neuron of each family of kernels runs forward and backward on its kernel and compiled.
On CUDA every step is replayed as a CUDA graph, as the trainer does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace

import torch
from torch import nn

from snnbench.bench.engines import ours
from snnbench.bench.session import Session
from snnbench.bench.step import (
    Prepared,
    Variant,
    batch_of,
    captured_call,
    count,
    in_layout,
    net_in_layout,
    optimizer_of,
)
from snnbench.bench.works import Work, load_work, section
from snnbench.build import build_model, factory, instantiate
from snnbench.config.compose import compose
from snnbench.kernels import compiled
from snnbench.kernels.common.form import Refusal
from snnbench.neurons.base import Neuron
from snnbench.site import Site

STEP_ONLY = {"_target_": "snnbench.bench.step_only.StepOnly", "v_th": 1.0, "keep": 0.5}
WAYS = ("compiled", "walk")


def run_neurons(session: Session) -> None:
    """The CSNN with LIF and with each neuron without a kernel, then the layers; returns early when time is over."""
    node = section("neurons", session.size)
    work, mode = load_work(node["work"], session.size), "captured" if session.device.type == "cuda" else "eager"
    nets = [("lif", "kernel"), *((name, way) for way in WAYS for name in node["without_kernel"])]
    layers = [(name, way) for name in node["layer"]["neurons"] for way in ("kernel", "compiled")]
    precision = "bf16" if mode == "captured" else "fp32"
    for place, chosen in ((work.name, nets), ("layer", layers)):
        shape = tuple(node["layer"]["shape"])
        for name, way in chosen:
            if session.is_over:
                return
            variant = Variant(precision, mode=mode)
            batch = work.batch if place == work.name else shape[1]
            row = session.attempt(
                lambda: (
                    _net(work, name, way, variant, session.device)  # noqa: B023
                    if place == work.name  # noqa: B023
                    else _layer(shape, name, way, variant, session.device)  # noqa: B023
                ),
                batch,
            )
            row |= {"neuron": name, "engine": way, **asdict(variant), "work": place, "batch": batch}
            session.record("neurons", row, f"neurons {place} {name} {way}")


def _config(overrides: tuple[str, ...] | list[str], name: str) -> dict:
    """The configuration with this neuron; `step_only` is no choice of ours and takes the place of another's."""
    rest = [text for text in overrides if not text.startswith("neuron=")]
    config = compose([*rest, f"neuron={'lif' if name == 'step_only' else name}"]).config
    return config | {"neuron": dict(STEP_ONLY)} if name == "step_only" else config


def _net(work: Work, name: str, way: str, variant: Variant, device: torch.device) -> Prepared:
    """A training step of the work's network with another neuron."""
    config = _config(work.overrides, name)
    torch.manual_seed(0)
    model = net_in_layout(build_model(config)[0], device, variant.layout)
    _without_kernel(model, way)
    x, target = batch_of(replace(work, parameters=None), config, device, variant.layout)
    x_seq = instantiate(config["encoder"], time_steps=config["T"])(x)
    step = ours.STEPS[variant.mode](model, optimizer_of(model, device), x_seq, target, variant.precision)
    return Prepared(_on(step, way), count(model), variant.mode in ours.FROM_START)


def _layer(shape: tuple[int, ...], name: str, way: str, variant: Variant, device: torch.device) -> Prepared:
    """Forward and backward of a norm and a neuron on random currents `shape` `[T, N, C, H, W]`."""
    config, site = _config(["surrogate=atan", "norm=bn"], name), Site(shape[2], shape[0])
    layer = nn.ModuleDict({"norm": factory(config["norm"])(site)})
    layer["neuron"] = factory(config["neuron"], surrogate=instantiate(config["surrogate"]))(site)
    layer = layer.to(device)
    _without_kernel(layer, way)
    dtype = torch.bfloat16 if variant.precision == "bf16" else torch.float32
    x = torch.randn(shape, device=device).flatten(0, 1).to(dtype)
    x = in_layout(x, variant.layout).unflatten(0, shape[:2]).requires_grad_()
    grad, wanted = torch.randn_like(x), [x, *layer.parameters()]

    def step() -> tuple:
        return torch.autograd.grad(layer["neuron"](x, layer["norm"]), wanted, grad, allow_unused=True)

    run = _on(step, way)
    if variant.mode != "captured":
        return Prepared(run)
    run()  # what is compiled is compiled before the capture
    return Prepared(captured_call(run), peak_from_start=True)


def _without_kernel(model: nn.Module, way: str) -> None:
    """Unless its kernel is timed, no neuron of the model has one."""
    for neuron in model.modules():
        if isinstance(neuron, Neuron) and way != "kernel":
            neuron.kernel_form = lambda: Refusal("the bench times it without one")


def _on(step, way: str):
    """The step with `torch.compile` of neurons on CUDA, or nowhere."""

    def on_way() -> object:
        with _compilers(way):
            return step()

    return on_way


@contextmanager
def _compilers(way: str) -> Iterator[None]:
    if way != "walk":
        yield
        return
    with compiled.backends():
        yield
