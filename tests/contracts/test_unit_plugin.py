"""A user's attention, norm behind the spikes, recurrent model, loss and rule pass the contract tests and train."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from unit_plugin.norms import NeuNorm

from snnbench.cli.main import main
from snnbench.config.compose import compose
from snnbench.config.identity import config_hash
from snnbench.site import Site

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
ONE_STEP = ["train.epochs=1", "train.limit_train_batches=1", "train.limit_test_batches=1", "train.batch_size=8"]


@pytest.fixture
def plugin(monkeypatch):
    monkeypatch.setenv("SNNBENCH_PLUGINS", "unit_plugin")
    monkeypatch.setenv("PYTHONPATH", f"{HERE}{os.pathsep}{ROOT}")


@pytest.mark.parametrize("attention", ["gated", "gated_potential"])
def test_they_train_one_step_together(plugin, attention, tmp_path):
    chosen = ["model=echo_net", "norm=gated_neunorm", f"attention={attention}", *ONE_STEP]
    assert main(["train", *chosen, f"paths.runs={tmp_path}"]) == 0
    (path,) = tmp_path.rglob("run.json")
    found = json.loads(path.read_text())
    assert (found["status"], found["choices"]["attention"]) == ("done", attention)
    assert found["config_hash"] == config_hash(compose(chosen).config) != config_hash(compose(chosen[:2]).config)


def test_a_walking_rule_trains_one_step_with_them(plugin, tmp_path):
    chosen = ["rule=second_half", "objective=per_step", "model=echo_net", "norm=gated_neunorm", *ONE_STEP]
    assert main(["train", *chosen, f"paths.runs={tmp_path}"]) == 0
    (path,) = tmp_path.rglob("run.json")
    found = json.loads(path.read_text())
    assert (found["status"], found["choices"]["rule"]) == ("done", "second_half")


@pytest.mark.parametrize("refused", ["norm=bn", "neuron=psn", "objective=mean_ce"])
def test_what_the_rule_cannot_go_with_is_refused_in_its_own_words(plugin, refused, tmp_path, capsys):
    chosen = ["rule=second_half", "objective=per_step", "model=echo_net", "norm=none", refused]
    assert main(["train", *chosen, f"paths.runs={tmp_path}"]) == 2
    assert "this rule" in capsys.readouterr().err


def test_they_pass_the_contract_tests(plugin):
    tests = [str(HERE / name) for name in ("test_attention.py", "test_parts.py")]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *tests,
        "-k",
        "gated or rmp or second_half",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout


@pytest.mark.parametrize("model", ["preact_resnet18_cifar", "glif_resnet18_cifar"])
def test_a_norm_behind_spikes_is_refused_before_a_run_where_norms_stand_outside_units(plugin, model, tmp_path, capsys):
    assert main(["train", f"model={model}", "data=digits", "norm=gated_neunorm", f"paths.runs={tmp_path}"]) == 2
    assert "NeuNorm stands behind the spikes of a unit" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_norm_is_neunorm():
    """catalogue page neunorm: C 2, k 0.9, U (0.2, -0.1)."""
    norm = NeuNorm(Site(2, 3))
    norm.weight.data = torch.tensor([0.2, -0.1])
    spikes = torch.tensor([[1.0, 1], [1, 0], [0, 0]]).view(3, 1, 2)
    expected = torch.tensor([[0.990, 1.005], [0.986, 0.007], [-0.0126, 0.0063]]).view(3, 1, 2)
    torch.testing.assert_close(norm(spikes), expected, atol=5e-4, rtol=0)
