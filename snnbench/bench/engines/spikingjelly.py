"""SpikingJelly 2.0 (optional extra `peers`): its layers in multi-step mode, its fused LIF.

Its LIFNode picks the kernel itself (2.0 has no `backend=`): a native CUDA operator where it was built from source, else
Triton, on the CPU plain PyTorch; the wheel of PyPI brings Triton. The variant's mode says which. fp32 runs with TF32.
Only `activation_based` is imported (`spikingjelly.datasets` wants torchaudio): it needs loguru and tqdm, nothing else.
"""

from __future__ import annotations

import torch
from torch import nn

from snnbench.bench.engines.eager import repeated
from snnbench.bench.peers import peer_net, require_lif
from snnbench.bench.step import (
    Prepared,
    Step,
    Variant,
    batch_of,
    count,
    layer_step,
    net_in_layout,
    optimizer_of,
    train_step,
)
from snnbench.bench.works import Work
from snnbench.site import Site


def variants(work: Work, device: torch.device, thorough: bool) -> list[Variant]:
    kernel = implementation(device)
    if work.is_layer:
        return [Variant(work.precision, "contiguous", kernel)]
    if device.type == "cpu":
        return [Variant("fp32", "contiguous", kernel)]
    layouts = ("contiguous", "channels_last")
    return [Variant(precision, layout, kernel) for layout in layouts for precision in ("fp32", "bf16")]


def implementation(device: torch.device) -> str:
    """Which of its LIF kernels runs here, e.g. "triton"; empty where it is not installed or does not say."""
    try:
        from spikingjelly.activation_based.functional import neuron_implementation

        return str(neuron_implementation("lif", device)["implementation"])
    except Exception:  # whatever is wrong with the installation, `prepare` will say it in its row
        return ""


def prepare(work: Work, variant: Variant, device: torch.device) -> Prepared:
    from spikingjelly.activation_based import functional

    config = work.config()
    if work.is_layer:
        lif = lif_node(config["neuron"], config["surrogate"]).to(device)
        return Prepared(_reset_before(layer_step(lif, work, variant, device), lif, functional.reset_net))
    model = net_in_layout(peer_net(work, lif_node, peer_norm, PeerSynapses()), device, variant.layout)
    x, target = batch_of(work, config, device, variant.layout)
    x_seq = repeated(x, config["T"])
    step = train_step(model, optimizer_of(model, device), x_seq, target, variant.precision)
    return Prepared(_reset_before(step, model, functional.reset_net), count(model))


def lif_node(neuron: dict, surrogate: dict) -> nn.Module:
    """Its LIFNode with our settings."""
    from spikingjelly.activation_based import neuron as nodes
    from spikingjelly.activation_based import surrogate as functions

    require_lif(neuron, surrogate)
    return nodes.LIFNode(
        tau=float(neuron["tau"]),
        decay_input=neuron["decay_input"],
        v_threshold=neuron["v_th"],
        v_reset=neuron["v_reset"],
        surrogate_function=functions.ATan(alpha=surrogate["alpha"]),
        detach_reset=neuron["detach_reset"],
        step_mode="m",
    )


def peer_norm(site: Site) -> nn.Module:
    from spikingjelly.activation_based import layer

    return (layer.BatchNorm1d if site.dims == 1 else layer.BatchNorm2d)(site.channels, step_mode="m")


class PeerSynapses:
    def conv(self, dims: int, c_in: int, c_out: int, kernel: int, **settings) -> nn.Module:
        from spikingjelly.activation_based import layer

        return (layer.Conv1d if dims == 1 else layer.Conv2d)(c_in, c_out, kernel, step_mode="m", **settings)

    def linear(self, c_in: int, c_out: int, *, bias: bool = True) -> nn.Module:
        from spikingjelly.activation_based import layer

        return layer.Linear(c_in, c_out, bias=bias, step_mode="m")


def _reset_before(step: Step, net: nn.Module, reset) -> Step:
    """Its neurons remember: a step starts from rest only after a reset."""

    def from_rest() -> object:
        reset(net)
        return step()

    return from_rest
