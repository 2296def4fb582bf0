"""Build objects from a checked configuration. Only this module imports the classes that a configuration names."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

from snnbench.config.signature import component
from snnbench.config.targets import require_named
from snnbench.errors import ConfigError
from snnbench.plain import check_plain


def factory(node: dict, **injected) -> Callable[..., Any]:
    """A callable that builds a new component at each call, from the values of `node` and injected arguments.

    Raises:
        ConfigError: The target is no component, its module cannot be imported, or a value is not a plain YAML value.
    """
    target = node["_target_"]
    check_plain(node, "component", frozenset({"component._target_"}))
    require_named(target)
    module, _, name = target.rpartition(".")
    try:
        made = getattr(importlib.import_module(module), name)
    except Exception as error:  # a module of the user may raise any error
        raise ConfigError(
            f"_target_={target} cannot be imported ({type(error).__name__}: {' '.join(str(error).split())}): "
            "mend its module"
        ) from None
    return partial(made, **copy.deepcopy({key: value for key, value in node.items() if key != "_target_"}), **injected)


def instantiate(node: dict, *args, **injected) -> Any:
    """Build the component that `node["_target_"]` names.

    Raises:
        ConfigError: The target is not allowed, or the constructor refused a value.
    """
    return factory(node)(*args, **injected)


def build_model(config: dict):
    """Build the network and its learning rule from a configuration.

    Returns:
        The SpikingModel and its Rule. `Rule.prepare` has been called on the network.

    Raises:
        ConfigError: A value is refused, or no network can be built from these sizes.
    """
    from snnbench.attentions.base import Attention
    from snnbench.models.base import require_attended, require_norms_in_place
    from snnbench.models.parts import Parts

    surrogate = instantiate(config["surrogate"])
    parts = Parts(
        neuron_factory=factory(config["neuron"], surrogate=surrogate),
        norm_factory=factory(config["norm"]),
        synapse=instantiate(config["synapse"]),
        time_steps=config["T"],
        attention_factory=factory(attention) if (attention := config.get("attention")) else Attention,
    )
    data = config["data"]
    try:
        model = instantiate(config["model"], parts, in_shape=tuple(data["shape"]), num_classes=data["num_classes"])
    except ConfigError:
        raise
    except (RuntimeError, ValueError, ArithmeticError, IndexError, MemoryError) as error:  # sizes that do not match
        raise ConfigError(
            f"no network can be built from these values of model, data.shape={data['shape']} and "
            f"data.num_classes={data['num_classes']} ({type(error).__name__}: {' '.join(str(error).split())[:160]})"
        ) from error
    require_norms_in_place(model)
    if attention:
        require_attended(model)
    rule = instantiate(config["rule"])
    rule.prepare(model)
    return model, rule


def check_optimizer(config: dict, model) -> None:
    """Build the optimiser once as a check, because Lightning builds it only after the run's folder was made.

    Raises:
        ConfigError: No optimiser can be built from these values and the parameters of `model`.
    """
    try:
        instantiate(config["optimizer"], model)
    except ConfigError:
        raise
    except (ValueError, IndexError) as error:  # errors from torch's checks
        raise ConfigError(f"no optimiser can be built from these values of optimizer: {error}") from None


def check_gradient(config: dict, model, encoder) -> None:
    """Check that the network can learn within T steps. If its neurons spike with a delay, it may be too deep for T.

    Raises:
        ConfigError: No output within T steps depends on a weight, so a loss would have no gradient.
    """
    delays = [getattr(neuron, "delay", 0) for neuron in model.neurons().values()]
    if not any(delays):
        return
    import torch

    from snnbench.modules import evaluated

    with torch.random.fork_rng(devices=[]), evaluated(model):
        learns = model(encoder(_blank(config))).requires_grad
    if not learns:
        raise ConfigError(
            f"T={config['T']} is too short: the neurons spike {max(delays)} steps after their input, so that no output "
            f"of {type(model).__name__} depends on a weight; set T={sum(delays) + 1} or more, or take another neuron"
        )


def build_teacher(config: dict):
    """The frozen teacher of a configuration, or None. Building it does not change the run's random state.

    Raises:
        ConfigError: The configuration names no teacher run, or the teacher's run or checkpoint is damaged.
    """
    node = config.get("teacher")
    if node is None:
        return None
    import torch

    with torch.random.fork_rng(devices=[]):
        teacher = instantiate(node)
    if all(teacher.config[key] == config[key] for key in ("T", "encoder")):
        teacher.encoder = None  # both networks get the same sequence; a random encoding is drawn once
    return teacher


def build_objective(config: dict, model=None, teacher=None):
    """The objective of a configuration, connected to the layers of `model` (and of the teacher) that it uses.

    Raises:
        ConfigError: It cannot compare these two networks, or `model` does not offer the values that it uses.
    """
    objective = instantiate(config["objective"])
    if model is None or (teacher is None and not objective.sees):
        return objective
    import torch

    from snnbench.objectives.taps import outline

    with torch.random.fork_rng(devices=[]):
        x = _blank(config)
        x_seq = instantiate(config["encoder"], time_steps=config["T"])(x)
        theirs = None if teacher is None else outline(teacher.model, teacher.encoded(x, x_seq))
        objective.prepare(outline(model, x_seq), theirs)
    return objective


def _blank(config: dict):
    """One sample of zeros in the shape of the data set: an image, or T frames of events."""
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
