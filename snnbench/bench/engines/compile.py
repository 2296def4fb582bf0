"""`torch.compile` of the plain PyTorch network (the one of `eager`), default mode; the first step tells its cost."""

from __future__ import annotations

import torch

from snnbench.bench.engines.eager import plain_lif, plain_net, repeated
from snnbench.bench.step import (
    Prepared,
    Variant,
    batch_of,
    count,
    layer_step,
    net_in_layout,
    optimizer_of,
    train_step,
)
from snnbench.bench.works import Work

DEFAULT_MODE = "default"
BACKEND = "inductor"


def variants(work: Work, device: torch.device, thorough: bool) -> list[Variant]:
    tuned = ["max-autotune-no-cudagraphs"] if thorough else []
    if work.is_layer:
        return [Variant(work.precision, "contiguous", mode) for mode in (DEFAULT_MODE, *tuned)]
    precision = "fp32" if device.type == "cpu" else "bf16"
    found = [Variant(precision, mode=mode) for mode in (DEFAULT_MODE, *tuned)]
    return found + ([Variant(precision, "contiguous", DEFAULT_MODE)] if thorough else [])


def prepare(work: Work, variant: Variant, device: torch.device) -> Prepared:
    config = work.config()
    settings = {"backend": BACKEND, "dynamic": False}
    if variant.mode != DEFAULT_MODE:
        settings["mode"] = variant.mode
    if work.is_layer:
        lif = plain_lif(config["neuron"], config["surrogate"]).to(device)
        lif.compile(**settings)
        return Prepared(layer_step(lif, work, variant, device))
    model = net_in_layout(plain_net(work), device, variant.layout)
    model.compile(**settings)
    x, target = batch_of(work, config, device, variant.layout)
    x_seq = repeated(x, config["T"])
    return Prepared(train_step(model, optimizer_of(model, device), x_seq, target, variant.precision), count(model))
