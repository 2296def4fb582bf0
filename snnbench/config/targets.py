"""Check which classes a configuration may build: those that a YAML file of the axis names, from allowed packages."""

from __future__ import annotations

from snnbench.axes import AXES
from snnbench.config.catalogue import names, options, target_of
from snnbench.config.signature import Component, component
from snnbench.errors import ConfigError


def present(config: dict) -> list[str]:
    """All axes except the optional ones that this configuration leaves out."""
    return [axis for axis, about in AXES.items() if not about.optional or config.get(axis) is not None]


def check_choices(config: dict, choices: dict[str, str | None]) -> None:
    """Raises ConfigError if a `_target_` is not the class of the chosen option, since a record shows the option."""
    for axis in present(config):
        node, chosen = config.get(axis), target_of(axis, str(choices.get(axis)))
        target = node.get("_target_") if isinstance(node, dict) else None
        if target in (None, chosen):
            continue
        others = [option for option in options(axis) if target_of(axis, option) == target]
        raise ConfigError(
            f"{axis}._target_={target} is not the class of {axis}={choices.get(axis)} ({chosen}): "
            + (
                f"choose it by its name, {axis}={others[0]}"
                if others
                else f"write configs/{axis}/<name>.yaml with this _target_ and its arguments, and choose {axis}=<name>"
            )
        )


def require_component(axis: str, target: object) -> Component:
    """Read a component of `axis`.

    Raises:
        ConfigError: The target is no public class or belongs to another axis, its constructor lacks a parameter that
            the program passes to this axis, or no YAML file of the axis names it.
    """
    found, about = component(target), AXES[axis]
    if found.target.startswith("snnbench.") and not found.target.startswith(f"{about.package}."):
        raise ConfigError(f"{axis}._target_={target} is no {axis}: it must come from {about.package}")
    if found.is_function and not about.functions:
        raise ConfigError(f"{axis}._target_={target} is a function: a {axis} must be a class")
    if missing := sorted(about.injected - set(found.parameters)):
        raise ConfigError(f"{axis}._target_={target} is no {axis}: its constructor must take {', '.join(missing)}")
    if not names(axis, found.target):
        raise ConfigError(
            f"{axis}._target_={target} is no {axis} that configs/{axis} names: write a YAML file for it there"
        )
    return found


def require_named(target: object) -> None:
    """Raises ConfigError unless a YAML file of some axis names `target`. The target is not imported."""
    found = component(target).target
    ours = found.startswith("snnbench.")
    axes = [axis for axis, about in AXES.items() if not ours or found.startswith(f"{about.package}.")]
    if not any(names(axis, found) for axis in axes):
        raise ConfigError(f"_target_={target} is no component: no YAML file of an axis names it")
