"""Scaling curves: time and memory of a training step along time steps, batch and depth; OTTT along time steps."""

from __future__ import annotations

from dataclasses import asdict

import torch
from torch import Tensor

from snnbench.bench.engines.ours import PATHS
from snnbench.bench.session import Session
from snnbench.bench.step import (
    Prepared,
    Step,
    Variant,
    autocast,
    batch_of,
    count,
    kernel_path,
    net_in_layout,
    optimizer_of,
)
from snnbench.bench.works import Work, bench_config, section, sized
from snnbench.config.build import build_model, instantiate


def run_scaling(session: Session) -> None:
    """Every curve of `configs/bench.yaml`, a point after the other; returns early when the time is over."""
    for curve in section("scaling", "full"):
        node = sized(bench_config()["scaling"][curve], session.size)
        for value in node.get("values", list(node["vary"])):
            work = _work(curve, node, value)
            for engine in node["engines"]:
                if session.is_over:
                    return
                variant = Variant("fp32" if session.device.type == "cpu" else "bf16")
                row = session.attempt(
                    lambda: rule_step(work, variant, session.device, PATHS[engine]),  # noqa: B023
                    work.batch,
                )
                row |= {"curve": curve, "value": value, "engine": engine, **asdict(variant), "batch": work.batch}
                session.record("scaling", row, f"scaling {curve}={value} {engine}")


def _work(curve: str, node: dict, value: int) -> Work:
    change = node["vary"][value]
    if isinstance(change, int):
        return Work(curve, curve, tuple(node["overrides"]), batch=change)
    kept = [text for text in node["overrides"] if text.split("=")[0] != change.split("=")[0]]
    return Work(curve, curve, (*kept, change), batch=node["batch"])


def rule_step(work: Work, variant: Variant, device: torch.device, kernels: str) -> Prepared:
    """A training step through the configuration's own learning rule and objective, as the trainer takes it."""
    config = work.config()
    torch.manual_seed(0)
    model, rule = build_model(config)
    model = net_in_layout(model, device, variant.layout)
    optimizer, objective = optimizer_of(model, device), instantiate(config["objective"])
    x, target = batch_of(work, config, device, variant.layout)
    x_seq = instantiate(config["encoder"], time_steps=config["T"])(x)

    def loss_of(logits: Tensor):
        return objective(logits, target)

    def step() -> Tensor:
        with kernel_path(kernels), autocast(device, variant.precision):
            _, loss, _ = rule.train_batch(model, x_seq, loss_of, torch.Tensor.backward, optimizer.step, clear)
        clear()
        return loss

    def clear() -> None:
        optimizer.zero_grad(set_to_none=True)

    made: Step = step
    return Prepared(made, count(model))
