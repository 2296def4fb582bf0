"""Rooflines: how near each fused kernel comes to the copy bandwidth of the device.

A kernel that is bound by memory takes bytes moved / bandwidth. Bytes are what the kernel declares (`passes` of
`configs/bench.yaml` times the size of an element), bandwidth is that of `copy_` on such a tensor.
On CUDA both paths replay a CUDA graph, as in a captured training step: no Python between the kernels.
"""

from __future__ import annotations

from dataclasses import asdict
from math import prod

import torch
from torch import Tensor, nn

from snnbench.bench.engines.floor import copy_step
from snnbench.bench.engines.ours import PATHS, neuron_of
from snnbench.bench.results import OK
from snnbench.bench.session import Session
from snnbench.bench.step import Prepared, Step, Variant, captured_call, kernel_path
from snnbench.bench.works import later_wins, section
from snnbench.config.build import factory
from snnbench.config.compose import compose
from snnbench.models.parts import Site, Unit

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
LAYOUTS = ("contiguous", "channels_last")


def run_kernels(session: Session) -> None:
    """Every kernel row by dtype and layout, ours and the reference path; returns early when the time is over."""
    node = section("kernels", session.size)
    shape, rows = tuple(node["shape"]), node["rows"]
    configs = {
        name: compose(later_wins(node["overrides"] + row.get("overrides", []))).config for name, row in rows.items()
    }
    for precision in node["dtypes"]:
        copy = _copy_gb_per_s(session, shape, precision)
        for kernel, row in rows.items():
            for layout in LAYOUTS:
                for engine, path in PATHS.items():
                    if session.is_over:
                        return
                    variant = Variant(precision, layout, "captured" if session.device.type == "cuda" else "eager")
                    timing = session.attempt(
                        lambda: _prepare(configs[kernel], row, shape, variant, session.device, path),  # noqa: B023
                        shape[1],
                    )
                    element_bytes = row["passes"] * DTYPES[precision].itemsize
                    timing |= {
                        "kernel": kernel,
                        "engine": engine,
                        **asdict(variant),
                        "shape": "x".join(map(str, shape)),
                    }
                    timing |= {"bytes_per_element": element_bytes, "copy_gb_per_s": copy}
                    if timing["status"] == OK:
                        rate = element_bytes * prod(shape) / timing["ms_median"] / 1e6
                        timing |= {"gb_per_s": rate, "share_of_copy": copy and rate / copy}
                    session.record("kernels", timing, f"kernel {kernel} {engine} {variant}")


def _copy_gb_per_s(session: Session, shape: tuple[int, ...], precision: str) -> float | None:
    """Bytes read and written a second by `copy_`; recorded as a kernel of two passes."""
    dtype = DTYPES[precision]
    timing = session.attempt(lambda: Prepared(copy_step(shape, dtype, session.device, 2)), shape[1])
    rate = 2 * dtype.itemsize * prod(shape) / timing["ms_median"] / 1e6 if timing["status"] == OK else None
    timing |= {"kernel": "copy", "engine": "torch", "precision": precision, "layout": "contiguous", "mode": ""}
    timing |= {"shape": "x".join(map(str, shape)), "bytes_per_element": 2 * dtype.itemsize}
    timing |= {"copy_gb_per_s": rate, "gb_per_s": rate, "share_of_copy": rate and 1.0}
    session.record("kernels", timing, f"kernel copy {precision}")
    return rate


def _prepare(
    config: dict, row: dict, shape: tuple[int, ...], variant: Variant, device: torch.device, path: str
) -> Prepared:
    """norm (+ residual) + neuron as a `Unit` without a synapse (it may run as one fused pass), or the neuron alone."""
    layer = neuron_of(config, shape[2], shape[0])
    if row["norm"]:
        norm = factory(config["norm"])(Site(shape[2], shape[0], branches=1 + row["residual"]))
        layer = Unit(nn.Identity(), norm, layer)
    layer = layer.to(device).train()
    x, grad = _tensor(shape, variant, device), _tensor(shape, variant, device)
    residual = _tensor(shape, variant, device) if row["residual"] else None
    step = _step(layer, x, residual, grad, row["backward"], path)
    captured = variant.mode == "captured"
    return Prepared(captured_call(step) if captured else step, peak_from_start=captured)


def _step(layer: nn.Module, x: Tensor, residual: Tensor | None, grad: Tensor, backward: bool, path: str) -> Step:
    currents = [x] if residual is None else [x, residual]
    for current in currents:
        current.requires_grad_(backward)
    wanted = [*currents, *layer.parameters()]

    def step() -> tuple[Tensor | None, ...]:
        with kernel_path(path), torch.set_grad_enabled(backward):
            spikes = layer(*currents)
            if not backward:
                return (spikes,)
            return torch.autograd.grad(spikes, wanted, grad, allow_unused=True)  # T may be too short for some

    return step


def _tensor(shape: tuple[int, ...], variant: Variant, device: torch.device) -> Tensor:
    """`[T, N, C, H, W]`, channels-last as convolutions of merged time leave it."""
    x = torch.randn(shape[0] * shape[1], *shape[2:], device=device, dtype=DTYPES[variant.precision])
    if variant.layout == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last)
    return x.unflatten(0, shape[:2])
