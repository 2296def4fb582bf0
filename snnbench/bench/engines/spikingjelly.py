"""SpikingJelly 2.0 (optional extra `peers`): its layers in multi-step mode, its fused LIF; eager, captured, `memopt`.

Its LIFNode picks the kernel itself (2.0 has no `backend=`): a native CUDA operator where it was built from source, else
Triton, on the CPU plain PyTorch; the wheel of PyPI brings Triton, and the rows' `versions` say which one ran.
Captured: forward and backward as a CUDA graph, by the same means as ours; its own `StaticCudaGraph` records the same.
"memopt" is its way to save memory: `memopt.optimize_memory` at level 1 makes every unit (convolution, norm, neuron) a
checkpoint, which keeps the spikes that enter it as bits.
Only `activation_based` is imported (`spikingjelly.datasets` wants torchaudio): it needs loguru and tqdm, nothing else.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnbench.bench.batch import batch_of, sequence_of
from snnbench.bench.peers import PeerUnit, peer_net, require_lif
from snnbench.bench.step import MODES, Prepared, Variant, autocast, layer_step, net_in_layout, prepare_net, variants_of
from snnbench.bench.works import Work
from snnbench.site import Site


class FromRest(nn.Module):
    """Its network or neuron, reset before every forward pass: its neurons remember, ours do not.

    The reset belongs to the forward pass, so that a captured graph contains it: each replay fills the membranes with
    fresh zeros.
    """

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x_seq: Tensor) -> Tensor:
        from spikingjelly.activation_based import functional

        functional.reset_net(self.net)
        return self.net(x_seq)


def variants(work: Work, device: torch.device, thorough: bool) -> list[Variant]:
    found = variants_of(work, device, ("captured", "eager"), first="fp32")
    if work.is_layer:
        return found
    return found + [Variant(precision, mode="memopt") for precision in dict.fromkeys(v.precision for v in found)]


def implementation(device: torch.device) -> str:
    """Which of its LIF kernels runs here, e.g. "triton"; empty where it is not installed or does not say."""
    try:
        from spikingjelly.activation_based.functional import neuron_implementation

        return str(neuron_implementation("lif", device)["implementation"])
    except Exception:  # whatever is wrong with the installation, `prepare` will say it in its row
        return ""


def prepare(work: Work, variant: Variant, device: torch.device) -> Prepared:
    config = work.config()
    if work.is_layer:
        lif = FromRest(lif_node(config["neuron"], config["surrogate"])).to(device)
        return Prepared(layer_step(lif, work, variant, device), peak_from_start=MODES[variant.mode].from_start)
    model = net_in_layout(FromRest(peer_net(work, lif_node, peer_norm, PeerSynapses())), device, variant.layout)
    x, target = batch_of(work, config, device, variant.layout)
    x_seq = sequence_of(x, config)
    if variant.mode == "memopt":
        save_memory(model, x_seq, target, variant.precision)
    return prepare_net(model, x_seq, target, variant, device)


def save_memory(model: nn.Module, x_seq: Tensor, target: Tensor, precision: str) -> None:
    """Its memory optimisation of a network, in place; the batch shows it which tensors are spikes."""
    from spikingjelly.activation_based import memopt

    def example(net: nn.Module) -> Tensor:
        with autocast(x_seq.device, precision):
            return F.cross_entropy(net(x_seq).float().mean(0), target)

    memopt.optimize_memory(model, PeerUnit, example, level=1)


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
