"""Ours: the network that our configuration builds, channels-last, bf16 autocast, fused kernels where they exist.

The image is expanded over time by our encoder (no copy), as in training. `STEPS` are the ways to make a training step;
each is measured and the fastest counts. To plug one in: `STEPS["captured"] = captured_step`, a `MakeStep`. The memory
of a step named in `FROM_START` counts from its making on, since a captured graph allocates when it is captured.
"""

from __future__ import annotations

import torch

from snnbench.bench.step import (
    MakeStep,
    Prepared,
    Step,
    Variant,
    batch_of,
    captured_step,
    count,
    kernel_path,
    layer_step,
    net_in_layout,
    optimizer_of,
    train_step,
)
from snnbench.bench.works import Work
from snnbench.build import build_model, factory, instantiate
from snnbench.site import Site

PATHS = {"ours": "auto", "reference": "reference"}  # engine -> kernel path
STEPS: dict[str, MakeStep] = {"eager": train_step, "captured": captured_step}
FROM_START = {"captured"}


def modes(device: torch.device) -> list[str]:
    """The steps that can be made on this device: a CUDA graph only on CUDA."""
    return [mode for mode in STEPS if mode != "captured" or device.type == "cuda"]


def variants(work: Work, device: torch.device, thorough: bool) -> list[Variant]:
    if work.is_layer:
        return [Variant(work.precision, "contiguous", mode) for mode in modes(device)]
    if device.type == "cpu":
        return [Variant("fp32", mode=mode) for mode in modes(device)]
    found = [Variant("bf16", mode=mode) for mode in modes(device)]
    return found + ([Variant("fp32", mode=mode) for mode in modes(device)] if thorough else [])


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
        return Prepared(_on_path(step, kernels))
    torch.manual_seed(0)
    model, _ = build_model(config)
    if work.parameters not in (None, count(model)):
        raise ValueError(f"{work.name} has {count(model)} parameters where {work.parameters} were expected")
    model = net_in_layout(model, device, variant.layout)
    x, target = batch_of(work, config, device, variant.layout)
    x_seq = instantiate(config["encoder"], time_steps=config["T"])(x)
    with kernel_path(kernels):
        step = STEPS[variant.mode](model, optimizer_of(model, device), x_seq, target, variant.precision)
    return Prepared(_on_path(step, kernels), count(model), variant.mode in FROM_START)


def neuron_of(config: dict, channels: int, time_steps: int) -> torch.nn.Module:
    """The configured neuron layer for `[T, N, channels, *]`."""
    surrogate = instantiate(config["surrogate"])
    return factory(config["neuron"], surrogate=surrogate)(Site(channels, time_steps))


def _on_path(step: Step, kernels: str) -> Step:
    def on_path() -> object:
        with kernel_path(kernels):
            return step()

    return on_path
