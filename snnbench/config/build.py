"""From a checked configuration to objects: the one place that instantiates what a config names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import hydra.utils
from hydra.errors import InstantiationException

from snnbench.config.errors import ConfigError
from snnbench.config.signature import component


def factory(node: dict, **injected) -> Callable[..., Any]:
    """A callable that builds a new component at each call, from the values of `node` and what the caller injects.

    Injected objects go past Hydra (it would copy them into its config).

    Raises:
        ConfigError: the target, or one nested in it, is not an allowed class or cannot be imported.
    """
    _refuse_strangers(node)
    try:
        made = hydra.utils.instantiate({**node, "_partial_": True}, _convert_="all")
    except InstantiationException as error:
        reason: BaseException = error
        while reason.__cause__ is not None:
            reason = reason.__cause__
        raise ConfigError(
            f"_target_={node['_target_']} cannot be imported ({type(reason).__name__}: "
            f"{' '.join(str(reason).split())}): mend its module"
        ) from None
    return partial(made, **injected)


def instantiate(node: dict, *args, **injected) -> Any:
    """Build the component that `node["_target_"]` names.

    Raises:
        ConfigError: the target is not allowed, or the constructor refused its values.
    """
    return factory(node)(*args, **injected)


def _refuse_strangers(node: object) -> None:
    if isinstance(node, dict):
        if "_target_" in node:
            component(node["_target_"])
        for value in node.values():
            _refuse_strangers(value)
    elif isinstance(node, list):
        for value in node:
            _refuse_strangers(value)


def build_model(config: dict):
    """The network of a configuration, its rule prepared: (SpikingModel, Rule)."""
    from snnbench.models.parts import Parts

    surrogate = instantiate(config["surrogate"])
    parts = Parts(
        neuron_factory=factory(config["neuron"], surrogate=surrogate),
        norm_factory=factory(config["norm"]),
        synapse=instantiate(config["synapse"]),
        time_steps=config["T"],
    )
    data = config["data"]
    model = instantiate(config["model"], parts, in_shape=tuple(data["shape"]), num_classes=data["num_classes"])
    rule = instantiate(config["rule"])
    rule.prepare(model)
    return model, rule


def build_teacher(config: dict):
    """The frozen teacher of a configuration, or None. Draws nothing from the run's own random state.

    Raises:
        ConfigError: nobody said who teaches, or the teacher's run or checkpoint is damaged.
    """
    node = config.get("teacher")
    if node is None:
        return None
    import torch

    with torch.random.fork_rng(devices=[]):
        teacher = instantiate(node)
    if all(teacher.config[key] == config[key] for key in ("T", "encoder")):
        teacher.encoder = None  # one sequence for both, drawn once where encoding is random
    return teacher


def build_objective(config: dict, model=None, teacher=None):
    """The objective of a configuration; with a teacher it learns which layers of `model` and teacher it compares.

    Raises:
        ConfigError: it cannot compare these two networks.
    """
    objective = instantiate(config["objective"])
    if teacher is None:
        return objective
    import torch

    from snnbench.objectives.taps import outline

    with torch.random.fork_rng(devices=[]):
        x = _blank(config)
        x_seq = instantiate(config["encoder"], time_steps=config["T"])(x)
        objective.prepare(outline(model, x_seq), outline(teacher.model, teacher.encoded(x, x_seq)))
    return objective


def _blank(config: dict):
    """One sample as the data set gives it: an image, or T frames of events."""
    import torch

    events = "events" in component(config["encoder"]["_target_"]).requires
    steps = [config["T"]] if events else []
    return torch.zeros(1, *steps, *config["data"]["shape"])


def build_data(config: dict):
    """The LightningDataModule of a configuration."""
    train = config["train"]
    return instantiate(
        config["data"],
        batch_size=train["batch_size"],
        eval_batch_size=train["eval_batch_size"],
        time_steps=config["T"],
        seed=config["seed"],
        augment=instantiate(config["augment"]),
    )
