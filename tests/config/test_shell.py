"""What people type: an axis without a component, several values, Hydra's settings, special characters, other names."""

import re
import shlex
import subprocess
import sys
from functools import cache

import pytest

from snnbench.axes import AXES, BUNDLES
from snnbench.cli.grid import expand
from snnbench.cli.main import main
from snnbench.config import identity
from snnbench.config.catalogue import options
from snnbench.config.compose import compose
from snnbench.config.nearest import nearest
from snnbench.config.overrides import parse
from snnbench.errors import ConfigError

RECIPE = "experiment=survey/cifar10_response_distillation"


@pytest.mark.parametrize("group", ["teacher", "method", "experiment"])
def test_null_means_none_wherever_the_docs_promise_it(group):
    plain = compose([])
    for override in (f"{group}=null", f"~{group}"):
        found = compose([override])
        assert found.config == plain.config
        assert found.choices == plain.choices
        assert identity.config_hash(found.config) == identity.config_hash(plain.config)


def test_a_recipes_teacher_and_method_are_dropped():
    rest = ["objective=mean_ce", "~objective.alpha", "~objective.temperature"]
    for override in ("teacher=null", "~teacher"):
        found = compose([RECIPE, override, *rest])
        assert found.config.get("teacher") is None
        assert found.choices["teacher"] is None
    with pytest.raises(ConfigError, match=r"compares with a teacher"):
        compose([RECIPE, "teacher=null"])
    with pytest.raises(ConfigError, match=r"~objective\.alpha ~objective\.temperature"):
        compose([RECIPE, "teacher=null", "objective=mean_ce"])
    assert compose(["method=tet", "experiment=null"]).choices["method"] == "tet"


def test_the_last_word_on_an_axis_counts():
    assert compose(["method=tet", "method=null"]).choices["method"] is None
    assert compose(["method=null", "method=tet"]).choices["method"] == "tet"


@pytest.mark.parametrize("axis", [axis for axis, about in AXES.items() if not about.optional])
def test_every_other_axis_says_that_it_needs_a_component(axis):
    for override in (f"{axis}=null", f"~{axis}"):
        with pytest.raises(ConfigError, match=rf"every axis needs a component; `snnbench list {axis}`"):
            compose([override])


@pytest.mark.parametrize("group", [*AXES, *BUNDLES])
def test_a_choice_is_one_name(group):
    for value in ("[]", "[lif]", "{a:1}", "3", "''"):
        with pytest.raises(ConfigError, match=f"snnbench list {group}"):
            compose([f"{group}={value}"])
    for override in (f"+{group}=x", f"++{group}=x", f"{group}@model=x", f"+{group}@x=y", f"+{group}/demo=x"):
        with pytest.raises(ConfigError, match="a choice"):
            compose([override])


@pytest.mark.parametrize(
    ("override", "values"),
    [
        ("neuron=glob(lif_*)", [name for name in options("neuron") if name.startswith("lif_")]),
        ("neuron=glob([lif_tdb*,lif_tebn,plif],exclude=*tebn)", ["lif_tdbn", "plif"]),
        ("experiment=glob(demo/t*)", [name for name in options("experiment") if name.startswith("demo/t")]),
        ("neuron=choice(if,lif)", ["if", "lif"]),
        ("neuron=if,lif,if", ["if", "lif"]),
        ("T=sort(4,1,2)", ["1", "2", "4"]),
        ("T=sort(4,1,2,reverse=true)", ["4", "2", "1"]),
        ("T=tag(a,choice(1,2))", ["1", "2"]),
        ("seed=range(3)", ["0", "1", "2"]),
        ("teacher=null,null", ["null"]),
        ("name=\"a=b\",'c d'", ['"a=b"', "'c d'"]),
    ],
)
def test_a_grid_lists_values_in_each_of_hydras_ways(override, values):
    key = override.split("=")[0]
    assert expand([override, "train.epochs=1"]) == [[f"{key}={value}", "train.epochs=1"] for value in values]


def test_shuffle_keeps_the_jobs():
    assert sorted(expand(["T=shuffle(1,2,3)"])) == [["T=1"], ["T=2"], ["T=3"]]


@pytest.mark.parametrize("override", ["neuron=glob(zz*)", "neuron.tau=glob(*)", "T=interval(1,4)", "neuron=choice()",
                                      "T=tag(a,interval(1,2))", "seed=range(0)", "seed=range(5,0)", "seed=range(0,3,0)",
                                      "T=range(nan)", "T=range(1e999)", "T=range(1,999999999)", "T=sort(1,a)", "T=,",
                                      "T=shuffle(range(999999999))", "T=nope(1)"])  # fmt: skip
def test_a_grid_of_nothing_is_one_sentence(override, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "-m", override]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_grid_has_an_end():
    with pytest.raises(ConfigError, match="more than 10000 jobs"):
        expand(["T=range(101)", "seed=range(100)"])


@pytest.mark.parametrize("override", ["hydra.run.dir=x", "+hydra.x=1", "hydra/launcher=basic", "++hydra.job.name=x",
                                      "hydra.searchpath=[file:///tmp]", "hydra=x", "~hydra.run", "hydra.sweep.dir=a,b",
                                      "+hydra.callbacks.x._target_=os.system"])  # fmt: skip
def test_hydras_own_settings_are_refused(override):
    for run in (compose, expand):
        with pytest.raises(ConfigError, match=r"Hydra's own settings do nothing here.*paths\.runs"):
            run([override])


@pytest.mark.parametrize(
    "value", ["a=b", "Übung", "日本", "a[1]", "a(1)", 'say"x"', "a{b}", "a,b=c", "x=\\", "[a", "'a=b"]
)
def test_a_refused_text_comes_with_the_form_that_works(value):
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        compose([f"log.wandb_project={value}"])
    (shown,) = shlex.split(str(caught.value).partition("if the value is a text, write ")[2])
    assert compose([shown]).config["log"]["wandb_project"] == value


def test_the_form_shown_is_what_a_shell_passes_on():
    with pytest.raises(ConfigError) as caught:
        parse(["name=it's=x"])
    shown = str(caught.value).partition("write ")[2]
    line = f"{sys.executable} -c 'import sys; print(sys.argv[1])' {shown}"
    passed = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout.strip()
    assert parse([passed])[0].value() == "it's=x"


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("gpus=2", "train.devices"), ("gpu=2", "train.devices"), ("time_steps=4", "T"), ("t=4", "T"),
        ("dataset=x", "data"), ("batch=2", "train.batch_size"), ("epoch=2", "train.epochs"),
        ("optimizer.learning_rate=1", "optimizer.lr"), ("neurons=lif", "neuron"), ("train.epoch=3", "train.epochs"),
        ("train.tau=3", "neuron.tau"), ("neuron.taux=3", "neuron.tau"), ("loss=tet", "objective"),
        ("model=spikformer", "spikformer_8_384"), ("model=qkformer_tin", "qkformer_tiny"),
        ("neuron=LIF", "lif"), ("neuron=lif_", "lif_dspike"), ("data=cifar", "cifar10_dvs"),
        ("data=gesture", "dvs_gesture"), ("experiment=cifar10_resnet19", "tet/cifar10_resnet19"), ("rule=bppt", "bptt"),
    ],
)  # fmt: skip
def test_the_key_or_name_that_was_meant_is_named(override, meant):
    key, _, value = override.partition("=")
    clause = nearest(value, options(key)) if key in AXES or key in BUNDLES else nearest(key, every_key())
    assert clause.startswith(("the nearest is ", "the nearest are "))
    assert meant in clause.split(" ", 3)[3]


@cache
def every_key():
    config = compose([]).config
    sections = {section: node for section, node in config.items() if isinstance(node, dict)}
    return [*config, *(f"{section}.{key}" for section, node in sections.items() for key in node)]


def test_every_keys_last_part_finds_the_key():
    for key in every_key():
        assert key in nearest(key.split(".")[-1], every_key()).split(" ", 3)[3].split(", ")


def test_every_key_that_is_there_can_be_deleted_or_is_needed():
    """Also where its value is null."""
    refusals = (
        "needs it; write|is missing: give it|every axis needs|must be a section|is no component|cannot be resolved"
    )
    cases = [(key, []) for key in every_key()]
    for choice in [*(f"optimizer={option}" for option in options("optimizer")), "augment=crop_flip", "data=cifar10"]:
        axis = choice.split("=")[0]
        cases += [(f"{axis}.{key}", [choice]) for key in compose([choice]).config[axis]]
    for key, choice in cases:
        section, _, leaf = key.rpartition(".")
        try:
            found = compose([*choice, f"~{key}"]).config
            refused = "" if leaf not in (found[section] if section else found) else "not deleted"
        except ConfigError as error:
            refused = str(error)
        assert not refused or re.search(refusals, refused), (key, refused)


def test_a_key_that_is_set_again_after_its_deletion_has_the_later_value():
    assert compose(["~neuron.tau", "neuron.tau=3.0"]).config["neuron"]["tau"] == 3.0
    assert "tau" not in compose(["neuron=if", "+neuron.tau=3.0", "~neuron.tau"]).config["neuron"]
    with pytest.raises(ConfigError, match=r"train\.epochs: its value is 10; write ~train\.epochs"):
        compose(["~train.epochs=3"])
