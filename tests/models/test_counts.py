"""Exact parameter counts and neuron layers of the published nets (catalogue pages' "Checks", issue 2 section 3)."""

import pytest

from snnbench.neurons.clif import CLIF
from snnbench.neurons.glif import GLIF
from snnbench.neurons.mlf import MLF
from snnbench.neurons.plif import PLIF
from snnbench.neurons.psn import PSN
from snnbench.neurons.sliding_psn import SlidingPSN
from snnbench.neurons.srm import SRM
from snnbench.norms.none import NoNorm
from snnbench.norms.tdbn import TdBN
from snnbench.synapses.weight_standardised import WeightStandardised

from .building import IF, LIF, build, make_parts, parameters

IMAGENET, CIFAR, MNIST, NMNIST = (3, 224, 224), (3, 32, 32), (1, 28, 28), (2, 34, 34)
DVS, DVS48 = (2, 128, 128), (2, 48, 48)


def net(count, neuron_layers, name, shape, classes=10, parts=None, **changes):
    """A row: parameters and neuron layers (None: no source states them), model, its input, parts, changed values."""
    neuron = parts.get("neuron", LIF).__name__ if parts else "as made"
    label = "-".join(map(str, [name, shape[0], shape[-1], classes, neuron, *changes.values()]))
    return pytest.param(count, neuron_layers, name, shape, classes, parts, changes, id=label)


def glif(steps, **settings):
    return {"neuron": GLIF, "norm": TdBN, "time_steps": steps, **settings}


STBP, SLAYER = {"neuron": IF, "norm": NoNorm}, {"neuron": SRM, "norm": NoNorm}
STANDARDISED = {"norm": NoNorm, "synapse": WeightStandardised()}
MLF_PARTS, LIF_PARTS = {"neuron": MLF, "norm": TdBN}, {"norm": TdBN}

NETS = [
    net(17_542_026, None, "csnn", CIFAR),
    net(513_418, 7, "csnn_1d", CIFAR),
    net(9_271_498, None, "vggsnn", DVS48),
    net(44_490_250, None, "cifarnet", CIFAR),
    net(9_476_298, None, "vgg11_bn_dvs", DVS48),
    net(9_501_387, None, "vgg11_bn_dvs", DVS, 11),
    net(9_228_362, None, "vgg11_ws", CIFAR, parts=STANDARDISED),
    net(9_228_362 - 9 * 64, None, "vgg11_ws", (2, 32, 32), parts=STANDARDISED),
    net(691_674, None, "wrn16_2_cifar", CIFAR),
    net(5_849_050, None, "wrn28_4_cifar", CIFAR),
    net(12_630_858, None, "resnet19", CIFAR),
    net(12_653_988, None, "resnet19", CIFAR, 100),
    net(11_689_512, 17, "spiking_resnet18", IMAGENET, 1000),
    net(21_797_672, 33, "spiking_resnet34", IMAGENET, 1000),
    net(25_557_032, 49, "spiking_resnet50", IMAGENET, 1000),
    net(44_549_160, None, "spiking_resnet50", IMAGENET, 1000, blocks=[3, 4, 23, 3]),
    net(60_192_808, None, "spiking_resnet50", IMAGENET, 1000, blocks=[3, 8, 36, 3]),
    net(11_689_512, 20, "sew_resnet18", IMAGENET, 1000),
    net(21_797_672, 36, "sew_resnet34", IMAGENET, 1000),
    net(25_557_032, 53, "sew_resnet50", IMAGENET, 1000),
    net(44_549_160, None, "sew_resnet50", IMAGENET, 1000, blocks=[3, 4, 23, 3]),
    net(60_192_808, None, "sew_resnet50", IMAGENET, 1000, blocks=[3, 8, 36, 3]),
    net(11_693_736, 17, "ms_resnet18", IMAGENET, 1000),
    net(21_801_896, None, "ms_resnet34", IMAGENET, 1000),
    net(11_220_132, None, "ms_resnet18", CIFAR, 100, stem="cifar"),
    net(5_765_050, None, "spikformer_cifar_2_384", CIFAR),
    net(9_324_730, None, "spikformer_cifar_4_384", CIFAR),
    net(9_359_380, None, "spikformer_cifar_4_384", CIFAR, 100),
    net(4_155_178, None, "spikformer_cifar_4_384", CIFAR, dim=256, heads=8),
    net(16_816_024, 4 + 1 + 8 * 7, "spikformer_8_384", IMAGENET, 1000),
    net(29_689_384, None, "spikformer_8_512", IMAGENET, 1000),
    net(23_373_352, None, "spikformer_8_512", IMAGENET, 1000, depth=6),
    net(36_005_416, None, "spikformer_8_512", IMAGENET, 1000, depth=10),
    net(66_338_632, None, "spikformer_8_768", IMAGENET, 1000),
    net(2_566_666, None, "spikformer_dvs_2_256", DVS),
    net(6_706_234, None, "qkformer_cifar_4_384", CIFAR),
    net(6_740_884, None, "qkformer_cifar_4_384", CIFAR, 100),
    net(16_473_688, (4 + 3 + 3) + 3 * 6 + 7 * 7, "qkformer_10_384", IMAGENET, 1000),
    net(29_079_336, None, "qkformer_10_512", IMAGENET, 1000),
    net(64_962_760, None, "qkformer_10_768", IMAGENET, 1000),
    net(1_504_138, None, "qkformer_dvs_2_256", DVS),
    # psn page, check 5: T^2 + T a layer, or k + 1 of the sliding kind; the released sequential-CIFAR classes
    net(520_810, 7, "csnn_1d", CIFAR, 10, {"neuron": PSN, "time_steps": 32}),
    net(543_940, 7, "csnn_1d", CIFAR, 100, {"neuron": PSN, "time_steps": 32}),
    net(513_649, 7, "csnn_1d", CIFAR, 10, {"neuron": SlidingPSN, "time_steps": 32, "k": 32}),
    net(536_779, 7, "csnn_1d", CIFAR, 100, {"neuron": SlidingPSN, "time_steps": 32, "k": 32}),
    net(513_418 + 7 * 5, 7, "csnn_1d", CIFAR, 10, {"neuron": SlidingPSN, "time_steps": 32, "k": 4}),
    net(70_113_174, None, "csnn", CIFAR, 10, {"neuron": PSN, "time_steps": 4}, width=256, hidden=4096),
    net(9_271_522, None, "vggsnn", DVS48, 10, {"neuron": SlidingPSN, "time_steps": 10, "k": 2}),
    net(11_689_512 + 340, 17, "spiking_resnet18", IMAGENET, 1000, {"neuron": PSN, "time_steps": 4}),
    # clif page, check 6: 11.2 M for LIF and CLIF
    net(11_176_906, 17, "preact_resnet18_cifar", CIFAR),
    net(11_176_906, 17, "preact_resnet18_cifar", CIFAR, parts={"neuron": CLIF}),
    net(11_223_076, 17, "preact_resnet18_cifar", CIFAR, 100),
    # plif page, check 4: one scalar a neuron layer, which LIF versions lack
    net(130_426, 15, "sew_7b", DVS, 11, {"neuron": PLIF}),
    net(130_426 - 15, 15, "sew_7b", DVS, 11),
    net(1_192_218, 16, "sew_wide7b", DVS, 10, {"neuron": PLIF}),
    net(1_192_218 - 16, 16, "sew_wide7b", DVS),
    net(13_198_980, 4, "plif_net_mnist", MNIST, 10, {"neuron": PLIF}),
    net(13_198_980 - 4, 4, "plif_net_mnist", MNIST),
    net(36_718_344, 8, "plif_net_cifar10", CIFAR, 10, {"neuron": PLIF}),
    net(17_132_292, 4, "plif_net_nmnist", NMNIST, 10, {"neuron": PLIF}),
    net(17_427_718, 6, "plif_net_cifar10dvs", DVS, 10, {"neuron": PLIF}),
    net(1_698_311, 7, "plif_net_gesture", DVS, 11, {"neuron": PLIF}),
    # SpikingJelly 2.0's CIFAR10DVSNet has 512 hidden neurons, and biases in its two linear layers
    net(4_691_818 - 512 - 100, 6, "plif_net_cifar10dvs", DVS, 10, {"neuron": PLIF}, hidden=512),
    # mlf page, check 3: the unit adds no parameters, and Gesture's net normalises its input without any
    net(2_777_674, None, "ds_resnet14", CIFAR, parts=MLF_PARTS),
    net(2_777_674, None, "ds_resnet14", CIFAR, parts=LIF_PARTS),
    net(4_327_754, None, "ds_resnet20", CIFAR, parts=MLF_PARTS),
    net(7_427_914, None, "ds_resnet32", CIFAR, parts=MLF_PARTS),
    net(10_528_074, None, "ds_resnet44", CIFAR, parts=MLF_PARTS),
    net(16_728_394, None, "ds_resnet68", CIFAR, parts=MLF_PARTS),
    net(696_330, None, "ds_resnet14_dvs", (2, 42, 42), parts=MLF_PARTS),
    net(272_395, None, "ds_resnet20_gesture", (2, 32, 32), 11, MLF_PARTS),
    # glif page, check 5: with the neurons' own parameters and without them
    net(11_347_456, 17, "glif_resnet18_cifar", CIFAR, 10, glif(4)),
    net(11_347_456 - 42_944, 17, "glif_resnet18_cifar", CIFAR, 10, LIF_PARTS),
    net(11_272_832, 17, "glif_resnet18_cifar", CIFAR, 100, glif(6)),
    net(11_272_832 - 50_752, 17, "glif_resnet18_cifar", CIFAR, 100, LIF_PARTS),
    net(12_749_824, None, "glif_resnet19_cifar", CIFAR, 10, glif(4)),
    net(12_749_824 - 49_280, None, "glif_resnet19_cifar", CIFAR, 10, LIF_PARTS),
    # the released layer-wise class has one linear layer for any number of classes
    net(11_176_187, 17, "glif_resnet18_cifar", CIFAR, 10, glif(4, channel_wise=False), bottleneck=None),
    net(None, 1 + 2 * 8, "glif_resnet18ms", IMAGENET, 1000, glif(1)),
    net(None, 1 + 2 * 16, "glif_resnet34", IMAGENET, 1000, glif(1)),
    net(None, 2 + 7 * 2, "glif_wide7b_dvs", DVS48, 10, glif(2)),
    # stbp page, check 2
    net(211_690, 4, "stbp_net", MNIST, parts=STBP),
    net(784 * 512 + 512 + 512 * 10 + 10, None, "stbp_mlp", MNIST, 10, STBP, hidden=[512]),
    net(2312 * 800 + 800 + 800 * 10 + 10, None, "stbp_mlp", NMNIST, 10, STBP),
    net(3_584 + 295_168 + 1_180_160 + 4_719_616 + 4_719_104 + 33_555_456 + 524_800 + 51_300, None,
        "stbp_net_cifar10", CIFAR, 10, STBP),
    # the released nets of SLAYER, in which the pools spike, and the paper's
    net(800 + 4_608 + 18_432 + 40_960, 6, "slayer_cnn", NMNIST, 10, SLAYER),
    net(2_312 * 512 + 512 * 10, None, "slayer_mlp", NMNIST, 10, SLAYER),
    net(2_312 * 500 + 500 * 500 + 500 * 10, None, "slayer_mlp", NMNIST, 10, SLAYER, hidden=[500, 500]),
    net(800 + 4_608 + 8 * 8 * 32 * 512 + 512 * 11, 7, "slayer_cnn", DVS, 11, SLAYER,
        layers=["SP4", "16C5", "SP2", "32C3", "SP2"], hidden=[512]),
    net(12 * 25 + 64 * 12 * 25 + 64 * 4 * 4 * 10, None, "slayer_cnn", MNIST, 10, SLAYER,
        layers=["12C5P0", "SP2", "64C5P0", "SP2"]),
]  # fmt: skip


@pytest.mark.parametrize(("count", "neuron_layers", "name", "shape", "classes", "parts", "changes"), NETS)
def test_parameters_and_neuron_layers_are_the_published_numbers(
    count, neuron_layers, name, shape, classes, parts, changes
):
    model = build(name, shape, classes, None if parts is None else make_parts(**parts), "meta", **changes)
    assert count is None or parameters(model) == count
    assert neuron_layers is None or len(model.neurons()) == neuron_layers
