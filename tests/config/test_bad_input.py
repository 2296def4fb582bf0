"""Bad input is refused before anything is built: one sentence that names the key and the remedy, exit code 2."""

import subprocess
import sys

import pytest

from snnbench.cli.main import main
from snnbench.config.check import check
from snnbench.config.compose import compose
from snnbench.errors import ConfigError

BAD_OVERRIDES = [
    ("neurn=lif", "neuron"),
    ("neuron=lifx", "lif"),
    ("neuron.taux=3", "neuron.tau"),
    ("neuron.tau=1", "> 1"),
    ("neuron.tau=abc", "a number"),
    ("neuron.tau=null", "a number"),
    ("neuron.v_th=-1", "> 0"),
    ("neuron.reset=medium", "hard, soft"),
    ("T=0", "in [1, 1000000]"),
    ("T=2.5", "whole number"),
    ("seed=-1", ">= 0"),
    ("optimizer.lr=-0.1", ">= 0"),
    ("optimizer.momentum=1", "in [0, 1)"),
    ("train.epochs=0", "in [1, 1000000]"),
    ("train.batch_size=many", "whole number"),
    ("train.precision=fp16", "bf16"),
    ("train.grad_clip=0", "> 0"),
    ("train.eval_every=3", "divide train.epochs=10"),
    ("data.val_fraction=1.0", "in [0, 1)"),
    ("data.fold=7", "in [0, 4]"),
    ("+neuron.colour=red", "no key colour"),
    ("+foo=1", "no key foo"),
    ("experiment=tet/cifar10_resnet91", "tet/cifar10_resnet19"),
    ("method=tett", "tet"),
    ("data=cifar11", "cifar10"),
    ("neuron=if,lif", "-m"),
    ("epochs", "key=value"),
    ("neuron.tau=[1", "cannot be read"),
    ("train={}", "'train={}' changes nothing"),
    ("train.epochs=4294967295", "in [1, 1000000]"),
    ("~neuron.tau", "'~neuron.tau': neuron=lif needs it; write neuron.tau=<value>"),
    ("~model.widths", "write model.widths=<value>"),
    ("paths.runs='~'", "paths.runs=~ begins with ~"),
    ("paths.data='~/data'", "write $HOME"),
    ("neuron=null", "neuron"),
    ("neuron._target_=os.system", "_target_=os.system"),
    ("neuron._target_=snnbench.data.base.os.system", "not the class of neuron=lif"),
    ("neuron._target_=snnbench.norms.batch_norm.BatchNorm", "not the class of neuron=lif"),
    ("rule=ottt", "rule=ottt"),
    ("encoder=frames", "encoder=frames"),
    # sizes that no machine has
    ("seed=4294967296", "seed=4294967296 is too large"),
    ("T=1e20", "T=1e+20 must be a whole number"),
    ("T=1000001", "in [1, 1000000]"),
    *((f"data.shape={shape}", "three whole numbers") for shape in ("[8,8]", "[1,0,8]", "[1,-8,8]")),
    ("data.shape=[]", "data.shape=[] must be"),
    *((f"data.num_classes={count}", f"data.num_classes={count}") for count in (0, -3)),
    ("data.num_workers=4000000", "data.num_workers=4000000"),
    ("train.batch_size=4000000000", "in [1, 1000000]"),
    ("paths.runs=''", "paths.runs is empty"),
    ("name=2024", "'name=\"2024\"'"),
    *((f"name={name}", f"name={name} becomes a folder") for name in ("../../x", "/abs", "a/../../b")),
    # a number that becomes a size has two ends
    *((f"model={name} model.mlp_ratio=1e20", "must be a number in") for name in ("spikformer_tiny", "qkformer_tiny")),
    ("method=slayer neuron.dt=1e-7", "must be a number in"),
    ("method=slayer synapse=axonal_delay synapse.dt=1e-320", "must be a number in"),
    ("method=superspike neuron.dt=1e20", "must be a number in"),
    # a pair is two numbers
    *((f"optimizer={name} optimizer.betas={betas}", "must be a list of 2, each a number in [0, 1)")
      for name in ("adam", "adamw") for betas in ("[]", "[0.9]", "[0.9,0.99,0.999]", "0.9", "[0.9,1.0]")),
    # through a constructor's **rest
    ("+neuron.amplitud=2.0", "neuron.amplitud=2.0: there is no key amplitud here"),
    ("+neuron.amplitud=2.0", "neuron.amplitude"),
    ("neuron.amplitude=-1.0", "neuron.amplitude=-1.0 must be a number > 0"),
    ("+data.batch_sizes=8", "data.batch_sizes=8: there is no key batch_sizes here"),
    # what was meant
    ("lr=0.1", "the nearest is optimizer.lr"),
    # a component is swapped by its name alone: otherwise the record would go on naming the choice
    ("neuron._target_=mypackage.mine.Mine", "write configs/neuron/<name>.yaml"),
    ("neuron._target_=snnbench.neurons.plif.PLIF", "neuron=plif"),
    ("surrogate._target_=snnbench.surrogates.triangle.Triangle", "surrogate=triangle"),
    ("optimizer._target_=snnbench.train.optim.adam", "optimizer=adam"),
    # refusals say why and what fits
    ("rule=ottt objective=tet synapse=weight_std", "rule=ottt does not go with norm=bn: "),
    ("rule=ottt objective=tet synapse=weight_std", "norm=none"),
    ("method=ottt model=spikformer_tiny", "rule=ottt does not go with model=spikformer_tiny"),
    ("data=cifar10 encoder=frames", "use encoder=direct"),
    ("data=digits_dvs measure.mirrored=true", "data=digits_dvs has none; set measure.mirrored=false"),
    ("rule=osr", "rule=osr is called rule=sltt now: write rule=sltt"),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "hint"), BAD_OVERRIDES)
def test_bad_overrides_are_one_sentence(overrides, hint, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *overrides.split()]) == 2
    error = capsys.readouterr().err.strip()
    assert hint in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir()), "nothing may be written"


@pytest.mark.parametrize("jobs", ["0", "-1", "x", "1.5", "", "²"])
def test_the_number_of_jobs_is_a_whole_number(jobs, capsys):
    assert main(["train", "-m", "--jobs", jobs, "seed=0,1"]) == 2
    assert f"--jobs {jobs} must be a whole number" in capsys.readouterr().err


def test_a_strangers_package_needs_permission():
    config = compose([]).config
    config["neuron"]["_target_"] = "strangers_package.Neuron"
    with pytest.raises(ConfigError, match="SNNBENCH_PLUGINS"):
        check(config, {})


@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["train", "--help"], ["tables", "out={tmp}"],
                                       ["train", "--show"], ["train", "neuron.taux=1"]])  # fmt: skip
def test_answers_without_importing_torch(arguments, tmp_path):
    arguments = [a.format(tmp=tmp_path) for a in arguments]
    program = (
        "import sys; from snnbench.cli.main import main; main(sys.argv[1:]); "
        "sys.exit(3 if {'torch', 'lightning', 'tonic'} & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_cards_own_example_composes_without_a_new_file():
    composed = compose(["data=cifar10", "model=sew_resnet18", "neuron=plif", "method=tet"])
    assert composed.choices["neuron"] == "plif"
    assert composed.choices["objective"] == "tet"
    assert composed.config["neuron"]["_target_"].endswith("PLIF")


@pytest.mark.parametrize("data", ["cifar10", "imagenet", "dvs_gesture", "cifar10_dvs"])
@pytest.mark.parametrize("model", ["spiking_resnet18", "spikformer_cifar_4_384", "qkformer_cifar_4_384"])
@pytest.mark.parametrize("method", ["stbp", "tdbn", "tet"])
def test_every_cell_of_the_card_composes(data, model, method):
    composed = compose([f"data={data}", f"model={model}", f"method={method}"])
    assert composed.choices["encoder"] == ("frames" if "dvs" in data else "direct")


def test_a_method_beside_an_experiment_is_not_lost():
    """The recipe names its own axes, and in the files' order they would win over the method's."""
    recipe = ["experiment=survey/cifar10_lif", "method=tebn"]
    found, alone = compose(recipe), compose(["method=tebn"])
    for axis in ("neuron", "norm", "surrogate", "rule"):
        assert found.choices[axis] == alone.choices[axis]
        assert found.config[axis] == alone.config[axis]
    assert found.config["train"]["epochs"] == 256
    assert compose([*recipe, "neuron=plif"]).choices["neuron"] == "plif"
    assert compose([*recipe, "surrogate.gamma=0.5"]).config["surrogate"]["gamma"] == 0.5
    left = r"~model\.readout leaves out what a recipe sets for another model"
    other = ["experiment=superspike/fashion_mnist", "method=superspike"]
    with pytest.raises(ConfigError, match=left):
        compose(other)
    found = compose([*other, *(f"~{key}" for key in ("model.readout", "optimizer.betas", "optimizer.weight_decay"))])
    assert found.choices["rule"] == "superspike"
    assert found.config["surrogate"]["beta"] == 10.0  # the method's value, not the recipe's 100


def test_a_method_of_a_former_name_takes_the_new_rule():
    assert compose(["method=osr"]).choices["rule"] == "sltt"
