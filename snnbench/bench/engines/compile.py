"""`torch.compile` of the plain PyTorch network (the one of `eager`) in its modes "default" and "reduce-overhead".

"reduce-overhead" replays forward and backward as CUDA graphs of PyTorch's own. `first_step_s` tells what compiling
costs.
"""

from __future__ import annotations

import torch
from torch import nn

from snnbench.bench.batch import batch_of, sequence_of
from snnbench.bench.engines.eager import plain_lif, plain_net
from snnbench.bench.step import MODES, Prepared, Variant, layer_step, net_in_layout, prepare_net, variants_of
from snnbench.bench.works import Work

BACKEND = "inductor"


def variants(work: Work, device: torch.device, thorough: bool) -> list[Variant]:
    tuned = ("max-autotune-no-cudagraphs",) if thorough else ()
    return variants_of(work, device, ("default", "reduce-overhead", *tuned))


def prepare(work: Work, variant: Variant, device: torch.device) -> Prepared:
    config = work.config()
    if work.is_layer:
        lif = plain_lif(config["neuron"], config["surrogate"]).to(device)
        _compile(lif, variant.mode)
        return Prepared(layer_step(lif, work, variant, device), peak_from_start=MODES[variant.mode].from_start)
    model = net_in_layout(plain_net(work), device, variant.layout)
    _compile(model, variant.mode)
    x, target = batch_of(work, config, device, variant.layout)
    return prepare_net(model, sequence_of(x, config), target, variant, device)


def _compile(module: nn.Module, mode: str) -> None:
    module.compile(backend=BACKEND, dynamic=False, **({} if mode == "default" else {"mode": mode}))
