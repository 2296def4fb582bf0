"""Batch norm of each step by itself: what a net sees that is called once a step, as PLIF's and CLIF's code calls it."""

import pytest
import torch
from torch import nn

from snnbench.config.catalogue import options
from snnbench.config.compose import compose
from snnbench.models.parts import Parts
from snnbench.models.plif_net import PLIFNet
from snnbench.neurons.plif import PLIF
from snnbench.norms.batch_norm_by_step import BatchNormByStep
from snnbench.surrogates.atan import ATan
from snnbench.synapses.plain import Plain
from tests.tiny import site, walked

T = 4


def frames(samples: int = 3) -> torch.Tensor:
    """Steps of different mean and spread."""
    steps = torch.arange(1.0, T + 1).view(T, 1, 1, 1, 1)
    return torch.randn(T, samples, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * steps + steps


def test_is_torchs_batch_norm_called_once_a_step():
    norm, torchs, x = BatchNormByStep(site()), nn.BatchNorm2d(3), frames()
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    for _ in range(2):
        ours, theirs = norm(a), torch.stack([torchs(b_t) for b_t in b])
        assert torch.equal(ours, theirs)
    (ours * x).sum().backward()
    (theirs * x).sum().backward()
    assert torch.equal(a.grad, b.grad)
    assert torch.equal(norm.weight.grad, torchs.weight.grad)
    torch.testing.assert_close(dict(norm.state_dict()), dict(torchs.state_dict()))
    assert norm.num_batches_tracked == 2 * T
    assert torch.equal(norm.eval()(x), torch.stack([torchs.eval()(x_t) for x_t in x]))


@pytest.mark.parametrize(("static", "moves"), [("every_step", T), ("once", 1)])
def test_a_static_image_moves_the_statistics_once_or_at_every_step(static, moves):
    norm, torchs, x = BatchNormByStep(site(), static=static), nn.BatchNorm2d(3), frames()[0]
    for _ in range(2):
        y = norm(x.expand(T, *x.shape))
        for _ in range(moves):
            expected = torchs(x)
    assert y.stride(0) == 0, "a static image is normalised once"
    torch.testing.assert_close(y[0], expected)
    torch.testing.assert_close(norm.running_mean, torchs.running_mean)
    torch.testing.assert_close(norm.running_var, torchs.running_var)


@pytest.mark.parametrize("x_seq", [frames(), frames()[:1].expand(T, -1, -1, -1, -1)], ids=["frames", "static"])
def test_walking_equals_running_in_training_too(x_seq):
    running, walking = BatchNormByStep(site()), BatchNormByStep(site())
    torch.testing.assert_close(walked(walking, x_seq), running(x_seq))
    torch.testing.assert_close(walking.running_mean, running.running_mean)
    torch.testing.assert_close(walking.running_var, running.running_var)


def test_a_whole_plif_net_walks_as_it_runs_in_training():
    def net():
        torch.manual_seed(0)
        parts = Parts(lambda s, **kw: PLIF(s, ATan(), **kw), BatchNormByStep, Plain(), T)
        return PLIFNet(parts, (3, 8, 8), 3, channels=8, stages=[1, 1], hidden=16, dropout=[0.0, 0.0])

    running, walking, x_seq = net(), net(), 3 * torch.randn(T, 4, 3, 8, 8)
    for model in (running, walking):
        with torch.no_grad():
            model.hidden.synapse.weight.mul_(6)
            model.readout.weight.mul_(6)
    votes = running(x_seq)
    assert votes.any()
    torch.testing.assert_close(votes, walked(walking, x_seq))
    torch.testing.assert_close(running.state_dict(), walking.state_dict())


@pytest.mark.parametrize("name", [name for name in options("experiment") if name.startswith(("plif/", "clif/"))])
def test_recipes_whose_code_calls_the_net_once_a_step_use_it(name):
    """PLIF's codes/models.py @f644ff6 and CLIF's train.py @d76af59; PLIF's static stem is evaluated once."""
    composed = compose([f"experiment={name}"])
    once = name.startswith("plif/") and composed.choices["data"] not in ("nmnist", "cifar10_dvs", "dvs_gesture")
    assert composed.choices["norm"] == "bn_by_step"
    assert composed.config["norm"]["static"] == ("once" if once else "every_step")
