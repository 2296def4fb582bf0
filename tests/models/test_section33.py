"""PLIF, GLIF, CLIF and S4NN nets, DS-ResNets: published counts, and what their pages say of their tensors."""

import re

import pytest
import torch
from torch.nn import functional as F

from snnbench.errors import ConfigError
from snnbench.models.dropout import TemporalDropout
from snnbench.models.ds_resnet import DSBlock, InputNorm
from snnbench.models.layers import MaxPool2d
from snnbench.models.plif_net import Vote
from snnbench.neurons.glif import GLIF
from snnbench.neurons.mlf import MLF
from snnbench.neurons.plif import PLIF
from snnbench.norms.tdbn import TdBN
from snnbench.temporal import stepping

from .building import IF, LIF, build, counts, make_parts, outputs, parameters, spiking_input

CIFAR, DVS = (3, 32, 32), (2, 128, 128)

PLIF_NETS = [
    ("mnist", (1, 28, 28), 10, 13_198_980, 4),
    ("cifar10", CIFAR, 10, 36_718_344, 8),
    ("nmnist", (2, 34, 34), 10, 17_132_292, 4),
    ("cifar10dvs", DVS, 10, 17_427_718, 6),
    ("gesture", DVS, 11, 1_698_311, 7),
]


@pytest.mark.parametrize(("name", "shape", "classes", "count", "layers"), PLIF_NETS)
def test_plif_nets(name, shape, classes, count, layers):
    """plif page, check 4: one scalar a neuron layer; LIF versions lack them."""
    model = build(f"plif_net_{name}", shape, classes, make_parts(PLIF), "meta")
    assert parameters(model) == count
    assert len(model.neurons()) == layers
    assert parameters(build(f"plif_net_{name}", shape, classes, device="meta")) == count - layers
    assert all(synapse.bias is None for synapse in model.synapses())


COPIES = [  # SpikingJelly 2.0's class, its hidden neurons, its count
    ("mnist", "MNISTNet", 2048, 13_201_128),
    ("mnist", "FashionMNISTNet", 2048, 13_201_128),
    ("cifar10", "CIFAR10Net", 2048, 36_720_492),
    ("nmnist", "NMNISTNet", 2048, 17_134_440),
    ("cifar10dvs", "CIFAR10DVSNet", 512, 4_691_818),
    ("gesture", "DVSGestureNet", 512, 1_698_933),
]


@pytest.mark.peer
@pytest.mark.parametrize(("name", "peer_name", "hidden", "count"), COPIES)
def test_spikingjellys_copies_of_the_plif_nets(name, peer_name, hidden, count):
    """plif page, check 4: the same but for biases of the two linear layers, and 512 hidden neurons for CIFAR10-DVS."""
    nets = pytest.importorskip("spikingjelly.activation_based.model.parametric_lif_net")
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron").ParametricLIFNode
    with torch.device("meta"):
        assert sum(p.numel() for p in getattr(nets, peer_name)(spiking_neuron=neuron).parameters()) == count
    shape, classes = next(net[1:3] for net in PLIF_NETS if net[0] == name)
    model = build(f"plif_net_{name}", shape, classes, make_parts(PLIF), "meta", hidden=hidden)
    assert parameters(model) + hidden + 10 * classes == count


@pytest.mark.parametrize(
    ("depth", "count"),
    [(14, 2_777_674), (20, 4_327_754), (32, 7_427_914), (44, 10_528_074), (68, 16_728_394)],
)
def test_ds_resnets_for_cifar(depth, count):
    """mlf page, check 3: the unit adds no parameters."""
    for neuron in (MLF, LIF):
        model = build(f"ds_resnet{depth}", CIFAR, 10, make_parts(neuron, TdBN), "meta")
        assert parameters(model) == count
    assert len(model.synapses()) == depth + 2  # two shortcuts with a convolution beside the named layers


def test_ds_resnets_for_event_frames():
    """mlf page, check 3; the Gesture net normalises its input without parameters."""
    parts = make_parts(MLF, TdBN)
    assert parameters(build("ds_resnet14_dvs", (2, 42, 42), 10, parts, "meta")) == 696_330
    assert parameters(build("ds_resnet20_gesture", (2, 32, 32), 11, parts, "meta")) == 272_395


@pytest.mark.parametrize(
    ("depth", "classes", "steps", "count", "of_neurons"),
    [(18, 10, 4, 11_347_456, 42_944), (18, 100, 6, 11_272_832, 50_752), (19, 10, 4, 12_749_824, 49_280)],
)
def test_glif_resnets_channel_wise(depth, classes, steps, count, of_neurons):
    """glif page, check 5."""
    model = build(f"glif_resnet{depth}_cifar", CIFAR, classes, make_parts(GLIF, TdBN, time_steps=steps), "meta")
    assert parameters(model) == count
    assert sum(parameters(neuron) for neuron in model.neurons().values()) == of_neurons


def test_glif_resnet18_layer_wise():
    """glif page, check 5; the released layer-wise class has one linear layer for any number of classes."""
    parts = make_parts(GLIF, TdBN, time_steps=4, channel_wise=False)
    model = build("glif_resnet18_cifar", CIFAR, 10, parts, "meta", bottleneck=None)
    assert parameters(model) == 11_176_187
    assert sum(parameters(neuron) for neuron in model.neurons().values()) == 187


def test_glif_shortcuts_all_pass_a_norm_and_both_branches_are_scaled():
    model = build("glif_resnet18_cifar", CIFAR, 10, make_parts(GLIF, TdBN, time_steps=2), "meta")
    for stage in model.stages:
        for block in stage:
            shortcut = getattr(block.shortcut, "norm", block.shortcut)
            assert [n.factor for n in (shortcut, block.unit1.norm, block.unit2.norm)] == pytest.approx(
                [0.5 / 2**0.5, 0.5, 0.5 / 2**0.5]
            )


def test_preact_shortcuts_carry_the_blocks_spikes():
    """clif page's net: y = conv(SN(norm(conv s))) + shortcut(s), s = SN(norm(x)), whether the shape changes or not."""
    torch.manual_seed(0)
    model = build("preact_resnet18_cifar", (3, 8, 8), 10, make_parts(LIF), widths=[4, 6, 6, 6], blocks=[1, 2, 1, 1])
    kinds = set()
    for block in (block for stage in model.stages for block in stage):
        x = 2 * torch.randn(2, 2, block.norm.num_features, 4, 4)
        spikes = block.neuron(block.norm(x))
        assert counts(spikes) == {0.0, 1.0}
        torch.testing.assert_close(block(x), block.conv(block.unit(spikes)) + block.shortcut(spikes))
        kinds.add(type(block.shortcut).__name__)
    assert kinds == {"Identity", "Conv2d"}


def test_vgg11_reads_49_copies_of_one_pixel():
    model = build("vgg11_bn_dvs", (2, 48, 48), 10, make_parts(LIF, time_steps=2)).eval()
    grid = model.pool(torch.rand(2, 1, 512, 1, 1)).view(2, 1, 512, 49)
    assert torch.equal(grid, grid[..., :1].expand_as(grid))
    assert sum(isinstance(m, TemporalDropout) for m in model.modules()) == 0
    dropped = build("vgg11_bn_dvs", (2, 48, 48), 10, make_parts(LIF), "meta", dropout=0.3)
    assert [m.p for m in dropped.modules() if isinstance(m, TemporalDropout)] == [0.3] * 8


@pytest.mark.parametrize(("name", "layers", "ends_spiking"), [("18ms", 1 + 2 * 8, False), ("34", 1 + 2 * 16, True)])
def test_glif_resnets_for_imagenet(name, layers, ends_spiking):
    """Stem of 110x110, five halvings, no pool; with membrane shortcuts the classifier reads currents."""
    model = build(f"glif_resnet{name}", (3, 224, 224), 1000, make_parts(GLIF, TdBN, time_steps=1), "meta")
    with torch.no_grad():
        assert model.stem.synapse(torch.zeros(1, 1, 3, 224, 224, device="meta")).shape[-2:] == (110, 110)
        assert model(torch.zeros(1, 1, 3, 224, 224, device="meta")).shape == (1, 1, 1000)
    assert len(model.neurons()) == layers
    assert [type(model.head).__name__, model.readout.in_features, model.readout.bias] == ["Identity", 512, None]
    shortcuts = [block.shortcut for stage in model.stages for block in stage]
    assert [getattr(s, "norm", s).factor for s in shortcuts] == pytest.approx([0.5 / 2**0.5] * len(shortcuts))
    small = build(f"glif_resnet{name}", (3, 64, 64), 1000, make_parts(GLIF, TdBN), widths=[4, 4, 4, 4])
    seen = outputs(small, spiking_input(2, 2, 3, 64, 64), lambda n, _m: n == "stages")
    assert (counts(seen["stages"]) <= {0.0, 1.0}) == ends_spiking


def test_glif_wide_net_ends_as_3x3():
    model = build("glif_wide7b_dvs", (2, 48, 48), 10, make_parts(GLIF, time_steps=2), "meta")
    assert model.readout.in_features == 128 * 3 * 3
    assert len(model.neurons()) == 2 + 7 * 2


def test_max_pooled_spikes_stay_binary_and_the_gradient_goes_to_the_first_maximum():
    """plif page, check 6."""
    spikes = torch.tensor([[0.0, 1.0], [1.0, 1.0]]).view(1, 1, 1, 2, 2).requires_grad_()
    pooled = MaxPool2d(2)(spikes)
    assert pooled.item() == 1
    pooled.backward()
    assert spikes.grad.flatten().tolist() == [0, 1, 0, 0]
    model = build("plif_net_mnist", (1, 8, 8), 10, make_parts(PLIF), channels=4, hidden=16)
    seen = outputs(model, spiking_input(2, 2, 1, 8, 8), lambda _n, m: isinstance(m, MaxPool2d))
    assert all(counts(y) <= {0.0, 1.0} for y in seen.values())


def test_votes_are_the_rates_of_ten_neurons_a_class():
    model = build("plif_net_mnist", (1, 8, 8), 3, make_parts(IF), channels=4, hidden=16).eval()
    spikes = []
    model.output.register_forward_hook(lambda _m, _x, y: spikes.append(y))
    votes = model(spiking_input(4, 2, 1, 8, 8))
    assert votes.shape == (4, 2, 3)
    expected = F.avg_pool1d(spikes[0].flatten(0, 1).unsqueeze(1), 10, 10).squeeze(1).unflatten(0, (4, 2))
    torch.testing.assert_close(votes, expected)
    assert Vote(2)(torch.tensor([[[1.0, 0.0, 1.0, 1.0]]])).tolist() == [[[0.5, 1.0]]]


def test_dropout_keeps_its_mask_over_time():
    dropout, x_seq = TemporalDropout(0.5), torch.ones(5, 3, 40)
    y = dropout(x_seq)
    assert (y == y[0]).all()
    assert counts(y) == {0.0, 2.0}
    assert (y[0, 0] != y[0, 1]).any()
    with stepping(dropout) as step:
        walked = torch.stack([step(x_t) for x_t in x_seq])
    assert (walked == walked[0]).all()
    assert torch.equal(dropout.eval()(x_seq), x_seq)


@pytest.mark.parametrize("dormant_suppressed", [True, False])
def test_ds_blocks_add_spikes_or_currents(dormant_suppressed):
    """Spikes behind the addition are whole numbers that grow by K a block; the baseline stays within 0..K."""
    parts = make_parts(MLF, TdBN)
    model = build("ds_resnet14", (2, 16, 16), 10, parts, widths=[8, 8, 8], dormant_suppressed=dormant_suppressed)
    seen = outputs(model, spiking_input(2, 2, 2, 16, 16), lambda _n, m: isinstance(m, DSBlock))
    bound = 3
    for name, block in model.named_modules():
        if isinstance(block, DSBlock):
            changes = not isinstance(block.shortcut, torch.nn.Identity)
            bound = 3 if not dormant_suppressed else 6 if changes else bound + 3
            assert counts(seen[name]) <= set(map(float, range(bound + 1)))
    assert max(seen["stages.0.1"].unique()) > (3 if dormant_suppressed else 0)


def test_input_norm_scales_by_the_threshold_without_parameters():
    norm, x = InputNorm(2, 0.6), torch.rand(4, 8, 2, 5, 5) * 7
    y = norm(x)
    assert not list(norm.parameters())
    torch.testing.assert_close(y.mean((0, 1, 3, 4)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.std((0, 1, 3, 4), unbiased=False), torch.full((2,), 0.6), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("name", "shape", "changes", "says"),
    [
        ("plif_net_gesture", (2, 16, 16), {}, "at least 32x32"),
        ("plif_net_mnist", (1, 8, 8), {"stages": []}, "model.stages=[]"),
        ("plif_net_mnist", (1, 8, 8), {"dropout": [0.5]}, "two shares"),
        ("ds_resnet20", (1, 2, 2), {}, "at least 4x4"),
        ("ds_resnet20", CIFAR, {"widths": [8]}, "one positive width"),
        ("glif_resnet18_cifar", (1, 2, 2), {}, "at least 4x4"),
        ("glif_resnet34", (3, 16, 16), {}, "at least 32x32"),
        ("glif_wide7b_dvs", (2, 8, 8), {}, "at least 16x16"),
        ("preact_resnet18_cifar", (1, 4, 4), {}, "at least 8x8"),
        ("vgg11_bn_dvs", (2, 16, 16), {}, "at least 32x32"),
        ("cifarnet", (3, 2, 2), {}, "at least 4x4"),
        ("cifarnet", CIFAR, {"strides": [1]}, "needs one positive model.strides=[1] each"),
        ("glif_wide7b_dvs", DVS, {"pools": 8}, "number of blocks"),
        ("s4nn_mlp", (1, 8, 8), {"hidden": [4, 4]}, "one number for each linear layer"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(name, shape, changes, says):
    with pytest.raises(ConfigError, match=re.escape(says)) as error:
        build(name, shape, 10, device="meta", **changes)
    assert "\n" not in str(error.value)
