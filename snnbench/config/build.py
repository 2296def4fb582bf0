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
