"""Peers compute what we compute: same weights, same outputs, same gradients; and what the floor is made of."""

from dataclasses import replace

import pytest
import torch

from snnbench.bench.batch import batch_of, sequence_of
from snnbench.bench.engines.eager import PlainLIF, plain_net
from snnbench.bench.engines.floor import contractions, copy_step
from snnbench.bench.engines.ours import neuron_of
from snnbench.bench.peers import peer_net, require_lif
from snnbench.bench.recipe_peers import peer_of
from snnbench.bench.recipes import work_of
from snnbench.bench.step import captured_call, count, kernel_path
from snnbench.bench.survey import JitLIF
from snnbench.bench.works import load_work, work_names
from snnbench.build import build_model, instantiate

NETS = [name for name in work_names() if not load_work(name, "tiny").is_layer]
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def lively(name):
    """A tiny work whose threshold is low enough for spikes to reach the readout."""
    work = load_work(name, "tiny")
    return replace(work, overrides=(*work.overrides, "neuron.v_th=0.2"))


def outputs_and_gradient(model, x_seq):
    """Logits and the gradient of the first weight, in training mode."""
    logits = model.train()(x_seq)
    weight = next(model.parameters())
    (gradient,) = torch.autograd.grad(logits.float().mean(0).logsumexp(1).sum(), weight)
    return logits, gradient


def reference(work, x):
    """Ours on the reference path with the weights that peers copy."""
    config = work.config()
    torch.manual_seed(0)
    model, _ = build_model(config)
    with kernel_path("reference"):
        logits, gradient = outputs_and_gradient(model, instantiate(config["encoder"], time_steps=config["T"])(x))
    assert gradient.any()
    assert logits.std(1).amax() > 1e-3  # samples differ: spikes reach the readout
    return model, logits, gradient


@pytest.mark.parametrize("name", NETS)
def test_plain_pytorch_equals_our_reference(name):
    work = lively(name)
    x, _ = batch_of(work, work.config(), CPU, "contiguous")
    ours, logits, gradient = reference(work, x)
    plain = plain_net(work)
    assert count(plain) == count(ours)
    theirs, their_gradient = outputs_and_gradient(plain, sequence_of(x, work.config()))
    torch.testing.assert_close(theirs, logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(their_gradient, gradient, rtol=1e-3, atol=1e-5)


@pytest.mark.peer
@pytest.mark.parametrize("name", NETS)
def test_spikingjelly_equals_our_reference(name):
    pytest.importorskip("spikingjelly")
    from snnbench.bench.engines import spikingjelly

    work = lively(name)
    x, _ = batch_of(work, work.config(), CPU, "contiguous")
    ours, logits, _ = reference(work, x)
    net = peer_net(work, spikingjelly.lif_node, spikingjelly.peer_norm, spikingjelly.PeerSynapses())
    assert count(net) == count(ours)
    theirs, _ = outputs_and_gradient(net, sequence_of(x, work.config()))
    torch.testing.assert_close(theirs, logits, rtol=1e-5, atol=1e-5)


@pytest.mark.peer
@pytest.mark.parametrize(
    "recipe", ["cifar10_if", "cifar10_lif", "cifar10_clif", "cifar10_psn", "sequential_cifar10_sliding_psn"]
)
def test_spikingjelly_computes_the_survey_recipe(recipe):
    """Its network of a recipe, with our weights: same logits, same gradient of the first weight."""
    pytest.importorskip("spikingjelly")
    work, _ = work_of(f"survey/{recipe}", "tiny")
    config = work.config()
    torch.manual_seed(0)
    ours, _ = build_model(config)
    theirs = peer_of(config)()
    assert count(theirs) == count(ours)
    x_seq = instantiate(config["encoder"], time_steps=config["T"])(torch.randn(4, 3, 8, 8))
    with kernel_path("reference"):
        logits, gradient = outputs_and_gradient(ours, x_seq)
    assert gradient.any()
    their_logits, their_gradient = outputs_and_gradient(theirs, x_seq)
    torch.testing.assert_close(their_logits, logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(their_gradient, gradient, rtol=1e-3, atol=1e-5)


def test_the_survey_peer_leaves_out_what_it_does_not_compute():
    for recipe in ("cifar10_clif_survey", "cifar10_block_alif"):
        assert peer_of(work_of(f"survey/{recipe}", "tiny")[1]) is None
    config = work_of("survey/cifar10_lif", "tiny")[1]
    assert peer_of({**config, "neuron": {**config["neuron"], "reset": "soft"}}) is None


def test_layers_equal_ours():
    config = load_work("lif_fp32", "tiny").config()
    x = torch.randn(5, 2, 3, 4)
    spikes = neuron_of(config, 3, 5)(x)
    assert spikes.any()
    assert torch.equal(PlainLIF(2.0, 1.0, 2.0)(x), spikes)
    assert torch.equal(JitLIF(2.0, 2.0)(x), spikes)


def test_a_peer_refuses_a_neuron_that_it_does_not_compute():
    config = load_work("lif_fp32", "tiny").config()
    with pytest.raises(ValueError, match="soft"):
        require_lif({**config["neuron"], "reset": "soft"}, config["surrogate"])


def test_the_floor_meets_a_static_image_once_and_every_other_layer_T_times():
    work = load_work("csnn", "tiny")
    first, *others = contractions(work)
    time_steps = work.config()["T"]
    assert first.shape == (work.batch, 3, 16, 16)
    assert not first.needs_grad
    assert [c.shape[0] for c in others] == [time_steps * work.batch] * 7
    assert all(c.needs_grad for c in others)


@pytest.mark.parametrize("passes", [2, 5])
def test_copies_count_as_two_passes_each(passes, monkeypatch):
    moved = []
    original = torch.Tensor.copy_
    monkeypatch.setattr(torch.Tensor, "copy_", lambda a, b: (moved.append(2 * b.numel()), original(a, b))[1])
    copy_step((4, 2), torch.float32, CPU, passes)()
    assert sum(moved) == passes * 8


def test_event_frames_keep_their_order_and_layout():
    work = load_work("vggsnn", "tiny")
    config = work.config()
    x, _ = batch_of(work, config, CPU, "channels_last")
    assert x.shape == (work.batch, config["T"], 2, 16, 16)
    x_seq = sequence_of(x, config)
    assert torch.equal(x_seq, x.transpose(0, 1))
    assert x_seq.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.peer
def test_spikingjelly_starts_from_rest_in_every_step():
    """Its state is reset inside the forward pass, so that a captured graph contains the reset."""
    pytest.importorskip("spikingjelly")
    from snnbench.bench.engines.spikingjelly import FromRest, lif_node

    config = load_work("lif_fp32", "tiny").config()
    lif = FromRest(lif_node(config["neuron"], config["surrogate"]))
    x = torch.full((3, 2, 4), 1.5)
    first = lif(x)
    assert lif.net.v.any()  # it remembers
    assert torch.equal(lif(x), first)
    assert not torch.equal(lif.net(x), first)
    if torch.cuda.is_available():
        lif, x = lif.cuda(), x.cuda()
        replay = captured_call(lambda: lif(x))
        assert torch.equal(replay().cpu(), first)
        assert torch.equal(replay().cpu(), first)


@pytest.mark.peer
def test_memopt_changes_no_gradient():
    pytest.importorskip("spikingjelly")
    from snnbench.bench.engines import spikingjelly

    work = lively("csnn")
    config = work.config()
    x, target = batch_of(work, config, CPU, "contiguous")
    net = spikingjelly.FromRest(
        peer_net(work, spikingjelly.lif_node, spikingjelly.peer_norm, spikingjelly.PeerSynapses())
    )
    x_seq = sequence_of(x, config)
    _, plain = outputs_and_gradient(net, x_seq)
    spikingjelly.save_memory(net, x_seq, target, "fp32")
    _, gradient = outputs_and_gradient(net, x_seq)
    torch.testing.assert_close(gradient, plain)
