"""What a model is made for, as its class says it; no model is imported."""

from __future__ import annotations

import fnmatch

from snnbench.config.catalogue import target_of
from snnbench.config.signature import component


def made_for(model: str) -> list[str]:
    """Overrides such as ["data=cifar10", "norm=tdbn"] with which `model=<model>` is the network of its paper.

    The class lists them in `made_for` by patterns of option names, and the first pattern that fits counts. Empty: the
    class says nothing, so the defaults have to do.

    Raises:
        ConfigError: the option's YAML names no class that is there.
    """
    patterns = component(target_of("model", model)).made_for
    return next((list(overrides) for pattern, overrides in patterns.items() if fnmatch.fnmatchcase(model, pattern)), [])
