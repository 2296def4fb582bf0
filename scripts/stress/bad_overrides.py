"""Make bad values for every key of a configuration and of every component, and hostile overrides."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from functools import cache

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from scripts.stress.attempt import CANARY
from scripts.stress.case import Case
from scripts.stress.draw import sections
from scripts.stress.small_data import NEEDED
from snnbench.axes import AXES
from snnbench.config.catalogue import options
from snnbench.config.compose import compose
from snnbench.config.signature import component
from snnbench.config.types import misfit
from snnbench.errors import ConfigError

BASE = {
    "T": "2", "model.widths": "[8,8,8]", "train.epochs": "1", "train.limit_train_batches": "1",
    "train.limit_test_batches": "1", "train.batch_size": "8", "train.accelerator": "cpu", "measure.samples": "2",
    "data.num_workers": "0", "log.progress": "lines", "paths.data": "{data}", "paths.runs": "runs",
}  # fmt: skip
CODE = f"{{_target_: os.system, _args_: ['touch {CANARY}']}}"
GIT = f"{{_target_: snnbench.train.provenance._git, _args_: [., '-c', 'alias.x=!touch {CANARY}', x]}}"
NEVER = [  # no key takes these
    "nan", "inf", "-inf", "1e999", "[nan]", CODE, f"[{CODE}]", GIT, "'${nothing}'", "'${oc.decode:1}'", "'a\nb'",
    "'a\x1b[31mb'", "[x", "a=b=", "9" * 5000, "[" * 500, "{" * 500, "{a", "'a", "${", "'${T'", "{a: 1, b}",
]  # fmt: skip
ANOTHER_KEY = "'${T}'"
SOMETIMES = [  # values outside the annotation of the key must be refused; all others must run
    "abc", "-1", "0", "1.5", "1e20", "1e-320", "99999999999999999999", "4294967296", "4294967295", "[]", "[1]",
    "[[1]]", "[0]", "[-1]", "[1.5, abc]", "{}", "{a: 1}", "null", "true", "''", "'a=b'", "ümläut", "'a]b[c'", "..",
    "../../x", "a/b", "a: b", "lif", ANOTHER_KEY, "x" * 5000,
]  # fmt: skip
ONLY_FOLDERS = "'${oc.env:HOME}'"
TAUGHT = ["teacher=run", "objective=kd_response", "data=digits"]


def bad_values(seed: int, per_key: int, per_option_key: int) -> Iterator[Case]:
    """Make `per_key` values for each key of the default configuration, and fewer for keys of other components."""
    rng = random.Random(f"values/{seed}")
    for section, keys in sections().items():
        for key, parameter in keys.items():
            for text in rng.sample([*NEVER, ONLY_FOLDERS, *SOMETIMES], per_key):
                yield _case([], f"{section}.{key}".lstrip("."), text, parameter.annotation)
    for axis in AXES:
        for option in (name for name in options(axis) if not (AXES[axis].optional and name == "none")):
            context = context_of(axis, option)
            node, is_default = compose(context).config[axis], context == []
            for key, parameter in component(node["_target_"]).parameters.items():
                if key in node and key != "identity":
                    for text in rng.sample([*NEVER, *SOMETIMES], per_key if is_default else per_option_key):
                        yield _case(context, f"{axis}.{key}", text, parameter.annotation)


def _case(context: list[str], key: str, text: str, annotation: ast.expr | None) -> Case:
    never = text in NEVER or (text == ONLY_FOLDERS and not key.startswith("paths."))
    refuse = never or (text != ANOTHER_KEY and _misfits(text, annotation))
    may_write = ("runs", text.strip("'\"")) if key == "paths.runs" else ("runs",)
    return Case(f"{key} {text[:40]!r}", train([*context, f"{key}={text}"]), refuse, may_write=may_write)


def train(overrides: list[str], *flags: str) -> list[str]:
    """The `train` command with the small base configuration. `overrides` replace keys of the base."""
    said = {text.lstrip("+~").split("=")[0] for text in overrides}
    own = [text.removeprefix("model=") for text in overrides if text.startswith(("model=", "method=", "experiment="))]
    base = [f"{k}={v}" for k, v in BASE.items() if k not in said and not (own and k.startswith("model."))]
    needed = [text for option in NEEDED for text in NEEDED[option] if f"data={option}" in overrides]
    return ["train", *flags, *base, *[text for text in needed if text.split("=")[0] not in said], *overrides]


def _misfits(text: str, annotation: ast.expr | None) -> bool:
    try:
        return misfit(OverridesParser.create().parse_override(f"k={text}").value(), annotation) is not None
    except (HydraException, ValueError, RecursionError):
        return True


@cache
def _methods() -> dict[str, dict]:
    return {f"method={name}": compose([f"method={name}"]).choices for name in options("method")}


def context_of(axis: str, option: str) -> list[str]:
    """Valid choices that include this option: none, the option alone, a method, or a method and the option."""
    if compose([]).choices[axis] == option:
        return []
    for context in [
        [f"{axis}={option}"], [*TAUGHT, f"{axis}={option}"], *([m] for m, c in _methods().items() if c[axis] == option),
        *([m, f"{axis}={option}"] for m in _methods()), *([f"experiment={e}"] for e in options("experiment")),
    ]:  # fmt: skip
        try:
            if compose(context).choices[axis] == option:
                return context
        except ConfigError:
            continue
    raise LookupError(f"nothing composes with {axis}={option}")


HOSTILE = [
    f"+neuron._args_=[{GIT}]", f"+model._args_=[{CODE}]", f"++surrogate._args_=[{CODE}]", f"+train._target_={CANARY}",
    f"+neuron.tau={CODE}", "neuron._target_=os.system", "neuron._target_=snnbench.train.provenance._git",
    "neuron._target_=snnbench.train.provenance.git_state", "neuron._target_=snnbench.norms.batch_norm.BatchNorm",
    "neuron._target_=snnbench.neurons.plif.PLIF", "neuron._target_=stranger.Mine", "neuron._target_=''",
    "neuron._target_=null", "neuron._target_=[os.system]", "data._target_=builtins.eval", "+neuron._partial_=true",
    "+neuron._recursive_=false", "+neuron._convert_=all", "+_target_=os.system", "hydra.run.dir={outside}/x",
    "hydra.sweep.dir={outside}/x", "hydra.output_subdir={outside}", "hydra.job.chdir=true", "hydra.searchpath=[file:///]",
    "hydra.searchpath=[pkg://stranger]", "+hydra.callbacks.x._target_=os.system", "hydra/launcher=joblib",
    "hydra.job_logging.x=1", "hydra=null", "~hydra", "name='${oc.env:HOME}'", "name=${oc.env:HOME}", "name=../../x",
    "name={outside}/x", "name=a/../../x", "name=a/../b", "name=.", "name=..", "name=a//b", "name=/", "name='a '",
    "name='~/x'", "name='a\tb'", "name='a\\b'", "name=-x", "name='$(touch PWNED)'", "name='`touch PWNED`'",
    "paths.runs=''", "paths.runs=null", "paths.data='${oc.env:STRESS_PASSWORD}'", "paths.runs='${oc.env:NOT_SET}'",
    "log.wandb_project='${oc.env:STRESS_PASSWORD}'", "name=hunter2hunter2", "reproduces='${oc.env:STRESS_PASSWORD}'",
    "neuron@foo=lif", "+neuron@train=lif", "neuron@:foo=lif", "~neuron", "~train", "~T", "~train.epochs", "~nothing",
    "~neuron.tau", "~model.widths", "~paths", "+x.y.z=1", "+x=1", "train={}", "train=null", "train=[]", "neuron={}",
    "neuron=[lif]", "neuron=null", "neuron=3", "data=../../etc", "data=/etc/passwd", "experiment=../model/csnn",
    "experiment=.", "experiment=survey", "model=../neuron/lif", "neuron=LIF", "neuron=lif.yaml", "neuron=lif,plif",
    "method=[tet]", "method=''", "experiment=''", "teacher.run=x", "teacher=run", "seed=glob(*)", "seed=interval(0,1)",
    "seed=range(0,3,0)", "seed=choice(1,2)", "neuron=glob(lif*)", "T=sort(3,1)", "T=shuffle(1,2)", "T=cast(2)",
    "seed=int(x)", "T=float(2)", "T=str(2)", "train.ckpt_path=/etc/passwd", "train.ckpt_path={outside}",
    "train.ckpt_path=nowhere.ckpt", "train.devices=2", "train.accelerator=cuda", "train.accelerator=tpu", "epochs",
    "=", "=1", "+", "~", "", " ", "T", "T==2", "T =2x", "t=2", "ＴT=2", "T=２", "train..epochs=1", ".T=2", "train.=2",
    "train.epochs.x=2", "T.x=2", "neuron.tau.x=2", "train[epochs]=1", "data.shape[0]=1", "data.shape.3=1", "--help=1",
]  # fmt: skip
FLAGS = [
    "--config-dir=/", "--config-name=x", "-cn", "--cfg", "--jobs", "--jobs=2", "-M", "--resolve", "-", "--", "-mm",
]  # fmt: skip
GRIDS = [
    "seed=range(0,0)", "seed=range(0,3,0)", "seed=choice()", "seed=glob(*)", "neuron=glob(zzz*)", "neuron=glob()",
    "neuron=interval(0,1)", "neuron.tau=2,nan", "T=1,x", "T=1,", "neuron=lif,liff", f"neuron.tau=2,{CODE}",
    "name=a,../../x", "seed=range(0,1e999)", "seed=range(x)", "hydra.sweep.dir=a,b", "train.epochs=1,0",
    "neuron._target_=os.system,os.popen", "data=cifar10,/etc/passwd", "seed=shuffle(x", "T=range(1,3,0.5)",
]  # fmt: skip


def hostile_overrides() -> Iterator[Case]:
    secret = {"STRESS_PASSWORD": "hunter2hunter2"}
    for text in HOSTILE:
        yield Case(f"override {text!r}", train([text]), environment=secret)
    for text in FLAGS:
        yield Case(f"flag {text!r}", train([], text))
    for text in GRIDS:
        yield Case(f"grid {text!r}", train([text], "-m"))
    for jobs in ("0", "-1", "x", "1.5", "", "²"):
        yield Case(f"jobs {jobs!r}", train(["seed=0,1"], "-m", "--jobs", jobs))
