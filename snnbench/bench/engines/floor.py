"""The floor: what no kernel of ours can save.

Of a network its convolutions and linear layers alone, forward and backward, eager or captured as a CUDA graph, channels
last, bf16 weights, on tensors of the shapes they meet (found by hooks; a static image meets the first convolution
once). No norms, neurons, pools, attention products, optimiser. The inputs of all layers lie in memory at once, as a
backward pass needs them.
Of a LIF layer five passes over its tensor at copy speed: read x, write s, read x, read ds, write dx.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from snnbench.bench.batch import batch_shape, in_layout
from snnbench.bench.step import DTYPES, Prepared, Step, Variant, captured_call, kernel_path
from snnbench.bench.works import Work
from snnbench.build import build_model, instantiate
from snnbench.synapses.base import Synapse
from snnbench.temporal import is_static

LIF_PASSES = 5


@dataclass
class Contraction:
    """One synapse and the merged batch `[B, *]` it meets; the first one's input needs no gradient."""

    synapse: Synapse
    shape: tuple[int, ...]
    needs_grad: bool


def variants(work: Work, device: torch.device, thorough: bool) -> list[Variant]:
    if work.is_layer:
        return [Variant(work.precision, "contiguous")]
    if device.type == "cpu":
        return [Variant("fp32", mode="eager")]
    return [Variant("bf16", mode=mode) for mode in ("captured", "eager")]


def prepare(work: Work, variant: Variant, device: torch.device) -> Prepared:
    dtype = DTYPES[variant.precision]
    if work.is_layer:
        return Prepared(copy_step(work.shape, dtype, device, LIF_PASSES))
    calls = [_ready(contraction, dtype, device) for contraction in contractions(work)]

    def step() -> None:
        for call in calls:
            call()

    captured = variant.mode == "captured"
    return Prepared(captured_call(step) if captured else step, peak_from_start=captured)


def contractions(work: Work) -> list[Contraction]:
    """Every call of a synapse in one forward pass, in order, found on the meta device."""
    config = work.config()
    model, _ = build_model(config)
    model = model.to("meta").eval()
    found: list[Contraction] = []

    def record(synapse, inputs) -> None:
        (x_seq,) = inputs
        x = x_seq[0] if is_static(x_seq) else x_seq.flatten(0, 1)
        found.append(Contraction(synapse, tuple(x.shape), needs_grad=len(found) > 0))

    for synapse in model.synapses():
        synapse.register_forward_pre_hook(record)
    encode = instantiate(config["encoder"], time_steps=config["T"])
    with torch.no_grad(), kernel_path("reference"):
        model(encode(torch.empty(batch_shape(work, config), device="meta")))
    return found


def _ready(contraction: Contraction, dtype: torch.dtype, device: torch.device) -> Step:
    synapse = contraction.synapse
    x = torch.randn(contraction.shape, device=device, dtype=dtype)
    weight = torch.randn(synapse.weight.shape, device=device, dtype=dtype)
    if x.dim() == 4:
        x, weight = in_layout(x, "channels_last"), in_layout(weight, "channels_last")
    if x.dim() == 3:
        x = x.transpose(1, 2).contiguous().transpose(1, 2)
    bias = None if synapse.bias is None else torch.zeros(synapse.bias.shape, device=device, dtype=dtype)
    x.requires_grad_(contraction.needs_grad)
    wanted: list[Tensor] = [weight.requires_grad_(), *([] if bias is None else [bias.requires_grad_()])]
    wanted += [x] if contraction.needs_grad else []

    def call() -> None:
        y = synapse.contract(x, weight, bias)
        torch.autograd.grad(y, wanted, y.detach())

    return call


def copy_step(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, passes: int) -> Step:
    """Copies that read and write `passes` times a tensor of the shape: a copy is two passes, half a copy one."""
    source = torch.zeros(shape, device=device, dtype=dtype).flatten()
    target = torch.empty_like(source)
    half = source.numel() // 2

    def step() -> None:
        for _ in range(passes // 2):
            target.copy_(source)
        if passes % 2:
            target[:half].copy_(source[:half])

    return step
