"""Measure speed and memory of every recipe of the survey in one run on one device, for the survey's tables.

`survey_nets`: each of `configs/experiment/survey` with its own network, neuron, norm, rule and objective at its own
batch, on random data: a training step and a forward pass in evaluation mode (captured as CUDA graphs where the trainer
captures them, else eager); beside it SpikingJelly's neuron in the same network, where it has that neuron, in both
precisions and layouts, captured and eager. Teachers are untrained. A recipe that does not run becomes a row that says
why.
"""

from __future__ import annotations

from dataclasses import asdict

import torch
from torch import nn

from snnbench.bench.recipe_peers import peer_of
from snnbench.bench.session import Session
from snnbench.bench.step import Prepared, Variant
from snnbench.bench.trainer_step import evaluation_step, train_step
from snnbench.bench.works import Size, Work, section
from snnbench.bench_rows import OK
from snnbench.build import build_model, instantiate
from snnbench.config.catalogue import options
from snnbench.config.compose import compose
from snnbench.errors import ConfigError
from snnbench.rules.base import Rule
from snnbench.teachers.base import Teacher

FOLDERS = ("survey/cifar10_", "survey/sequential_cifar10_")  # tasks whose speed the survey gives
PEER = "spikingjelly"


def recipes() -> list[str]:
    """Names of the survey's recipes, as `experiment=` takes them."""
    return [name for name in options("experiment") if name.startswith(FOLDERS)]


def run_survey_nets(session: Session, chosen: list[str] | None = None) -> None:
    """The chosen recipes (None: all), training then test, ours then the peer's; returns early when the time is over."""
    for recipe in chosen or recipes():
        for engine in ("ours", PEER):
            for phase in ("train", "test"):
                for way in _ways(engine, session.device):
                    if session.is_over:
                        return
                    row = _measure(session, recipe, engine, phase, way)
                    if row is None or (engine == "ours" and row["status"] == OK):
                        break  # no such peer, or what the trainer would take has been measured


def _ways(engine: str, device: torch.device) -> list[Variant]:
    """Ours: the trainer's way, or the eager one if that cannot be captured; a peer's: every way, the fastest counts."""
    if device.type == "cpu":
        return [Variant("fp32", mode="eager")]
    if engine == "ours":
        return [Variant(mode=mode) for mode in ("captured", "eager")]
    return [
        Variant(precision, layout, mode)
        for mode in ("captured", "eager")
        for precision in ("fp32", "bf16")
        for layout in ("channels_last", "contiguous")
    ]


def _measure(session: Session, recipe: str, engine: str, phase: str, way: Variant) -> dict | None:
    """Time one step and write its row; None if the peer has no such neuron."""
    try:
        work, config = work_of(recipe, session.size)
    except ConfigError as error:  # it does not compose here
        work, config = None, {}
        refusal = {"status": "refused", "sentence": f"ConfigError: {str(error).splitlines()[0][:300]}"}
    if engine == PEER and (work is None or peer_of(config) is None):
        return None
    if work is None:
        row = refusal
    else:
        row = session.attempt(lambda: _prepare(session, work, config, engine, phase, way), work.batch)
    row |= {"recipe": recipe, "reproduces": config.get("reproduces"), "engine": engine, **asdict(way), "phase": phase}
    row |= {"batch": work and work.batch}
    session.record("survey_nets", row, f"{recipe} {engine} {phase} {way}")
    return row


def work_of(recipe: str, size: Size) -> tuple[Work, dict]:
    """The recipe as a work, and its configuration; tiny shrinks image, network and T. ConfigError: not to compose."""
    node = section("survey_nets", size)
    overrides = [f"experiment={recipe}", *node.get("overrides", [])]
    config = compose(overrides).config
    if size == "tiny":  # column by column, an image has as many steps as its width
        overrides.append(f"T={config['data']['shape'][-1] if _by_column(config) else min(2, config['T'])}")
        config = compose(overrides).config
    return Work(recipe, recipe, tuple(overrides), batch=node.get("batch") or config["train"]["batch_size"]), config


def _by_column(config: dict) -> bool:
    return config["encoder"]["_target_"].endswith(".Column")


def untrained_teacher(config: dict, size: Size) -> Teacher | None:
    """The teacher that a recipe names, with random weights. Its speed and size are those of a trained one."""
    if config.get("teacher") is None:
        return None
    _, theirs = work_of(config["teacher"]["experiment"], size)
    same = all(theirs[key] == config[key] for key in ("T", "encoder"))
    encoder = None if same else instantiate(theirs["encoder"], time_steps=theirs["T"])
    return Teacher(build_model(theirs)[0], encoder)


def _prepare(session: Session, work: Work, config: dict, engine: str, phase: str, way: Variant) -> Prepared:
    network = _network(config) if engine == "ours" else (peer_of(config)(), instantiate(config["rule"]))
    if phase == "test":
        return evaluation_step(work, config, network, way, session.device)
    return train_step(work, config, network, way, session.device, untrained_teacher(config, session.size))


def _network(config: dict) -> tuple[nn.Module, Rule]:
    torch.manual_seed(0)
    return build_model(config)
