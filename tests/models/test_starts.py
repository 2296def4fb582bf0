"""Start values of model classes with official code: weights by their closed form, biases, gains of the norms.

Each row of `STARTS` says how the official code (the repositories of `geometry.csv`) starts its layers:

    default     PyTorch's: weights and biases uniform within 1/sqrt(fan in)
    he_out      normal, variance 2 / fan out (kaiming_normal_, mode="fan_out")
    he_in       normal, variance 2 / fan in
    he_uniform  uniform within sqrt(6 / fan in) (kaiming_uniform_, nonlinearity="relu")
    a number    normal with this standard deviation (truncated or not makes no difference at 0.02)
"""

import math
from functools import partial

import pytest
import torch

from snnbench.neurons.cuba_lif import CubaLIF
from snnbench.norms.none import NoNorm
from snnbench.norms.osr import OSR
from snnbench.norms.tdbn import TdBN
from snnbench.norms.tebn import TEBN
from snnbench.synapses.base import Synapse
from snnbench.synapses.weight_standardised import WeightStandardised

from .building import build, make_parts

IMAGE, SMALL, EVENTS = (3, 32, 32), (3, 8, 8), (2, 48, 48)

# class -> a model of it, its input, convolutions, their biases, linear layers, their biases, the readout, its bias
# (biases: "zero", "default" or None for none)
STARTS = {
    "cifarnet.CifarNet": ("cifarnet", SMALL, "default", "default", "default", "default", "default", "default"),
    "csnn.CSNN": ("csnn", SMALL, "default", None, "default", "default", "default", "default"),
    "csnn_1d.CSNN1d": ("csnn_1d", SMALL, "default", None, "default", "default", "default", "default"),
    "csnn_tandem.CSNNTandem": ("csnn_tandem", SMALL, "default", None, "default", None, "default", "default"),
    "ds_resnet.DSResNet": ("ds_resnet14", SMALL, "he_in", None, None, None, "he_in", "default"),
    "filter_net.FilterNet": ("filter_net_mnist", SMALL, "default", "default", "default", "default", None, None),
    "glif_resnet.GLIFResNet": ("glif_resnet18_cifar", SMALL, "he_out", None, 0.01, None, 0.01, None),
    "glif_wide7b.GLIFWideNet": ("glif_wide7b_dvs", EVENTS, "default", None, None, None, "default", "default"),
    "ms_resnet.MSResNet": ("ms_resnet18", SMALL, "default", None, None, None, "default", "default"),
    "plif_net.PLIFNet": ("plif_net_mnist", (1, 8, 8), "default", None, "default", None, "default", None),
    "preact_resnet.PreActResNet": ("preact_resnet18_cifar", SMALL, "he_out", "default", None, None, "default", "zero"),
    "qkformer.QKFormer": ("qkformer_cifar_4_384", SMALL, "default", "default", None, None, 0.02, "zero"),
    "sew_resnet.SEWResNet": ("sew_resnet18", SMALL, "he_out", None, None, None, "default", "default"),
    "sew_resnet.SEWNet": ("sew_7b", (2, 128, 128), "default", None, None, None, "default", "default"),
    "snn_delays.SNNDelays": ("snn_delays", (140, 1, 1), None, None, "he_uniform", None, "he_uniform", None),
    "spikformer.Spikformer": ("spikformer_8_384", IMAGE, "default", "default", None, None, 0.02, "zero"),
    "spiking_resnet.SpikingResNet": ("spiking_resnet18", SMALL, "he_out", None, None, None, "default", "default"),
    "spiking_resnet.CifarSpikingResNet": (
        "resnet19_tet", SMALL, "default", None, "default", "default", "default", "default"
    ),
    "spiking_resnet.ResNet19": ("resnet19", SMALL, "he_out", None, "default", "default", "default", "default"),
    "stbp_net.STBPNet": ("stbp_net", SMALL, "default", "default", "default", "default", None, None),
    "vgg.VGGSNN": ("vggsnn", EVENTS, "he_out", "default", None, None, "default", "default"),
    "vgg.VGG11BN": ("vgg11_bn_dvs", EVENTS, "he_out", "zero", None, None, 0.01, "zero"),
    "vgg.VGG11WS": ("vgg11_ws", SMALL, "he_out", "zero", None, None, 0.01, "zero"),
}  # fmt: skip


def check_weight(kind: str | float, weight: torch.Tensor, layer: str) -> None:
    fan_in, fan_out = weight[0].numel(), weight.shape[0] * weight[0, 0].numel()
    bound = {"default": 1 / math.sqrt(fan_in), "he_uniform": math.sqrt(6 / fan_in)}.get(kind)
    deviations = {"he_out": math.sqrt(2 / fan_out), "he_in": math.sqrt(2 / fan_in)}
    deviation = bound / math.sqrt(3) if bound else deviations.get(kind, kind)
    spread = 5 / math.sqrt(2 * weight.numel())  # five standard errors
    assert weight.std().item() == pytest.approx(deviation, rel=spread), layer
    assert abs(weight.mean().item()) < 5 * deviation / math.sqrt(weight.numel()), layer
    if bound:
        assert weight.abs().max() <= bound, layer
    elif weight.numel() > 5000:
        assert weight.abs().max() > 2.5 * deviation, f"{layer} is not normal"


def check_bias(kind: str | None, synapse: Synapse, layer: str) -> None:
    """`test_counts.py` knows which layers have biases; here no layer has one that should not."""
    if kind is None or synapse.bias is None:
        assert synapse.bias is None, layer
    elif kind == "zero":
        assert not synapse.bias.any(), layer
    else:
        bound = 1 / math.sqrt(synapse.weight[0].numel())
        assert 0 < synapse.bias.abs().max() <= bound, layer


@pytest.mark.parametrize("cls", STARTS)
def test_weights_and_biases_start_as_in_the_official_code(cls):
    name, shape, conv, conv_bias, linear, linear_bias, readout, readout_bias = STARTS[cls]
    parts = make_parts(norm=NoNorm, synapse=WeightStandardised()) if name == "vgg11_ws" else None
    model = build(name, shape, 100, parts)
    for layer, synapse in ((n, m) for n, m in model.named_modules() if isinstance(m, Synapse)):
        if synapse is getattr(model, "readout", None):
            kind, bias = readout, readout_bias
        else:
            kind, bias = (conv, conv_bias) if synapse.weight.ndim > 2 else (linear, linear_bias)
        check_weight(kind, synapse.weight.detach(), layer)
        check_bias(bias, synapse, layer)


def test_spikformers_linear_projections_are_truncated_normal_and_its_stem_is_not():
    """ZK-Zhou/spikformer @6212689: cifar10/model.py has nn.Linear in its blocks, and starts all of them at 0.02, 0."""
    model = build("spikformer_cifar_2_384", IMAGE, 100)
    for layer, synapse in ((n, m) for n, m in model.named_modules() if isinstance(m, Synapse)):
        check_weight("default" if layer.startswith("stem") else 0.02, synapse.weight.detach(), layer)
        if not layer.startswith("stem"):
            check_bias("zero", synapse, layer)


@pytest.mark.parametrize("name", ["cuba_mlp", "cuba_mlp_leaky"])
def test_cuba_nets_start_with_the_scale_of_spytorch(name):
    """fzenke/spytorch @d363dbf: std = weight_scale (1 - beta) / sqrt(fan in), weight_scale 7."""
    model = build(name, (1, 28, 28), 100, make_parts(CubaLIF, NoNorm))
    beta = next(m.beta for m in model.modules() if isinstance(m, CubaLIF))
    for synapse in model.synapses():
        check_weight(7 * (1 - beta) / math.sqrt(synapse.weight.shape[1]), synapse.weight.detach(), name)


def test_s4nn_starts_uniform_above_0():
    """SRKH/S4NN @4e7a86f: [0, 5) for the hidden layer, [0, 48) for the output layer."""
    for synapse, high in zip(build("s4nn_mlp", (1, 28, 28)).synapses(), (5, 48), strict=True):
        weight = synapse.weight.detach()
        assert weight.min() >= 0
        assert weight.max() < high
        assert weight.mean().item() == pytest.approx(high / 2, rel=0.05)
        assert weight.std().item() == pytest.approx(high / math.sqrt(12), rel=0.05)


NORMED = [row[:2] for cls, row in STARTS.items() if not cls.startswith(("filter_net", "stbp", "vgg.VGG11WS", "ms_res"))]


@pytest.mark.parametrize(("name", "shape"), NORMED)
def test_norms_start_at_gain_1_and_shift_0(name, shape):
    norms = [m for m in build(name, shape).modules() if hasattr(m, "running_mean") and m.weight is not None]
    assert norms
    assert all((norm.weight == 1).all() and not norm.bias.any() for norm in norms)


@pytest.mark.parametrize("norm", [None, TdBN, partial(TdBN, parametrisation="init"), TEBN, OSR])
@pytest.mark.parametrize("v_th", [0.5, 1.0])
def test_ms_resnets_norms_start_at_the_threshold_and_a_blocks_last_at_0(norm, v_th):
    """Ariande1/MS-ResNet @7c5f006: batch_norm_2d starts at thresh = 0.5, batch_norm_2d1, a block's last, at 0."""
    parts = make_parts(v_th=v_th) if norm is None else make_parts(norm=norm, v_th=v_th)
    gains = {}
    for layer, module in build("ms_resnet18", SMALL, 10, parts).named_modules():
        if hasattr(module, "running_mean"):
            gain = module.gain() if hasattr(module, "gain") else module.weight
            (gains[layer],) = gain.unique().tolist()
    last = {layer for layer in gains if layer.endswith("projection.norm")}
    assert len(last) == 8
    assert {gains[layer] for layer in last} == {0.0}
    assert {gains[layer] for layer in gains.keys() - last} == {v_th}
