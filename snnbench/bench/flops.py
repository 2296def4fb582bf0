"""Model FLOPs of a training step: the multiplications and additions of its contractions, forward and backward.

PyTorch's `FlopCounterMode` counts them on the meta device, where tensors have shapes but no memory. Convolutions,
linear layers and the products of attention count two FLOPs per multiply-add, as if spikes were dense numbers. Norms,
neurons, pools and the optimiser count nothing. A static image passes the first convolution once, as in our network, and
needs no gradient. The number is the same for every engine, even if an engine computes more.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from snnbench.bench.batch import batch_shape
from snnbench.bench.step import kernel_path
from snnbench.bench.works import Work, bench_config
from snnbench.build import build_model, instantiate


def model_tflop(work: Work) -> float:
    """The floating-point operations of a training step at the work's batch size, in units of 10^12."""
    config = work.config()
    model, _ = build_model(config)
    model = model.to("meta").train()
    encode = instantiate(config["encoder"], time_steps=config["T"])
    x = torch.empty(batch_shape(work, config), device="meta")
    target = torch.zeros(work.batch, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as counter, kernel_path("reference"):
        F.cross_entropy(model(encode(x)).float().mean(0), target).backward()
    return counter.get_total_flops() / 1e12


def utilisation(tflop: float | None, ms: float | None, device: str, precision: str) -> float | None:
    """Model FLOPs per second / peak of the device's tensor cores. None if one of them is unknown.

    The peaks are those of `configs/bench.yaml`: dense bf16 for bf16 autocast, dense TF32 for fp32.
    """
    peak = bench_config()["peak_tflops"].get(device, {}).get(precision)
    return None if not (tflop and ms and peak) else tflop / (ms / 1e3) / peak
