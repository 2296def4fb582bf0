"""Exact parameter counts and neuron layers of the published nets (catalogue pages' "Checks", issue 2 section 3)."""

import pytest
import torch

from snnbench.neurons.clif import CLIF
from snnbench.neurons.plif import PLIF
from snnbench.neurons.psn import PSN
from snnbench.neurons.sliding_psn import SlidingPSN
from snnbench.norms.none import NoNorm
from snnbench.site import Site
from snnbench.surrogates.atan import ATan
from snnbench.synapses.weight_standardised import WeightStandardised

from .building import build, make_parts, parameters

IMAGENET, CIFAR, DVS, DVS48 = (3, 224, 224), (3, 32, 32), (2, 128, 128), (2, 48, 48)

PUBLISHED = [
    ("csnn", CIFAR, 10, 17_542_026),
    ("csnn_1d", CIFAR, 10, 513_418),
    ("vggsnn", DVS48, 10, 9_271_498),
    ("cifarnet", CIFAR, 10, 44_490_250),
    ("vgg11_bn_dvs", DVS48, 10, 9_476_298),
    ("vgg11_bn_dvs", DVS, 11, 9_501_387),
    ("preact_resnet18_cifar", CIFAR, 10, 11_176_906),
    ("preact_resnet18_cifar", CIFAR, 100, 11_223_076),
    ("wrn16_2_cifar", CIFAR, 10, 691_674),
    ("wrn28_4_cifar", CIFAR, 10, 5_849_050),
    ("resnet19", CIFAR, 10, 12_630_858),
    ("resnet19", CIFAR, 100, 12_653_988),
    ("spiking_resnet18", IMAGENET, 1000, 11_689_512),
    ("spiking_resnet34", IMAGENET, 1000, 21_797_672),
    ("spiking_resnet50", IMAGENET, 1000, 25_557_032),
    ("sew_resnet18", IMAGENET, 1000, 11_689_512),
    ("sew_resnet34", IMAGENET, 1000, 21_797_672),
    ("sew_resnet50", IMAGENET, 1000, 25_557_032),
    ("ms_resnet18", IMAGENET, 1000, 11_693_736),
    ("ms_resnet34", IMAGENET, 1000, 21_801_896),
    ("spikformer_cifar_2_384", CIFAR, 10, 5_765_050),
    ("spikformer_cifar_4_384", CIFAR, 10, 9_324_730),
    ("spikformer_cifar_4_384", CIFAR, 100, 9_359_380),
    ("spikformer_8_384", IMAGENET, 1000, 16_816_024),
    ("spikformer_8_512", IMAGENET, 1000, 29_689_384),
    ("spikformer_8_768", IMAGENET, 1000, 66_338_632),
    ("spikformer_dvs_2_256", DVS, 10, 2_566_666),
    ("qkformer_cifar_4_384", CIFAR, 10, 6_706_234),
    ("qkformer_cifar_4_384", CIFAR, 100, 6_740_884),
    ("qkformer_10_384", IMAGENET, 1000, 16_473_688),
    ("qkformer_10_512", IMAGENET, 1000, 29_079_336),
    ("qkformer_10_768", IMAGENET, 1000, 64_962_760),
    ("qkformer_dvs_2_256", DVS, 10, 1_504_138),
]

# Other sizes of the same classes: the base YAML and what it changes.
OTHER_SIZES = [
    ("spiking_resnet50", {"blocks": [3, 4, 23, 3]}, IMAGENET, 1000, 44_549_160),
    ("spiking_resnet50", {"blocks": [3, 8, 36, 3]}, IMAGENET, 1000, 60_192_808),
    ("sew_resnet50", {"blocks": [3, 4, 23, 3]}, IMAGENET, 1000, 44_549_160),
    ("sew_resnet50", {"blocks": [3, 8, 36, 3]}, IMAGENET, 1000, 60_192_808),
    ("spikformer_cifar_4_384", {"dim": 256, "heads": 8}, CIFAR, 10, 4_155_178),
    ("spikformer_8_512", {"depth": 6}, IMAGENET, 1000, 23_373_352),
    ("spikformer_8_512", {"depth": 10}, IMAGENET, 1000, 36_005_416),
    ("ms_resnet18", {"stem": "cifar"}, CIFAR, 100, 11_220_132),
]

NEURON_LAYERS = [
    ("preact_resnet18_cifar", 17),
    ("spiking_resnet18", 17),
    ("spiking_resnet34", 33),
    ("spiking_resnet50", 49),
    ("sew_resnet18", 20),
    ("sew_resnet34", 36),
    ("sew_resnet50", 53),
    ("ms_resnet18", 17),
    ("spikformer_8_384", 4 + 1 + 8 * 7),
    ("qkformer_10_384", (4 + 3 + 3) + 3 * 6 + 7 * 7),
]


@pytest.mark.parametrize(("name", "shape", "classes", "count"), PUBLISHED)
def test_parameters_are_the_published_integer(name, shape, classes, count):
    assert parameters(build(name, shape, classes, device="meta")) == count


@pytest.mark.parametrize(("name", "changes", "shape", "classes", "count"), OTHER_SIZES)
def test_parameters_of_other_sizes(name, changes, shape, classes, count):
    assert parameters(build(name, shape, classes, device="meta", **changes)) == count


@pytest.mark.parametrize(
    ("neuron", "settings", "classes", "count"),
    [(PSN, {}, 10, 520_810), (PSN, {}, 100, 543_940), (SlidingPSN, {"k": 32}, 10, 513_649),
     (SlidingPSN, {"k": 32}, 100, 536_779), (SlidingPSN, {"k": 4}, 10, 513_418 + 7 * 5)],
)  # fmt: skip
def test_sequential_net_with_the_psn_family(neuron, settings, classes, count):
    """Counts of the released sequential-CIFAR classes (catalogue page psn); T 32, seven neuron layers."""
    model = build("csnn_1d", CIFAR, classes, make_parts(neuron, time_steps=32, **settings), "meta")
    assert parameters(model) == count
    assert len(model.neurons()) == 7


def test_nets_of_psn():
    """psn page, check 5: T^2 + T a layer, or k + 1 of the sliding kind; spiking ResNet-18 has 17 layers of them."""
    four, two = make_parts(PSN, time_steps=4), make_parts(SlidingPSN, time_steps=10, k=2)
    assert parameters(build("csnn", CIFAR, 10, four, "meta", width=256, hidden=4096)) == 70_113_174
    assert parameters(build("vggsnn", DVS48, 10, two, "meta")) == 9_271_522
    assert parameters(build("spiking_resnet18", IMAGENET, 1000, four, "meta")) == 11_689_512 + 340


@pytest.mark.peer
def test_psn_in_spikingjellys_vgg11():
    """psn page, check 5: ten neuron layers, +200 at T 4. The VGG-11 nets here have no spiking linear layers."""
    nets = pytest.importorskip("spikingjelly.activation_based.model.spiking_vgg")
    with torch.device("meta"):
        model = nets.spiking_vgg11(spiking_neuron=lambda **_: PSN(Site(1, 4), ATan()))
    assert sum(isinstance(module, PSN) for module in model.modules()) == 10
    assert parameters(model) == 132_863_336 + 200


def test_clif_adds_no_parameters():
    """clif page, check 6: 11.2 M for LIF and CLIF."""
    clif = build("preact_resnet18_cifar", CIFAR, 10, make_parts(CLIF), "meta")
    assert parameters(clif) == parameters(build("preact_resnet18_cifar", CIFAR, 10, device="meta"))
    assert round(parameters(clif) / 1e6, 1) == 11.2


@pytest.mark.parametrize(("channels", "count"), [(3, 9_228_362), (2, 9_228_362 - 9 * 64)])
def test_vgg11_ws_with_standardised_weights_and_no_norm(channels, count):
    parts = make_parts(norm=NoNorm, synapse=WeightStandardised())
    assert parameters(build("vgg11_ws", (channels, 32, 32), 10, parts, "meta")) == count


@pytest.mark.parametrize(
    ("name", "classes", "count", "layers"), [("sew_7b", 11, 130_426, 15), ("sew_wide7b", 10, 1_192_218, 16)]
)
def test_event_nets_have_one_plif_scalar_a_layer(name, classes, count, layers):
    model = build(name, DVS, classes, make_parts(PLIF), "meta")
    assert parameters(model) == count
    assert len(model.neurons()) == layers
    assert parameters(build(name, DVS, classes, device="meta")) == count - layers


@pytest.mark.parametrize(("name", "layers"), NEURON_LAYERS)
def test_neuron_layers(name, layers):
    assert len(build(name, IMAGENET, 1000, device="meta").neurons()) == layers
