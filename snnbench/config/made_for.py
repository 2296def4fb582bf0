"""The overrides that a model's class recommends, read without importing the model."""

from __future__ import annotations

import fnmatch

from snnbench.config.catalogue import target_of
from snnbench.config.signature import component


def made_for(model: str) -> list[str]:
    """The overrides, such as ["data=cifar10", "norm=tdbn"], that make `model=<model>` the network of its paper.

    The class lists overrides in `made_for` by patterns of option names, and the first matching pattern is used. The
    result is empty if no pattern matches; the defaults are used then.

    Raises:
        ConfigError: The option's YAML names a class that does not exist.
    """
    patterns = component(target_of("model", model)).made_for
    return next((list(overrides) for pattern, overrides in patterns.items() if fnmatch.fnmatchcase(model, pattern)), [])
