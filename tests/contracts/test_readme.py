"""README's examples, as they stand there: each becomes a file of a plugin, passes the contract tests and trains."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from snnbench.cli.main import main

ROOT = Path(__file__).parents[2]
KINDS = ("neuron", "objective", "model", "data")


@pytest.fixture
def mypackage(tmp_path, monkeypatch):
    """The package that README's code blocks make: the name of its file stands above each."""
    readme = (ROOT / "README.md").read_text()
    blocks = re.findall(r"^`(mypackage/\S+)`\n```(?:python|yaml)\n(.*?)^```", readme, re.M | re.S)
    assert len(blocks) == 2 * len(KINDS)
    for name, text in blocks:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "mypackage" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SNNBENCH_PLUGINS", "mypackage")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    return tmp_path


def test_the_examples_train_together(mypackage, capsys):
    chosen = [f"{kind}=mine" for kind in KINDS]
    assert main(["train", *chosen, "train.epochs=10", f"paths.runs={mypackage}/runs", "optimizer.lr=0.05"]) == 0
    accuracy = float(re.search(r"test accuracy ([\d.]+) %", capsys.readouterr().out)[1])
    assert accuracy > 80


def test_the_examples_pass_the_contract_tests(mypackage):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contracts", "-k", "mine"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 10
