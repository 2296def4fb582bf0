"""Votes, pools, dropout and norms of the input: layers of the published nets that neither weigh nor fire."""

import pytest
import torch
from torch import nn

from snnbench.models.dropout import TemporalDropout
from snnbench.models.ds_resnet import InputNorm
from snnbench.models.layers import MaxPool2d
from snnbench.models.plif_net import Vote
from snnbench.models.slayer_net import SpikingPool, SumPool2d
from snnbench.neurons.srm import SRM
from snnbench.norms.none import NoNorm
from snnbench.temporal import stepping

from .building import IF, LIF, build, counts, make_parts, spiking_input


@pytest.mark.parametrize(
    ("name", "changes"),
    [("stbp_net_cifar10", {"layers": ["4C3"], "hidden": []}), ("plif_net_mnist", {"channels": 4, "hidden": 16})],
)
def test_ten_neighbours_vote_for_a_class(name, changes):
    model = build(name, (1, 8, 8), 3, make_parts(IF, NoNorm), **changes).eval()
    spikes = (torch.rand(4, 2, 30) < 0.5).float()
    model.output.register_forward_hook(lambda _m, _x, _y: spikes)
    votes = model(spiking_input(4, 2, 1, 8, 8))
    matrix = torch.zeros(30, 3)  # the released voting matrix
    for i in range(30):
        matrix[i, i // 10] = 0.1
    torch.testing.assert_close(votes, spikes @ matrix)


def test_votes_are_rates():
    assert Vote(2)(torch.tensor([[[1.0, 0.0, 1.0, 1.0]]])).tolist() == [[[0.5, 1.0]]]


def test_the_gradient_of_a_max_pool_goes_to_the_first_maximum():
    """plif page, check 6."""
    spikes = torch.tensor([[0.0, 1.0], [1.0, 1.0]]).view(1, 1, 1, 2, 2).requires_grad_()
    pooled = MaxPool2d(2)(spikes)
    assert pooled.item() == 1
    pooled.backward()
    assert spikes.grad.flatten().tolist() == [0, 1, 0, 0]


def test_a_sum_pool_sums_and_pads_as_released():
    pool = SumPool2d(2, 11.0)
    x = torch.arange(25.0).view(1, 1, 1, 5, 5)
    assert pool(x).shape == (1, 1, 1, 3, 3) == (1, 1, 1, pool.size(5), pool.size(5))
    assert pool(x)[0, 0, 0].tolist() == [[132, 220, 143], [572, 660, 363], [451, 495, 264]]


def test_one_spike_makes_a_spiking_pool_fire():
    parts = make_parts(SRM, NoNorm, time_steps=20, v_th=10.0)
    pool, x = SpikingPool(parts, 1, 2), torch.zeros(20, 1, 1, 2, 2)
    x[0, 0, 0, 1, 0] = 1
    assert pool(x).sum() == 1
    assert not list(pool.parameters())
    assert pool.pool.weight == pytest.approx(11)


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


def test_stbps_dropout_lies_before_every_layer_but_the_first_and_the_last_behind_the_pool():
    parts = make_parts(IF, NoNorm)
    model = build("stbp_net_cifar10", (3, 32, 32), 10, parts, "meta")
    kinds = [type(m).__name__ for m in model.features]
    assert kinds == ["Unit", "Dropout", "Unit", "AvgPool2d", "Dropout", "Unit", "AvgPool2d", "Dropout", "Unit",
                     "Dropout", "Unit", "Flatten", "Dropout", "Unit", "Dropout", "Unit"]  # fmt: skip
    assert not any(isinstance(m, nn.Dropout) for m in build("stbp_net", (1, 8, 8), 10, parts).modules())


def test_vgg11_reads_49_copies_of_one_pixel_and_its_dropout_stands_behind_every_layer():
    model = build("vgg11_bn_dvs", (2, 48, 48), 10, make_parts(LIF, time_steps=2)).eval()
    grid = model.pool(torch.rand(2, 1, 512, 1, 1)).view(2, 1, 512, 49)
    assert torch.equal(grid, grid[..., :1].expand_as(grid))
    assert sum(isinstance(m, TemporalDropout) for m in model.modules()) == 0
    dropped = build("vgg11_bn_dvs", (2, 48, 48), 10, make_parts(LIF), "meta", dropout=0.3)
    assert [m.p for m in dropped.modules() if isinstance(m, TemporalDropout)] == [0.3] * 8


def test_input_norm_scales_by_the_threshold_without_parameters():
    norm, x = InputNorm(2, 0.6), torch.rand(4, 8, 2, 5, 5) * 7
    y = norm(x)
    assert not list(norm.parameters())
    torch.testing.assert_close(y.mean((0, 1, 3, 4)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.std((0, 1, 3, 4), unbiased=False), torch.full((2,), 0.6), atol=1e-4, rtol=0)
