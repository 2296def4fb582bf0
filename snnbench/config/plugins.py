"""Packages of the user's own that add components: whose classes a config may name, and where their YAML files lie.

A plugin is a Python package that can be imported. It is switched on by its name in the environment variable
SNNBENCH_PLUGINS (several are separated by commas) or, once it is installed, by an entry point of the group
"snnbench.plugins" whose value is the package. Its folder `configs/<axis>/<name>.yaml` adds options to the axes.
"""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from snnbench.config.paths import configs_dir
from snnbench.errors import ConfigError

VARIABLE = "SNNBENCH_PLUGINS"
GROUP = "snnbench.plugins"


def plugin_packages() -> tuple[str, ...]:
    """Top-level names of all plugins, those of the variable first."""
    named = [name.strip() for name in os.environ.get(VARIABLE, "").split(",")]
    return tuple(dict.fromkeys(name for name in [*named, *_installed()] if name))


@cache
def _installed() -> tuple[str, ...]:
    return tuple(point.value.split(":")[0].split(".")[0] for point in entry_points(group=GROUP))


def config_dirs() -> list[Path]:
    """The folders that hold YAML files of the axes: snnbench's own first, then one of each plugin that has one."""
    return [configs_dir(), *(folder for name in plugin_packages() if (folder := _configs_of(name)) is not None)]


def _configs_of(package: str) -> Path | None:
    """The folder `configs` of a plugin, or None. A top-level package is found without being imported.

    Raises:
        ConfigError: no package of this name can be imported.
    """
    try:
        spec = importlib.util.find_spec(package) if package.isidentifier() else None
    except ValueError:
        spec = None
    if spec is None:
        raise ConfigError(
            f"{VARIABLE}={package}: there is no package of this name to import; install it, or put the folder that "
            "holds it on PYTHONPATH"
        )
    for place in spec.submodule_search_locations or ():
        if (folder := Path(place) / "configs").is_dir():
            return folder.resolve()
    return None
