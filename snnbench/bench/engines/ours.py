"""Ours: the network that our configuration builds, with fused kernels where they exist, eager and captured.

The image is expanded over time by our encoder (no copy), as in training. A training run takes the variant bf16,
channels-last, captured.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from snnbench.bench.batch import batch_of
from snnbench.bench.step import (
    MODES,
    Prepared,
    Step,
    Variant,
    count,
    kernel_path,
    layer_step,
    net_in_layout,
    prepare_net,
    variants_of,
)
from snnbench.bench.works import Work
from snnbench.build import build_model, factory, instantiate
from snnbench.site import Site

PATHS = {"ours": "auto", "reference": "reference"}  # engine -> kernel path


def variants(work: Work, device: torch.device, thorough: bool) -> list[Variant]:
    return variants_of(work, device, ("captured", "eager"))


def prepare(work: Work, variant: Variant, device: torch.device) -> Prepared:
    return prepare_ours(work, variant, device, PATHS["ours"])


def prepare_ours(work: Work, variant: Variant, device: torch.device, kernels: str) -> Prepared:
    """Our layer or network, on the named kernel path.

    Raises:
        ValueError: the network has not as many parameters as the work says.
    """
    config = work.config()
    if work.is_layer:
        neuron = neuron_of(config, work.shape[2], work.shape[0]).to(device)
        with kernel_path(kernels):
            step = layer_step(neuron, work, variant, device)
        return Prepared(_on_path(step, kernels), peak_from_start=MODES[variant.mode].from_start)
    torch.manual_seed(0)
    model, _ = build_model(config)
    if work.parameters not in (None, count(model)):
        raise ValueError(f"{work.name} has {count(model)} parameters where {work.parameters} were expected")
    model = net_in_layout(model, device, variant.layout)
    x, target = batch_of(work, config, device, variant.layout)
    x_seq = instantiate(config["encoder"], time_steps=config["T"])(x)
    with kernel_path(kernels):
        prepared = prepare_net(model, x_seq, target, variant, device)
    return replace(prepared, step=_on_path(prepared.step, kernels))


def neuron_of(config: dict, channels: int, time_steps: int) -> torch.nn.Module:
    """The configured neuron layer for `[T, N, channels, *]`."""
    surrogate = instantiate(config["surrogate"])
    return factory(config["neuron"], surrogate=surrogate)(Site(channels, time_steps))


def _on_path(step: Step, kernels: str) -> Step:
    def on_path() -> object:
        with kernel_path(kernels):
            return step()

    return on_path
