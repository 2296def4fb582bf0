"""What the environment holds gets into no record: not through a resolver, and not through the shell."""

import pytest

from snnbench.config.compose import compose
from snnbench.config.environment import check_interpolations
from snnbench.errors import ConfigError

TEXTS = ["name", "reproduces", "log.wandb_project", "train.ckpt_path", "kernels", "neuron.reset", "data.root",
         "optimizer.lr", "T", "seed"]  # fmt: skip
RESOLVERS = ["${oc.env:HARMLESS}", "${oc.env:HARMLESS,x}", "a${oc.env:HARMLESS}b", "${ oc.env:HARMLESS }",
             "${oc.decode:${oc.env:HARMLESS}}", "${now:%Y}", "${hydra:runtime.cwd}", "${python_version:}",
             "${oc.create:{}}", "${oc.dict.keys:train}", "${oc.select:hydra.job}", "${${name}:x}", "${oc.${T}:X}",
             "${oc.deprecated:T}"]  # fmt: skip


@pytest.fixture
def environment(monkeypatch):
    monkeypatch.setenv("HARMLESS", "a-value-of-the-environment")
    monkeypatch.setenv("MY_API_TOKEN", "s3cr3t-value-of-a-token")


@pytest.mark.parametrize("key", TEXTS)
def test_no_text_takes_a_variable(key, environment):
    with pytest.raises(ConfigError, match=f"{key}=") as caught:
        compose([f"{key}=${{oc.env:HARMLESS}}"])
    assert "a-value-of-the-environment" not in str(caught.value)


@pytest.mark.parametrize("path", [("name",), ("neuron", "reset"), ("data", "mean", 0), ("log", "x", "y")])
def test_no_resolver_passes(path):
    for value in RESOLVERS:
        node: object = f"a{value}"
        for key in reversed(path):
            node = [node] if key == 0 else {key: node}
        with pytest.raises(ConfigError, match="a value may take another key's"):
            check_interpolations(node)


def test_paths_take_variables_and_other_keys_and_nothing_else(environment):
    assert compose(["paths.runs=${oc.env:HARMLESS}/x"]).config["paths"]["runs"] == "a-value-of-the-environment/x"
    assert compose(["paths.runs=${oc.env:NOT_SET,runs}"]).config["paths"]["runs"] == "runs"
    assert compose(["paths.data=${paths.runs}", "paths.runs=x"]).config["data"]["root"] == "x"
    assert compose(["data.fold=${seed}", "seed=3"]).config["data"]["fold"] == 3
    with pytest.raises(ConfigError, match="paths"):
        compose(["paths.runs=${oc.env:NOT_SET}"])
    for value in RESOLVERS[3:]:
        with pytest.raises(ConfigError, match=r"paths\.runs"):
            check_interpolations({"paths": {"runs": value}})


def test_a_secret_is_refused_wherever_it_stands(environment):
    with pytest.raises(ConfigError, match="MY_API_TOKEN"):
        compose(["paths.runs=${oc.env:MY_API_TOKEN}"])
    with pytest.raises(ConfigError, match="MY_API_TOKEN"):
        compose(["paths.runs=${oc.env:MY_API_TOKEN,x}"])
    for override in ("name=x-s3cr3t-value-of-a-token", "log.wandb_project=s3cr3t-value-of-a-token",
                     "paths.data=/tmp/s3cr3t-value-of-a-token", "~method=s3cr3t-value-of-a-token"):  # fmt: skip
        with pytest.raises(ConfigError, match="MY_API_TOKEN") as caught:
            compose([override])
        assert "s3cr3t" not in str(caught.value)


def test_a_variable_that_is_no_secret_hinders_nobody(monkeypatch, tmp_path):
    monkeypatch.setenv("SHORT_KEY", "lif")
    monkeypatch.setenv("PATH_OF_KEYS", str(tmp_path))
    assert compose(["neuron=lif", f"paths.runs={tmp_path}"]).config["paths"]["runs"] == str(tmp_path)
