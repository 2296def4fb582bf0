"""The wheel carries what snnbench needs outside a checkout: configs, published numbers, and a place for results."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from snnbench.config.catalogue import options

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder that holds snnbench as `pip install` of its wheel would leave it."""
    place = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = place.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(place / "site")
    return place / "site"


@pytest.fixture
def snnbench(site, tmp_path):
    def run(*arguments, **environment):
        outside = {key: value for key, value in os.environ.items() if not key.startswith("SNNBENCH")}
        done = subprocess.run(
            [sys.executable, "-P", "-m", "snnbench", *arguments],
            cwd=tmp_path, env=outside | {"PYTHONPATH": str(site)} | environment, capture_output=True, text=True,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        return done

    return run


def test_a_list_a_run_its_record_and_its_table(snnbench, tmp_path):
    listed = snnbench("list", "neuron").stdout
    assert all(name in listed for name in options("neuron"))
    trained = snnbench("train", "data=digits", "train.epochs=1", "train.limit_train_batches=2", "T=1")
    assert trained.returncode == 0, trained.stderr
    (run,) = (tmp_path / "runs").rglob("run.json")
    refused = snnbench("keep", f"run={run.parent}")
    assert refused.returncode == 2
    assert "SNNBENCH_RESULTS=<folder>" in refused.stderr
    assert not (tmp_path / "results").exists()
    kept = snnbench("keep", f"run={run.parent}", SNNBENCH_RESULTS=str(tmp_path / "mine"))
    assert Path(kept.stdout.strip()).is_relative_to(tmp_path / "mine" / "records")
    tables = snnbench("tables", SNNBENCH_RESULTS=str(tmp_path / "mine"))
    assert tables.returncode == 0, tables.stderr
    assert "92.98" in (tmp_path / "mine" / "tables" / "survey_cifar10.md").read_text()  # the survey's LIF
