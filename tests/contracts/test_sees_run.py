"""A run whose objective sees potentials, as a user's plugin defines it: it trains, or it is refused in one sentence."""

import json

import pytest
import torch
from torch.nn import functional as F
from unit_plugin.objectives import RMP

from snnbench.build import build_model, build_objective
from snnbench.cli.main import main
from snnbench.config.compose import compose
from snnbench.encoders.direct import Direct
from snnbench.models.csnn import CSNN
from snnbench.models.parts import Parts
from snnbench.neurons.lif import LIF
from snnbench.norms.batch_norm import BatchNorm
from snnbench.objectives.base import Objective
from snnbench.objectives.taps import outline
from snnbench.rules.bptt import BPTT
from snnbench.surrogates.atan import ATan
from snnbench.synapses.plain import Plain
from snnbench.train.capture import CapturedBatch
from snnbench.train.task import Task
from tests.contracts.test_unit_plugin import ONE_STEP, plugin  # noqa: F401


def run(root, *overrides):
    assert main(["train", *ONE_STEP, "measure.operations=false", *overrides, f"paths.runs={root}"]) == 0
    (path,) = root.rglob("run.json")
    assert json.loads(path.read_text())["status"] == "done"
    return torch.load(path.parent / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"], path.parent


@pytest.mark.usefixtures("plugin")
class TestRun:
    def test_it_trains_one_step_and_changes_it(self, tmp_path, monkeypatch):
        plain, _ = run(tmp_path / "plain", "objective=mean_ce")
        pulled, folder = run(tmp_path / "on", "objective=rmp", "objective.weight=10.0")
        assert not all(torch.equal(plain[key], pulled[key]) for key in plain)
        assert main(["eval", f"run={folder}"]) == 0
        off, _ = run(tmp_path / "off", "objective=rmp", "objective.weight=0.0")
        torch.testing.assert_close(off, plain)  # gradients in another memory layout are summed in another order
        monkeypatch.setattr(RMP, "forward", lambda self, logits, target, seen: F.cross_entropy(logits.mean(0), target))
        idle, _ = run(tmp_path / "idle", "objective=rmp")
        assert all(torch.equal(plain[key], idle[key]) for key in plain)  # looking changes no bit

    REFUSED = (
        (["neuron=psn"], "RMP sees membrane potentials, and no neuron layer of this network compares one"),
        (["neuron=relu"], "use a neuron such as neuron=lif"),
        (["objective.layers=[x]"], "objective.layers: x is no neuron layer with potential; there are "),
        (["objective.layers=[]"], "objective.layers is empty; name a neuron layer, or set it to null"),
        (["method=tandem", "objective=rmp", "model=csnn_tandem"], "this rule sends no gradient; use rule=bptt"),
    )

    @pytest.mark.parametrize(("overrides", "sentence"), REFUSED, ids=[s for _, s in REFUSED])
    def test_what_shows_no_potential_is_refused_before_a_run(self, overrides, sentence, tmp_path, capsys):
        assert main(["train", "objective=rmp", *overrides, *ONE_STEP, f"paths.runs={tmp_path}"]) == 2
        assert sentence in capsys.readouterr().err
        assert not list(tmp_path.iterdir())


def test_an_objective_that_sees_nothing_is_not_prepared(monkeypatch):
    monkeypatch.setattr(Objective, "prepare", None)
    config = compose(["objective=mean_ce"]).config
    assert build_objective(config, build_model(config)[0]).layers is None


@pytest.mark.gpu
def test_a_captured_step_gives_the_gradients_of_an_eager_one():
    torch.manual_seed(0)
    parts = Parts(lambda site: LIF(site, ATan(), v_th=0.3), BatchNorm, Plain(), 4)
    model, objective = CSNN(parts, (3, 8, 8), 5, width=8, hidden=6), RMP(0.7)
    objective.prepare(outline(model, torch.zeros(4, 1, 3, 8, 8)))
    task = Task(model.cuda(), BPTT(), objective, Direct(4), None, None, num_classes=5, seed=0)
    batch, x, target = CapturedBatch(model, task.run_rule), 2 * torch.randn(2, 6, 3, 8, 8).cuda(), torch.arange(6) % 5
    for x_now in x:
        assert batch(x_now, target.cuda()) is not None
        found = [p.grad.clone() for p in model.parameters()]
        model.zero_grad()
        task.run_rule(x_now, target.cuda())
        for gradient, parameter in zip(found, model.parameters()):
            torch.testing.assert_close(gradient, parameter.grad, rtol=1e-3, atol=1e-5)
