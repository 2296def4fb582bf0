"""The plan of a run: everything that is known before anything is built or written. It is made once and handed down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from snnbench.config.compose import Composed, recipe_of
from snnbench.config.deviations import deviations
from snnbench.config.identity import Identity
from snnbench.train.hardware import Hardware, all_devices
from snnbench.train.launch import Launch
from snnbench.train.resume import refuse_other_run


@dataclass(frozen=True)
class Plan:
    """Everything about a run that is known before it starts.

    Args:
        composed: The configuration of the run, its choices and its identity.
        recipe: The experiment that the run follows, as published, or the run's own configuration if it follows none.
        deviations: The values that the run changed in that recipe, {axis or key: [recipe's, run's]}.
        hardware: The devices and the precision of the run.
        checkpoint: The checkpoint from which the run continues, or None for a new run.
        best_on: The set whose accuracy chooses best.ckpt: "val" where there is a validation split, else "test", as in
            most papers.
        speaks: Whether this process writes on the console. Only the first process of a launch does, and none if
            `log.progress` is off.
    """

    composed: Composed
    recipe: Composed
    deviations: dict[str, list]
    hardware: Hardware
    checkpoint: Path | None
    best_on: str
    speaks: bool

    @property
    def config(self) -> dict:
        """The resolved configuration."""
        return self.composed.config

    @property
    def identity(self) -> Identity:
        """The run's name, hashes and folder."""
        return self.composed.identity


def plan_run(composed: Composed, launch: Launch, checkpoint: Path | None) -> Plan:
    """The plan of a composed run for this launch, which continues from this checkpoint if there is one.

    Raises:
        ConfigError: the processes or devices do not fit the configuration, or the checkpoint is another run's.
    """
    hardware = all_devices(composed.config["train"], launch)
    if checkpoint is not None:
        refuse_other_run(checkpoint, composed.identity.config_hash)
    experiment = composed.choices["experiment"]
    recipe = recipe_of(experiment) if experiment else composed
    best_on = "val" if composed.config["data"].get("val_fraction", 0.0) > 0 else "test"
    speaks = launch.rank == 0 and composed.config["log"]["progress"] != "off"
    return Plan(composed, recipe, deviations(composed, recipe), hardware, checkpoint, best_on, speaks)
