"""SLAYER's nets: shapes and spikes of every layer, initial weights, and that they learn."""

import pytest
import torch

from snnbench.models.parts import Parts
from snnbench.neurons.srm import SRM
from snnbench.norms.none import NoNorm
from snnbench.objectives.num_spikes import NumSpikes
from snnbench.surrogates.exp_abs import ExpAbs
from snnbench.synapses.plain import Plain

from .building import build, counts, outputs

NMNIST = (2, 34, 34)


def parts(time_steps: int = 20) -> Parts:
    return Parts(lambda site, **c: SRM(site, ExpAbs(10.0), v_th=10.0, **c), NoNorm, Plain(), time_steps)


def net(name="slayer_cnn", shape=NMNIST, classes=10, device="cpu", **changes):
    return build(name, shape, classes, parts(), device, **changes)


def spikes(*shape, rate=0.1):
    return (torch.rand(*shape) < rate).float()


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
