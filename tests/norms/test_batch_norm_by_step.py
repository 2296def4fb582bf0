"""Batch norm of each step by itself: what a net sees that is called once a step, as PLIF's and CLIF's code calls it."""

from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from snnbench import kernels
from snnbench.kernels.common.form import NormForm, Refusal
from snnbench.models.parts import Parts
from snnbench.models.plif_net import PLIFNet
from snnbench.neurons.plif import PLIF
from snnbench.norms.batch_norm import BatchNorm
from snnbench.norms.batch_norm_by_step import BatchNormByStep
from snnbench.site import Site
from snnbench.surrogates.atan import ATan
from snnbench.synapses.plain import Plain
from snnbench.temporal import stepping
from tests.tiny import site

T = 4


def frames(samples: int = 3) -> torch.Tensor:
    """Steps of different mean and spread."""
    steps = torch.arange(1.0, T + 1).view(T, 1, 1, 1, 1)
    return torch.randn(T, samples, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * steps + steps


def same_statistics(ours: nn.Module, theirs: nn.Module) -> None:
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[key], value, msg=key)


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
    same_statistics(norm, torchs)
    assert norm.num_batches_tracked == 2 * T
    assert torch.equal(norm.eval()(x), torch.stack([torchs.eval()(x_t) for x_t in x]))


def test_differs_from_batch_norm_over_all_steps():
    x = frames()
    assert not torch.allclose(BatchNormByStep(site())(x), BatchNorm(site())(x), atol=0.1)


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
    with stepping(walking) as step:
        walked = torch.stack([step(x_t) for x_t in x_seq])
    torch.testing.assert_close(running(x_seq), walked)
    torch.testing.assert_close(running.running_mean, walking.running_mean)
    torch.testing.assert_close(running.running_var, walking.running_var)


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
    with stepping(walking) as step:
        walked = torch.stack([step(x_t) for x_t in x_seq])
    votes = running(x_seq)
    assert votes.any()
    torch.testing.assert_close(votes, walked)
    same_statistics(running, walking)


def test_kernels_never_take_it_for_batch_norm_in_training():
    norm = BatchNormByStep(Site(3, T))
    assert isinstance(norm.train().kernel_form(), Refusal)
    assert isinstance(norm.eval().kernel_form(), NormForm)


def test_kernels_never_run_a_batch_norm_that_overrides_what_they_do():
    class OwnForward(BatchNorm):
        def forward(self, x_seq):
            return 2 * super().forward(x_seq)

    class OwnNormalise(BatchNorm):
        def normalise(self, x, momentum=None):
            return 2 * super().normalise(x, momentum)

    class OwnName(BatchNorm):
        def extra_repr(self):
            return "mine"

    assert isinstance(OwnForward(site()).kernel_form(), Refusal)
    assert isinstance(OwnNormalise(site()).kernel_form(), Refusal)
    assert isinstance(OwnName(site()).kernel_form(), NormForm)


def test_fused_mode_gives_what_the_reference_gives(monkeypatch):
    """Where kernels run, the norm runs by itself and the neuron's kernel takes what it gives."""
    handed = []
    monkeypatch.setattr("snnbench.kernels.dispatch.has_triton", lambda: True)
    monkeypatch.setattr("snnbench.kernels.membrane.ops.run", lambda x, r, norm, form: handed.append((x, norm)) or x)
    norm, x_seq = BatchNormByStep(site()), frames()
    with kernels.use("fused"):
        PLIF(site(), ATan())(x_seq, norm)
    ((current, form),) = handed
    assert form is None
    torch.testing.assert_close(current, BatchNormByStep(site())(x_seq))


RECIPES = Path(__file__).parents[2] / "configs" / "experiment"


@pytest.mark.parametrize(
    "path",
    sorted([*RECIPES.glob("plif/*.yaml"), *RECIPES.glob("clif/*.yaml")]),
    ids=lambda p: f"{p.parent.name}/{p.stem}",
)
def test_recipes_whose_code_calls_the_net_once_a_step_use_it(path):
    """PLIF's codes/models.py @f644ff6 and CLIF's train.py @d76af59; PLIF's static stem is evaluated once."""
    recipe = yaml.safe_load(path.read_text())
    chosen = {key: value for entry in recipe["defaults"] if isinstance(entry, dict) for key, value in entry.items()}
    assert chosen["override /norm"] == "bn_by_step"
    events = chosen["override /data"] in ("nmnist", "cifar10_dvs", "dvs_gesture")
    once = path.parent.name == "plif" and not events
    assert recipe.get("norm", {}).get("static", "every_step") == ("once" if once else "every_step")
