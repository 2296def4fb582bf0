"""SLAYER's nets: released parameter counts, spiking sum pools, initial weights, that they learn; refusals."""

import re

import pytest
import torch

from snnbench.build import instantiate
from snnbench.config.compose import compose
from snnbench.errors import ConfigError
from snnbench.models.parts import Parts
from snnbench.models.slayer_net import SpikingPool, SumPool2d
from snnbench.neurons.srm import SRM
from snnbench.norms.none import NoNorm
from snnbench.objectives.num_spikes import NumSpikes
from snnbench.surrogates.exp_abs import ExpAbs
from snnbench.synapses.plain import Plain

from .building import build, counts, outputs, parameters

NMNIST = (2, 34, 34)


def parts(time_steps: int = 20) -> Parts:
    return Parts(lambda site, **c: SRM(site, ExpAbs(10.0), v_th=10.0, **c), NoNorm, Plain(), time_steps)


def net(name="slayer_cnn", shape=NMNIST, classes=10, device="cpu", **changes):
    return build(name, shape, classes, parts(), device, **changes)


def spikes(*shape, rate=0.1):
    return (torch.rand(*shape) < rate).float()


def test_released_cnn():
    model = net(device="meta")
    assert [s.weight.numel() for s in model.synapses()] == [800, 4_608, 18_432, 40_960]
    assert parameters(model) == 64_800
    assert len(model.neurons()) == 6, "the pools spike"
    assert all(s.bias is None for s in model.synapses())


def test_released_mlp_and_the_papers():
    assert parameters(net("slayer_mlp", device="meta")) == 2_312 * 512 + 512 * 10 == 1_188_864
    assert parameters(net("slayer_mlp", hidden=[500, 500], device="meta")) == 2_312 * 500 + 500 * 500 + 500 * 10
    gesture = net(
        shape=(2, 128, 128), classes=11, layers=["SP4", "16C5", "SP2", "32C3", "SP2"], hidden=[512], device="meta"
    )
    assert parameters(gesture) == 800 + 4_608 + 8 * 8 * 32 * 512 + 512 * 11
    assert len(gesture.neurons()) == 7
    mnist = net(shape=(1, 28, 28), layers=["12C5P0", "SP2", "64C5P0", "SP2"], device="meta")
    assert parameters(mnist) == 12 * 25 + 64 * 12 * 25 + 64 * 4 * 4 * 10


def test_shapes_and_spikes_of_every_layer():
    model = net()
    seen = outputs(model, spikes(20, 2, *NMNIST), lambda _n, m: isinstance(m, SRM))
    sizes = [tuple(y.shape[2:]) for y in seen.values()]
    assert sizes == [(16, 32, 32), (16, 16, 16), (32, 16, 16), (32, 8, 8), (64, 8, 8), (10,)]
    assert all(counts(y) == {0.0, 1.0} for y in seen.values()), "with the released initial weights every layer fires"


def test_initial_weights_are_torchs_times_ten_and_a_hundred():
    model, plain = net(), net(dense_scale=1.0, conv_scale=1.0)
    for factor, ours, torchs in zip((100, 100, 100, 10), model.synapses(), plain.synapses()):
        assert torch.equal(ours.weight, factor * torchs.weight)
        bound = torchs.weight[0].numel() ** -0.5
        assert 0.9 * bound < torchs.weight.abs().max() <= bound
    assert not any(y.any() for y in outputs(plain, spikes(20, 2, *NMNIST), lambda _n, m: isinstance(m, SRM)).values())


def test_pool_sums_and_pads_as_released():
    pool = SumPool2d(2, 11.0)
    x = torch.arange(25.0).view(1, 1, 1, 5, 5)
    assert pool(x).shape == (1, 1, 1, 3, 3) == (1, 1, 1, pool.size(5), pool.size(5))
    assert pool(x)[0, 0, 0].tolist() == [[132, 220, 143], [572, 660, 363], [451, 495, 264]]


def test_one_spike_makes_a_pool_fire():
    pool, x = SpikingPool(parts(), 1, 2), torch.zeros(20, 1, 1, 2, 2)
    x[0, 0, 0, 1, 0] = 1
    fired = pool(x).flatten()
    assert fired.sum() == 1
    assert not list(pool.parameters())
    assert pool.pool.weight == pytest.approx(11)


@pytest.mark.parametrize(
    ("name", "changes"), [("slayer_mlp", {"hidden": [40]}), ("slayer_cnn", {"layers": ["8C3", "SP2"]})]
)
def test_learns_which_half_of_the_image_flickers(name, changes):
    model = net(name, (1, 6, 6), 2, **changes)
    objective, optimizer = NumSpikes(7.0, 1.0), torch.optim.Adam(model.parameters(), lr=0.01, amsgrad=True)

    def batch(count):
        target = torch.randint(2, (count,))
        rate = torch.full((count, 1, 6, 6), 0.02)
        for sample, side in enumerate(target):
            rate[sample, :, 3 * side : 3 * side + 3] = 0.15
        return (torch.rand(20, count, 1, 6, 6) < rate).float(), target

    for _ in range(40):
        x, target = batch(16)
        optimizer.zero_grad()
        objective(model(x), target)[0].backward()
        optimizer.step()
    x, target = batch(100)
    with torch.no_grad():
        assert (model(x).sum(0).argmax(1) == target).float().mean() > 0.9


def test_adam_takes_amsgrad():
    model = torch.nn.Linear(2, 1)
    node = compose(["optimizer=adam"]).config["optimizer"]
    assert instantiate(node, model).defaults["amsgrad"] is False
    assert instantiate(node | {"amsgrad": True}, model).defaults["amsgrad"] is True


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"layers": ["AP2"]}, "'AP2' cannot be read"),
        ({"layers": ["SP2P1"]}, "'SP2P1' cannot be read"),
        ({"layers": ["4C9P0", "4C30P0"]}, "nothing is left of the image at 4C30P0"),
        ({"hidden": [0]}, "model.hidden=[0]"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_sentence(changes, says):
    with pytest.raises(ConfigError, match=re.escape(says)):
        net(device="meta", **changes)
