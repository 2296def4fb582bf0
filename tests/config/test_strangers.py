"""A stranger's file never runs code, on no way into the program: shell, YAML, run.json, a teacher's run, a plugin."""

import copy
import json
import re
import shutil

import pytest

from snnbench.axes import AXES
from snnbench.build import instantiate
from snnbench.cli.main import main
from snnbench.config.check import check
from snnbench.config.compose import compose
from snnbench.config.paths import configs_dir
from snnbench.config.targets import require_component
from snnbench.errors import ConfigError
from tests.tables.records_of import record

SMALL = ["model.hidden=8", "train.epochs=1"]


def command(tmp_path) -> dict:
    """What the trial used: a private function of ours that starts a program."""
    return {
        "_target_": "snnbench.train.provenance._git",
        "_args_": [".", "-c", f"alias.x=!touch {tmp_path}/pwned", "x"],
    }


def attacks(tmp_path) -> dict:
    run = command(tmp_path)
    return {
        "_args_": [run], "_partial_": True, "_recursive_": False, "_convert_": "all", "_x": 1, "__class__": "x",
        "tau": run, "values": [run], "deep": {"a": [{"b": run}]}, "list": [[{"_args_": []}]],
    }  # fmt: skip


@pytest.fixture(scope="module")
def config():
    """Every axis has a component in it."""
    none = {"attention": {"_target_": "snnbench.attentions.base.Attention"}}
    return compose(["teacher=run", "objective=kd_response"]).config | none


@pytest.mark.parametrize("place", [*AXES, "", "train", "log", "paths", "measure"])
def test_no_axis_and_no_section_takes_more_than_its_own_target(place, config, tmp_path):
    for key, value in [*attacks(tmp_path).items(), ("_target_", "snnbench.train.provenance._git")]:
        if place in AXES and key == "_target_":  # see below
            continue
        bad = copy.deepcopy(config)
        (bad[place] if place else bad)[key] = value
        with pytest.raises(ConfigError, match="underscore"):
            check(bad, {})
        if place in AXES:
            with pytest.raises(ConfigError, match="underscore"):
                instantiate(bad[place])
    assert not list(tmp_path.iterdir())


FOREIGN = [
    "os.system", "snnbench.train.provenance._git", "snnbench.train.provenance.git_state", "snnbench.records.keep",
    "snnbench.records.RunRecord", "snnbench.neurons.base.Site", "snnbench.cli.prepare.prepare", "snnbench.neurons.lif",
    "snnbench.train.run.train", "snnbench..neurons.lif.LIF", "snnbench./etc.x", "snnbench.neurons.lif.LIF ", "LIF", "",
    "snnbench.neurons.lif.LIF.__init__", "snnbench.neurons.lif.torch.load", None, 3, [], {},
]  # fmt: skip


@pytest.mark.parametrize("axis", AXES)
def test_only_what_the_axis_names_is_one_of_its_components(axis, config):
    own = config[axis]["_target_"]
    assert require_component(axis, own).target == own
    for other in FOREIGN + [node["_target_"] for name, node in config.items() if name in AXES and name != axis]:
        with pytest.raises(ConfigError):
            require_component(axis, other)
    for other in FOREIGN:
        with pytest.raises(ConfigError):
            instantiate({"_target_": other})


def shell(tmp_path, key, value, monkeypatch):
    text = re.sub(r'"(\w+)":', r"\1:", json.dumps(value))
    return ["train", f"+neuron.{key}={text}", f"paths.runs={tmp_path}/runs"]


def grid(tmp_path, key, value, monkeypatch):
    return [*shell(tmp_path, key, value, monkeypatch), "-m", "seed=0,1"]


def own_yaml(tmp_path, key, value, monkeypatch):
    folder = shutil.copytree(configs_dir(), tmp_path / "configs")
    node = {"_target_": "snnbench.neurons.lif.LIF", "tau": 2.0, key: value}
    (folder / "neuron" / "mine.yaml").write_text(json.dumps(node))
    for module in ("compose", "plugins"):
        monkeypatch.setattr(f"snnbench.config.{module}.configs_dir", lambda: folder)
    return ["train", "neuron=mine", f"paths.runs={tmp_path}/runs"]


def recipe(tmp_path, key, value, monkeypatch):
    own_yaml(tmp_path, "v_th", 1.0, monkeypatch)
    body = {"neuron": {key: value}, "hydra": {"callbacks": {"x": value}}}
    path = tmp_path / "configs" / "experiment" / "demo" / "mine.yaml"
    path.write_text("# @package _global_\n" + json.dumps(body))
    return ["train", "experiment=demo/mine", f"paths.runs={tmp_path}/runs"]


def run_of(tmp_path, key, value):
    composed = compose(SMALL)
    config = copy.deepcopy(composed.config)
    config["neuron"][key] = value
    values = record(config=config, choices={k: v for k, v in composed.choices.items() if v})
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "run.json").write_text(json.dumps(values))
    for name in ("last", "best"):
        (tmp_path / "run" / "checkpoints" / f"{name}.ckpt").write_bytes(b"x")
    return tmp_path / "run"


def evaluated(tmp_path, key, value, monkeypatch):
    return ["eval", f"run={run_of(tmp_path, key, value)}"]


def teacher(tmp_path, key, value, monkeypatch):
    run = run_of(tmp_path, key, value)
    return ["train", "teacher=run", "objective=kd_response", f"teacher.run={run}", f"paths.runs={tmp_path}/runs"]


def kept(tmp_path, key, value, monkeypatch):
    return ["keep", f"run={run_of(tmp_path, key, value)}", f"out={tmp_path}/kept"]


def tabulated(tmp_path, key, value, monkeypatch):
    run_of(tmp_path, key, value)
    return ["tables", f"records={tmp_path}/run", f"out={tmp_path}/tables"]


WAYS_IN = [shell, grid, own_yaml, recipe, evaluated, teacher, kept, tabulated]


@pytest.mark.parametrize("way", WAYS_IN, ids=lambda way: way.__name__)
@pytest.mark.parametrize("key", ["_args_", "tau", "deep"])
def test_no_way_in_runs_code(way, key, tmp_path, monkeypatch, capsys):
    arguments = way(tmp_path, key, attacks(tmp_path)[key], monkeypatch)
    before = sorted(tmp_path.rglob("*"))
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "underscore" in error
    assert len(error.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("way", [own_yaml, evaluated, teacher], ids=lambda way: way.__name__)
@pytest.mark.parametrize("target", ["snnbench.train.provenance.git_state", "snnbench.neurons.base.Site", "os.system"])
def test_a_file_cannot_name_another_class(way, target, tmp_path, monkeypatch, capsys):
    arguments = way(tmp_path, "_target_", target, monkeypatch)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert target in error
    assert len(error.strip().splitlines()) == 1


def test_hydras_own_settings_run_nothing(tmp_path, monkeypatch):
    """`hydra.callbacks` names classes, too; a recipe may hold it, and it has no effect."""
    recipe(tmp_path, "tau", 2.5, monkeypatch)
    body = {"neuron": {"tau": 2.5}, "hydra": {"callbacks": {"x": command(tmp_path)}}}
    path = tmp_path / "configs" / "experiment" / "demo" / "mine.yaml"
    path.write_text("# @package _global_\n" + json.dumps(body))
    found = compose(["experiment=demo/mine"]).config
    assert found["neuron"]["tau"] == 2.5
    assert "hydra" not in found
    assert not (tmp_path / "pwned").exists()


PLUGIN = """
from snnbench.neurons.lif import LIF
class Mine(LIF):
    pass
class Private(LIF):
    pass
def run(site, surrogate, tau):
    open("pwned", "w")
"""


def test_a_plugin_is_built_where_a_yaml_names_it_and_the_record_names_it(tmp_path, monkeypatch):
    (tmp_path / "plugin_of_strangers.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SNNBENCH_PLUGINS", "plugin_of_strangers")
    own_yaml(tmp_path, "_target_", "plugin_of_strangers.Mine", monkeypatch)
    found = compose(["neuron=mine"])
    assert found.choices["neuron"] == "mine"
    assert found.config["neuron"]["_target_"] == "plugin_of_strangers.Mine"
    with pytest.raises(ConfigError, match="no YAML file of an axis names it"):
        instantiate({"_target_": "plugin_of_strangers.Private", "tau": 2.0})
    text = '{"_target_": "plugin_of_strangers.run", "tau": 2.0}'
    (tmp_path / "configs" / "neuron" / "function.yaml").write_text(text)
    with pytest.raises(ConfigError, match="must be a class"):
        compose(["neuron=function"])
    (tmp_path / "configs" / "neuron" / "surrogate.yaml").write_text('{"_target_": "snnbench.surrogates.atan.ATan"}')
    with pytest.raises(ConfigError, match=r"must come from snnbench\.neurons"):
        compose(["neuron=surrogate"])
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "overrides", [["experiment=demo/mine"], ["method=mine"], ["method=mine", "experiment=demo/tet"]]
)
def test_a_recipe_or_a_method_cannot_swap_a_class(tmp_path, monkeypatch, overrides):
    recipe(tmp_path, "_target_", "snnbench.neurons.plif.PLIF", monkeypatch)
    text = "# @package _global_\ndefaults:\n  - override /neuron: if\nneuron: {_target_: snnbench.neurons.plif.PLIF}\n"
    (tmp_path / "configs" / "method" / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"is not the class of neuron=.*neuron=plif"):
        compose(overrides)


def test_a_network_that_cannot_be_built_is_one_sentence():
    from snnbench.build import build_model

    config = compose(["model=csnn", "data=cifar10"]).config
    for key, value in (("hidden", 4_000_000_000), ("hidden", -1)):
        with pytest.raises(ConfigError, match="no network can be built"):
            build_model(config | {"model": config["model"] | {key: value}})
