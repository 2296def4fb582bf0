"""Measure neurons without a hand-written kernel, and compare each kernel with code from `torch.compile`.

Two works write to neurons.csv. `neurons` trains the survey's CSNN with each neuron without a kernel, with its `step`
compiled ("compiled") and in a Python loop ("walk"), and with the built-in LIF on its kernel ("kernel").
`neuron_layers` runs one layer with its norm forward and backward, for one neuron of each family of kernels, with the
kernel and compiled. On CUDA every step is replayed as a CUDA graph, as the trainer does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial

import torch
from torch import nn

from snnbench.bench.batch import batch_of, in_layout
from snnbench.bench.session import Session
from snnbench.bench.step import DTYPES, Prepared, Step, Variant, captured_call, net_in_layout, prepare_net
from snnbench.bench.step_only import StepOnly
from snnbench.bench.works import Work, load_work, section
from snnbench.build import build_model, factory, instantiate
from snnbench.config.compose import compose
from snnbench.kernels import compiled
from snnbench.kernels.common.form import Refusal
from snnbench.neurons.base import Neuron
from snnbench.site import Site

STEP_ONLY = "step_only"  # the example neuron in README.md


def run_neurons(session: Session) -> None:
    """The CSNN with LIF, then with each neuron without a kernel; returns early when the time is over."""
    node = section("neurons", session.size)
    work = load_work(node["work"], session.size)
    for way, names in (("kernel", ["lif"]), *((way, node["without_kernel"]) for way in ("compiled", "walk"))):
        for name in names:
            prepare = partial(_net, work, name, way, _variant(session), session.device)
            _measure(session, prepare, name, way, work.name, work.batch)


def run_neuron_layers(session: Session) -> None:
    """Measure a layer of each family of kernels, with the kernel and compiled. Returns early when the time is over."""
    node = section("neurons", session.size)["layer"]
    shape = tuple(node["shape"])
    for name in node["neurons"]:
        for way in ("kernel", "compiled"):
            prepare = partial(_layer, shape, name, way, _variant(session), session.device)
            _measure(session, prepare, name, way, "layer", shape[1])


def _variant(session: Session) -> Variant:
    return Variant("fp32", mode="eager") if session.device.type == "cpu" else Variant("bf16", mode="captured")


def _measure(session: Session, prepare: Callable[[], Prepared], name: str, way: str, place: str, batch: int) -> None:
    if session.is_over:
        return
    row = session.attempt(prepare, batch) | {"neuron": name, "engine": way, "work": place, "batch": batch}
    session.record("neurons", row | asdict(_variant(session)), f"{place} {name} {way}")


def _net(work: Work, name: str, way: str, variant: Variant, device: torch.device) -> Prepared:
    """A training step of the work's network with another neuron."""
    config = _config(work.overrides, name)
    torch.manual_seed(0)
    model, _ = build_model(config)
    if name == STEP_ONLY:
        _step_only(model)
    _without_kernel(model, way)
    model = net_in_layout(model, device, variant.layout)
    x, target = batch_of(work, config, device, variant.layout)
    x_seq = instantiate(config["encoder"], time_steps=config["T"])(x)
    prepared = prepare_net(model, x_seq, target, variant, device)
    return replace(prepared, step=_on(prepared.step, way))


def _config(overrides: Iterable[str], name: str) -> dict:
    """The configuration with this neuron, or with LIF as a placeholder for STEP_ONLY, which has no YAML file."""
    neuron = f"neuron={'lif' if name == STEP_ONLY else name}"
    return compose([*(text for text in overrides if not text.startswith("neuron=")), neuron]).config


def _step_only(model: nn.Module) -> None:
    """Replace each neuron of the model by the neuron in README.md."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Neuron):
                setattr(parent, name, StepOnly(child.site, child.surrogate))


def _layer(shape: tuple[int, ...], name: str, way: str, variant: Variant, device: torch.device) -> Prepared:
    """Forward and backward of a norm and a neuron on random currents `shape` `[T, N, C, H, W]`."""
    config, site = _config(["surrogate=atan", "norm=bn"], name), Site(shape[2], shape[0])
    layer = nn.ModuleDict({"norm": factory(config["norm"])(site)})
    layer["neuron"] = factory(config["neuron"], surrogate=instantiate(config["surrogate"]))(site)
    layer = layer.to(device)
    _without_kernel(layer, way)
    x = torch.randn(shape, device=device).flatten(0, 1).to(DTYPES[variant.precision])
    x = in_layout(x, variant.layout).unflatten(0, shape[:2]).requires_grad_()
    grad, wanted = torch.randn_like(x), [x, *layer.parameters()]

    def step() -> tuple:
        return torch.autograd.grad(layer["neuron"](x, layer["norm"]), wanted, grad, allow_unused=True)

    run = _on(step, way)
    return Prepared(captured_call(run), peak_from_start=True) if variant.mode == "captured" else Prepared(run)


def _without_kernel(model: nn.Module, way: str) -> None:
    """Unless its kernel is timed, no neuron of the model has one."""
    for neuron in model.modules():
        if isinstance(neuron, Neuron) and way != "kernel":
            neuron.kernel_form = lambda: Refusal("the bench times it without one")


def _on(step: Step, way: str) -> Step:
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
