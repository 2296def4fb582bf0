"""Draw random combinations of all axes, options and sections, most of them valid. The seed determines all draws."""

from __future__ import annotations

import ast
import json
import random
import re

from scripts.stress.small_data import NEEDED
from snnbench.axes import AXES, SECTIONS
from snnbench.config.catalogue import options
from snnbench.config.compose import Composed, compose
from snnbench.config.signature import Parameter, component
from snnbench.config.types import misfit
from snnbench.errors import ConfigError

DATA = ["digits"] * 8 + ["digits_dvs"] * 4 + options("data")
TAUGHT = ("kd_feature", "kd_response", "kd_spike_train", "feature_mse")  # objectives that need a teacher
CANDIDATES = [
    0, 1, 2, 3, 4, 8, 60, 0.0, 0.05, 0.1, 0.25, 0.5, 0.9, 1.0, 1.5, 2.0, 5.0, 20.0, 100.0, -0.5, -1.0, True, False, None
]  # fmt: skip
SHORT = [
    "train.epochs=1", "train.limit_train_batches=1", "train.limit_test_batches=1", "train.accelerator=cpu",
    "measure.samples=2", "log.progress=lines",
]  # fmt: skip
LEFT_ALONE = (
    "data.root", "data.shape", "data.num_classes", "data.complete", "data.num_workers", "data.resize", "teacher.run",
    "teacher.weights", "teacher.experiment", "teacher.identity", "start.run", "start.experiment", "start.identity",
    "rule.weights", "rule.samples",
)  # fmt: skip
LARGEST_PIXELS = 64


def draw(seed: int, number: int, teacher: str) -> list[str]:
    """Draw the overrides of one combination. `teacher` is the folder of a run on digits."""
    rng = random.Random(f"{seed}/{number}")
    chosen, run = _choices(rng, teacher), _run(rng)
    composed = _composed(rng, chosen)
    overrides = [f"{key}={value}".removesuffix("=") for key, value in chosen.items()]
    if composed is None:  # these choices are incompatible; the combination tests that they are refused
        return [*overrides, *run]
    return [*overrides, *run, *_fitting(rng, composed), *_small(rng, composed), *_values(rng, composed)]


def _composed(rng: random.Random, chosen: dict[str, str]) -> Composed | None:
    """Compose the choices. If they are refused, usually change `chosen` as the error advises and try again."""
    for _ in range(6):
        try:
            return compose([*(f"{key}={value}".removesuffix("=") for key, value in chosen.items()), *SHORT])
        except ConfigError as error:
            if rng.random() < 0.06:
                return None
            advice = str(error).partition("use ")[2]
            remedies = {axis: name for axis, name in re.findall(r"(\w+)=(\w+)", advice) if name in options(axis)}
            chosen |= dict.fromkeys(re.findall(r"~[\w.]+", str(error)), "") or remedies
    return None


def _choices(rng: random.Random, teacher: str) -> dict[str, str]:
    """Draw a recipe or a method with some other components, or only components."""
    kind = rng.choice(["recipe", "method", "components", "components"])
    found = {}
    if kind == "recipe":
        found["experiment"] = rng.choice(options("experiment"))
    if kind == "method" or (kind == "recipe" and rng.random() < 0.15):
        found["method"] = rng.choice(options("method"))
    if kind != "recipe" or rng.random() < 0.2:
        found["data"] = rng.choice(DATA)
    free = [axis for axis in AXES if axis not in ("data", "teacher")]
    for axis in rng.sample(
        free, rng.choice([0, 1, 1, 2, 3, 5]) if kind != "components" else rng.choice([1, 1, 2, 3, 4, 7])
    ):
        found[axis] = rng.choice(options(axis))
    if found.get("objective") in TAUGHT and rng.random() < 0.8:
        found |= {"teacher": "run", "teacher.run": json.dumps(teacher), "data": "digits"}
    return found


def _run(rng: random.Random) -> list[str]:
    """Draw keys that belong to no component: run, training and measurement."""
    sometimes = {
        "T": [1, 2, 2, 3, 4, 6, 12], "seed": [0, 1, 77, 2**32 - 1], "kernels": ["auto", "reference"],
        "train.batch_size": [1, 2, 4, 5, 8], "train.eval_batch_size": [1, 3, 8, 64],
        "train.eval_every": [1, 1, 1, 1, 2],
        "train.precision": ["auto", "fp32", "bf16"], "train.grad_clip": [0.01, 1.0, 1e9],
        "train.ema": [0.5, 0.999], "train.deterministic": ["true", "false"], "measure.operations": ["true", "false"],
        "measure.samples": [1, 3], "measure.mirrored": ["true", "false"], "log.tensorboard": ["true", "false"],
        "log.every_n_steps": [1, 3], "name": ["one", "a/b", "'of x=1'"],
    }  # fmt: skip
    drawn = {"T": 2, "train.batch_size": 4, "train.eval_batch_size": 8, "data.num_workers": rng.choice([0, 0, 0, 1])}
    for key, values in sometimes.items():
        if rng.random() < 0.3:
            drawn[key] = rng.choice(values)
    return [f"{key}={value}" for key, value in drawn.items()]


def _fitting(rng: random.Random, composed: Composed) -> list[str]:
    """Overrides for loading the drawn data set and, in most cases, the number of steps that an encoder needs."""
    found = list(NEEDED.get(composed.choices["data"], ()))
    shape = composed.config["data"]["shape"]
    if min(shape[1:]) > LARGEST_PIXELS and not found and rng.random() < 0.7:
        found.append(f"data.shape=[{shape[0]},{LARGEST_PIXELS},{LARGEST_PIXELS}]")
    if composed.choices["encoder"] == "column" and rng.random() < 0.9:
        found.append(f"T={shape[-1]}")
    if composed.choices["rule"] == "dspike":
        found += ["rule.weights=2", "rule.samples=2"]
    return found


def _small(rng: random.Random, composed: Composed) -> list[str]:
    """In most cases, overrides for a network with few channels."""
    if rng.random() < 0.03:
        return []
    found = {}
    for key, value in composed.config["model"].items():
        if key in ("widths", "channels", "hidden") and isinstance(value, list):
            found[key] = [8 if key != "hidden" else 24] * len(value)
        elif key in ("blocks", "depths"):
            found[key] = [1] * len(value)
        elif key in ("width", "channels", "hidden", "bottleneck", "stem_width", "dim", "depth", "heads") and value:
            found[key] = {"dim": 64, "depth": 1, "heads": 4}.get(key, 16)
    return [f"model.{key}={json.dumps(value)}" for key, value in found.items()]


def _values(rng: random.Random, composed: Composed) -> list[str]:
    """Draw some keys of the components, each with a value that its annotation allows."""
    places = []
    for axis in AXES:
        if node := composed.config.get(axis):
            allowed = component(node["_target_"]).parameters
            places += [(f"{axis}.{key}", allowed[key], node[key]) for key in node if key in allowed]
    places = [place for place in places if place[0] not in LEFT_ALONE]
    count = min(len(places), rng.choice([0, 1, 2, 3, 5]))
    return [f"{key}={_value(rng, parameter, now)}" for key, parameter, now in rng.sample(places, count)]


def _value(rng: random.Random, parameter: Parameter, now: object) -> str:
    literals = [n.value for n in ast.walk(parameter.annotation or ast.Constant(None)) if isinstance(n, ast.Constant)]
    words = [text for text in literals if isinstance(text, str)]
    near = [now * 0.5, now * 2, now * 1.1] if isinstance(now, float) else [now]
    if isinstance(now, list):
        near += [now[:1], [*now, *now[-1:]], now[::-1]]
    fitting = [value for value in [*words, *near, *CANDIDATES] if misfit(value, parameter.annotation) is None]
    if isinstance(now, str) and now not in words:  # a free text
        fitting = [now]
    return json.dumps(rng.choice(fitting or [now]))


def sections() -> dict[str, dict[str, Parameter]]:
    """The keys that belong to no component, as {section: {key: annotation}}."""
    return {section: component(f"snnbench.config.schema.{name}").parameters for section, name in SECTIONS.items()}
