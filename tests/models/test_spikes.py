"""Tensors that the papers call binary are binary, integers are integers, and silent blocks are their shortcuts."""

import pytest
import torch

from snnbench.models.attention import QKTokenAttention, SpikingSelfAttention
from snnbench.models.layers import AvgPool2d, MaxPool2d, SpikeMatmul
from snnbench.models.ms_resnet import MSBlock
from snnbench.models.parts import Projection, Unit
from snnbench.models.qkformer import PatchEmbedding
from snnbench.models.sew_resnet import SEWBlock
from snnbench.models.spikformer import PatchSplitting
from snnbench.models.spiking_resnet import BasicBlock, Bottleneck
from snnbench.synapses.base import Synapse

from .building import IF, LIF, build, counts, make_parts, outputs, spiking_input

SMALL = {"widths": [8, 16, 16], "blocks": [2, 1, 1]}
BINARY = {0.0, 1.0}


def is_a(*classes):
    return lambda _name, module: isinstance(module, classes)


def binary_spikes(x: torch.Tensor) -> torch.Tensor:
    return (x > 0).float()


@pytest.mark.parametrize(
    "name", ["spiking_resnet_tiny", "csnn", "sew_resnet18", "ms_resnet18", "spikformer_tiny", "qkformer_tiny"]
)
def test_every_neuron_emits_zeros_and_ones(name):
    model = build(name, (2, 16, 16), 10, make_parts(IF))
    seen = outputs(model, spiking_input(2, 2, 2, 16, 16), lambda _name, module: hasattr(module, "surrogate"))
    assert len(seen) == len(model.neurons())
    assert all(counts(spikes) <= BINARY for spikes in seen.values())
    assert counts(next(iter(seen.values()))) == BINARY


@pytest.mark.parametrize(("block", "cls"), [("basic", BasicBlock), ("bottleneck", Bottleneck)])
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_spiking_resnet_passes_only_spikes_between_blocks(block, cls, stem):
    model = build("spiking_resnet18", (2, 32, 32), 10, make_parts(IF), block=block, stem=stem, **SMALL)
    inputs = []
    for synapse in model.synapses()[1:-1]:
        synapse.register_forward_hook(lambda _m, args, _y: inputs.append(args[0]))
    seen = outputs(model, spiking_input(2, 2, 2, 32, 32), is_a(cls, MaxPool2d))
    assert all(counts(y) == BINARY for y in seen.values())
    assert all(counts(x) <= BINARY for x in inputs)


@pytest.mark.parametrize("connect", ["ADD", "AND", "IAND"])
def test_sew_blocks_give_small_integers_or_spikes(connect):
    model = build("sew_resnet18", (2, 32, 32), 10, make_parts(IF), connect=connect, stem="imagenet", **SMALL)
    seen = outputs(model, spiking_input(2, 2, 2, 32, 32), is_a(SEWBlock, MaxPool2d))
    bound = 1
    for name, module in model.named_modules():
        if isinstance(module, MaxPool2d):
            assert counts(seen[name]) == BINARY
        if isinstance(module, SEWBlock):
            bound = 2 if isinstance(module.shortcut, Unit) else bound + 1  # 1 + blocks since the last spiking shortcut
            allowed = set(map(float, range(bound + 1))) if connect == "ADD" else BINARY
            assert counts(seen[name]) <= allowed
    assert connect != "ADD" or max(seen["stages.0.1"].unique()) >= 2


@pytest.mark.parametrize("connect", ["ADD", "IAND", "AND"])
def test_sew_block_is_the_identity_at_zero_init(connect):
    model = build("sew_resnet18", (2, 16, 16), 10, make_parts(IF), connect=connect, zero_init=True, **SMALL)
    block = model.stages[0][1]
    spikes = binary_spikes(spiking_input(3, 2, 8, 16, 16))
    assert torch.equal(block(spikes), spikes)


@pytest.mark.parametrize("neuron", [IF, LIF])
def test_spiking_resnet_block_copies_its_spikes_at_zero_init_with_if_only(neuron):
    """A unit current reaches an IF's threshold but not that of an LIF that decays its input: the SEW paper's point."""
    model = build("spiking_resnet18", (2, 16, 16), 10, make_parts(neuron), zero_init=True, **SMALL)
    spikes = torch.zeros(1, 2, 8, 16, 16).bernoulli_(0.3, generator=torch.Generator().manual_seed(0))
    copied = model.stages[0][1](spikes)
    assert torch.equal(copied, spikes if neuron is IF else torch.zeros_like(spikes))


def test_ms_resnet_blocks_are_their_shortcuts_at_first_and_convolve_spikes():
    model = build("ms_resnet18", (2, 32, 32), 10, make_parts(IF), **SMALL)
    blocks = [module for module in model.modules() if isinstance(module, MSBlock)]
    x_seq = spiking_input(2, 2, 8, 16, 16)
    for block in blocks[:2]:
        assert torch.equal(block(x_seq), block.shortcut(x_seq))
    real = {module.synapse for block in blocks for module in [block.shortcut] if isinstance(module, Projection)}
    real |= {model.stem.synapse, model.readout}
    inputs = []
    for synapse in model.synapses():
        if synapse not in real:
            synapse.register_forward_hook(lambda _m, args, _y: inputs.append(args[0]))
    model(spiking_input(2, 2, 2, 32, 32))
    assert len(inputs) == 2 * len(blocks)
    assert all(counts(x) <= BINARY for x in inputs)


def test_spikformer_binary_and_integer_tensors():
    model = build("spikformer_tiny", (2, 16, 16), 10, make_parts(IF), depth=2)
    seen = outputs(model, spiking_input(2, 2, 2, 16, 16), is_a(PatchSplitting, SpikingSelfAttention, Unit))
    assert counts(seen["stem"]) == {0.0, 1.0, 2.0}
    attentions = [y for name, y in seen.items() if name.endswith("attention")]
    assert len(attentions) == 2
    assert all(counts(y) <= BINARY for y in attentions)
    qkv = [y for name, y in seen.items() if name.endswith((".q", ".k", ".v"))]
    assert len(qkv) == 6
    assert all(counts(y) == BINARY for y in qkv)


def test_qkformer_binary_and_integer_tensors():
    model = build("qkformer_tiny", (2, 16, 16), 10, make_parts(IF))
    wanted = is_a(PatchEmbedding, QKTokenAttention, SpikingSelfAttention, Unit)
    seen = outputs(model, spiking_input(2, 2, 2, 16, 16), wanted)
    embeddings = [y for name, y in seen.items() if name.endswith("embedding")]
    assert len(embeddings) == 2
    assert all(counts(y) == {0.0, 1.0, 2.0} for y in embeddings)
    assert all(counts(y) <= BINARY for name, y in seen.items() if name.endswith(("attention", ".q", ".k", ".v")))


def test_both_orders_of_attention_agree():
    attention = SpikingSelfAttention(make_parts(), 16, 2, scale=0.125, attn_v_th=0.5, qkv_bias=False)
    tokens = [binary_spikes(spiking_input(2, 3, 16, 10, seed=seed)) for seed in range(3)]
    for q, k, v in (tokens, [x[..., :5] for x in tokens]):  # d=8 <= L=10, then L=5 < d=8: the other order
        heads = [x.unflatten(2, (2, -1)) for x in (q, k, v)]
        reference = (heads[0].mT @ heads[1] @ heads[2].mT).mT.flatten(2, 3) * 0.125  # (Q K^T) V with tokens in rows
        assert torch.equal(attention.attend(q, k, v), reference)
    assert sum(isinstance(module, SpikeMatmul) for module in attention.modules()) == 2


def test_token_mask_is_binary_one_a_head_and_silences_tokens():
    attention = QKTokenAttention(make_parts(IF), 16, 4, attn_v_th=0.5)
    masks, projected = [], []
    attention.neuron.register_forward_hook(lambda _m, _i, y: masks.append(y))
    attention.projection.register_forward_hook(lambda _m, args, _y: projected.append(args[0]))
    q = torch.zeros(2, 3, 16, 10)
    q[:, :, :4, :6] = 1  # only the first head's queries fire, and only for six tokens
    attention.q.register_forward_hook(lambda _m, _i, _y: q)
    y = attention(spiking_input(2, 3, 16, 10))
    assert masks[0].shape == (2, 3, 4, 1, 10)
    assert counts(masks[0]) == BINARY
    assert counts(y) <= BINARY
    tokens = projected[0].unflatten(2, (4, 4))
    assert not tokens[:, :, 1:].any()
    assert not tokens[:, :, :1, :, 6:].any()
    assert tokens[:, :, 0, :, :6].any()


def test_attention_threshold_comes_from_the_model_and_others_from_the_neuron():
    model = build("qkformer_tiny", (1, 8, 8), 10, make_parts(v_th=0.8))
    for name, neuron in model.neurons().items():
        assert neuron.v_th == (0.5 if name.endswith("attention.neuron") else 0.8)


def test_samples_of_a_batch_do_not_see_each_other():
    """The released QKFormer's SSA leaks membranes from sample to sample; this one must not."""
    model = build("qkformer_tiny", (1, 8, 8)).eval()
    x_seq = spiking_input(2, 3, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(model(x_seq)[:, 1:2], model(x_seq[:, 1:2]), rtol=1e-4, atol=1e-5)


def test_pools_on_spikes():
    spikes = binary_spikes(spiking_input(2, 2, 3, 8, 8))
    assert counts(MaxPool2d(3, stride=2, padding=1)(spikes)) <= BINARY
    assert counts(AvgPool2d(2)(spikes)) <= {0.0, 0.25, 0.5, 0.75, 1.0}


def test_readout_is_linear_so_the_mean_may_come_before_or_after():
    model = build("spiking_resnet_tiny", (1, 8, 8)).eval()
    features = []
    model.hidden.register_forward_hook(lambda _m, _i, y: features.append(y))
    with torch.no_grad():
        logits = model(spiking_input(3, 2, 1, 8, 8))
        torch.testing.assert_close(model.readout(features[0].mean(0, keepdim=True))[0], logits.mean(0))
    assert isinstance(model.readout, Synapse)
