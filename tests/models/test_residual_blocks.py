"""What a residual block adds: spikes or currents, over which shortcut, and what it is at its zero initialisation."""

import pytest
import torch
from torch import nn

from snnbench.models.ds_resnet import DSBlock
from snnbench.models.layers import MaxPool2d
from snnbench.models.ms_resnet import MSBlock
from snnbench.models.parts import Projection, Unit
from snnbench.models.sew_resnet import SEWBlock
from snnbench.models.spiking_resnet import BasicBlock, Bottleneck
from snnbench.neurons.glif import GLIF
from snnbench.neurons.mlf import MLF
from snnbench.norms.tdbn import TdBN

from .building import BINARY, IF, LIF, build, counts, inputs_of, is_a, make_parts, outputs, spiking_input

SMALL = {"widths": [8, 16, 16], "blocks": [2, 1, 1]}


def whole_numbers(bound):
    return set(map(float, range(bound + 1)))


@pytest.mark.parametrize(("block", "cls"), [("basic", BasicBlock), ("bottleneck", Bottleneck)])
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_spiking_resnet_passes_only_spikes_between_blocks(block, cls, stem):
    model = build("spiking_resnet18", (2, 32, 32), 10, make_parts(IF), block=block, stem=stem, **SMALL)
    inputs = inputs_of(model.synapses()[1:-1])
    seen = outputs(model, spiking_input(2, 2, 2, 32, 32), is_a(cls, MaxPool2d))
    assert all(counts(y) == BINARY for y in seen.values())
    assert all(counts(x) <= BINARY for x in inputs)


@pytest.mark.parametrize("neuron", [IF, LIF])
def test_spiking_resnet_block_copies_its_spikes_at_zero_init_with_if_only(neuron):
    """A unit current reaches an IF's threshold but not that of an LIF that decays its input: the SEW paper's point."""
    model = build("spiking_resnet18", (2, 16, 16), 10, make_parts(neuron), zero_init=True, **SMALL)
    spikes = torch.zeros(1, 2, 8, 16, 16).bernoulli_(0.3, generator=torch.Generator().manual_seed(0))
    copied = model.stages[0][1](spikes)
    assert torch.equal(copied, spikes if neuron is IF else torch.zeros_like(spikes))


@pytest.mark.parametrize("connect", ["ADD", "AND", "IAND"])
def test_sew_blocks_give_small_integers_or_spikes_and_are_the_identity_at_zero_init(connect):
    model = build("sew_resnet18", (2, 32, 32), 10, make_parts(IF), connect=connect, stem="imagenet", **SMALL)
    seen = outputs(model, spiking_input(2, 2, 2, 32, 32), is_a(SEWBlock, MaxPool2d))
    bound = 1
    for name, module in model.named_modules():
        if isinstance(module, MaxPool2d):
            assert counts(seen[name]) == BINARY
        if isinstance(module, SEWBlock):
            bound = 2 if isinstance(module.shortcut, Unit) else bound + 1  # 1 + blocks since the last spiking shortcut
            assert counts(seen[name]) <= (whole_numbers(bound) if connect == "ADD" else BINARY)
    assert connect != "ADD" or max(seen["stages.0.1"].unique()) >= 2
    zeroed = build("sew_resnet18", (2, 16, 16), 10, make_parts(IF), connect=connect, zero_init=True, **SMALL)
    spikes = (spiking_input(3, 2, 8, 16, 16) > 0).float()
    assert torch.equal(zeroed.stages[0][1](spikes), spikes)


def test_ms_resnet_blocks_are_their_shortcuts_at_first_and_convolve_spikes():
    model = build("ms_resnet18", (2, 32, 32), 10, make_parts(IF), **SMALL)
    blocks = [module for module in model.modules() if isinstance(module, MSBlock)]
    x_seq = spiking_input(2, 2, 8, 16, 16)
    for block in blocks[:2]:
        assert torch.equal(block(x_seq), block.shortcut(x_seq))
    real = {module.synapse for block in blocks for module in [block.shortcut] if isinstance(module, Projection)}
    real |= {model.stem.synapse, model.readout}
    inputs = inputs_of([synapse for synapse in model.synapses() if synapse not in real])
    model(spiking_input(2, 2, 2, 32, 32))
    assert len(inputs) == 2 * len(blocks)
    assert all(counts(x) <= BINARY for x in inputs)


@pytest.mark.parametrize("dormant_suppressed", [True, False])
def test_ds_blocks_add_spikes_or_currents(dormant_suppressed):
    """Spikes behind the addition are whole numbers that grow by K a block; the baseline stays within 0..K."""
    parts = make_parts(MLF, TdBN)
    model = build("ds_resnet14", (2, 16, 16), 10, parts, widths=[8, 8, 8], dormant_suppressed=dormant_suppressed)
    seen, bound = outputs(model, spiking_input(2, 2, 2, 16, 16), is_a(DSBlock)), 3
    for name, block in model.named_modules():
        if isinstance(block, DSBlock):
            changes = not isinstance(block.shortcut, nn.Identity)
            bound = 3 if not dormant_suppressed else 6 if changes else bound + 3
            assert counts(seen[name]) <= whole_numbers(bound)
    assert max(seen["stages.0.1"].unique()) > (3 if dormant_suppressed else 0)


def test_preact_shortcuts_carry_the_blocks_spikes():
    """clif page's net: y = conv(SN(norm(conv s))) + shortcut(s), s = SN(norm(x)), whether the shape changes or not."""
    torch.manual_seed(0)
    model = build("preact_resnet18_cifar", (3, 8, 8), 10, make_parts(LIF), widths=[4, 6, 6, 6], blocks=[1, 2, 1, 1])
    kinds = set()
    for block in (block for stage in model.stages for block in stage):
        x = 2 * torch.randn(2, 2, block.norm.num_features, 4, 4)
        spikes = block.neuron(block.norm(x))
        assert counts(spikes) == BINARY
        torch.testing.assert_close(block(x), block.conv(block.unit(spikes)) + block.shortcut(spikes))
        kinds.add(type(block.shortcut).__name__)
    assert kinds == {"Identity", "Conv2d"}


@pytest.mark.parametrize(
    ("name", "last", "ends_spiking"),
    [
        ("glif_resnet18_cifar", "unit2", True), ("glif_resnet34", "unit2", True),
        ("glif_resnet18ms", "projection", False),  # membrane shortcuts: the classifier reads currents
    ],
)  # fmt: skip
def test_glif_shortcuts_all_pass_a_norm_and_both_branches_are_scaled(name, last, ends_spiking):
    model = build(name, (3, 64, 64), 10, make_parts(GLIF, TdBN), widths=[4, 4, 4, 4])
    for block in (block for stage in model.stages for block in stage):
        shortcut = getattr(block.shortcut, "norm", block.shortcut)
        first = block.unit1 if last == "unit2" else block.unit
        factors = [norm.factor for norm in (shortcut, first.norm, getattr(block, last).norm)]
        assert factors == pytest.approx([0.5 / 2**0.5, 0.5, 0.5 / 2**0.5])
    seen = outputs(model, spiking_input(2, 2, 3, 64, 64), lambda n, _m: n == "stages")
    assert (counts(seen["stages"]) <= BINARY) == ends_spiking
    x_seq = spiking_input(2, 2, 4, 8, 8)
    for block in (block for stage in model.stages for block in stage):
        nn.init.zeros_(getattr(block, last).norm.weight)  # the branch adds nothing: the shortcut is what is left
        current = block.shortcut(x_seq)
        assert torch.equal(block(x_seq), block.unit2.neuron(current) if ends_spiking else current)
        assert current.any()
