"""The training step of a configuration, as the trainer runs it: encoder, network, rule, objective, teacher."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from snnbench.bench.batch import batch_of
from snnbench.bench.step import (
    Prepared,
    Variant,
    autocast,
    count,
    kernel_path,
    net_in_layout,
    optimizer_of,
    tuned_first,
)
from snnbench.bench.works import Work
from snnbench.build import build_objective, instantiate
from snnbench.errors import ConfigError
from snnbench.rules.base import Rule
from snnbench.teachers.base import Teacher
from snnbench.train.capture import CapturedBatch
from snnbench.train.task import Task


def train_step(
    work: Work, config: dict, network: tuple[nn.Module, Rule], way: Variant, device: torch.device,
    teacher: Teacher | None = None, kernels: str = "auto",
) -> Prepared:  # fmt: skip
    """A training step: encode, rule, objective (and teacher), optimiser. `way.mode`: "captured" or "eager".

    Raises:
        ConfigError: A captured step was requested of a rule that steps the optimiser within a batch.
        RuntimeError: The step cannot be captured.
    """
    model, rule = network
    if way.mode == "captured" and not rule.one_step_at_the_end:
        raise ConfigError("its rule takes optimiser steps within a batch, which a CUDA graph cannot hold")
    objective = build_objective(config, model, teacher).to(device)
    model = net_in_layout(model, device, way.layout)
    if teacher is not None:
        net_in_layout(teacher, device, way.layout)
    encoder, data = instantiate(config["encoder"], time_steps=config["T"]), config["data"]
    task = Task(
        model, rule, objective, encoder, optimizer=None, schedule=None, num_classes=data["num_classes"], seed=0,
        teacher=teacher,
    )  # fmt: skip
    trained = task.trained()
    optimizer, batch = optimizer_of(trained, device), CapturedBatch(trained, task.run_rule)
    x, target = batch_of(work, config, device, way.layout)

    def clear() -> None:
        optimizer.zero_grad(set_to_none=True)

    def eager() -> Tensor:
        calls = {"backward": Tensor.backward, "optimizer_step": optimizer.step, "zero_grad": clear}
        with kernel_path(kernels), autocast(device, way.precision):
            return task.run_rule(x, target, **calls)[1]

    def captured() -> Tensor:
        with kernel_path(kernels), autocast(device, way.precision):
            found = batch(x, target)
        if found is None:
            raise RuntimeError("the training step cannot be captured as a CUDA graph")
        optimizer.step()
        return found[1]

    is_captured = way.mode == "captured"
    step = tuned_first(eager, captured) if is_captured else eager
    return Prepared(step, count(model), peak_from_start=is_captured)


def evaluation_step(
    work: Work, config: dict, network: tuple[nn.Module, Rule], way: Variant, device: torch.device
) -> Prepared:
    """Encoding and forward pass in evaluation mode, without gradients. `way.mode`: "captured" or "eager".

    Raises:
        RuntimeError: The forward pass cannot be captured.
    """
    model, _ = network
    model = net_in_layout(model, device, way.layout).eval()
    encoder = instantiate(config["encoder"], time_steps=config["T"])
    x, target = batch_of(work, config, device, way.layout)

    def forward(x: Tensor, target: Tensor) -> tuple[Tensor]:
        return (model(encoder(x)).mean(0),)

    is_captured = way.mode == "captured"
    batch = CapturedBatch(model, forward, "the test")

    def eager() -> Tensor:
        with torch.no_grad(), kernel_path("auto"), autocast(device, way.precision):
            return forward(x, target)[0]

    def captured() -> Tensor:
        with torch.no_grad(), kernel_path("auto"), autocast(device, way.precision):
            found = batch(x, target)
        if found is None:
            raise RuntimeError("the test cannot be captured as a CUDA graph")
        return found[0]

    step = tuned_first(eager, captured) if is_captured else eager
    return Prepared(step, count(model), peak_from_start=is_captured)
