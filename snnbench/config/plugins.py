"""Plugins: the user's own packages, whose classes a config may name and whose YAML files add options.

A plugin is a Python package that can be imported. The environment variable SNNBENCH_PLUGINS switches plugins on by name
(separated by commas). An installed plugin can instead have an entry point of the group "snnbench.plugins" whose value
is the package. Each file `configs/<axis>/<name>.yaml` of a plugin adds an option to an axis.
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
    """The top-level names of all plugins. Those of the environment variable come first."""
    named = [name.strip() for name in os.environ.get(VARIABLE, "").split(",")]
    return tuple(dict.fromkeys(name for name in [*named, *_installed()] if name))


@cache
def _installed() -> tuple[str, ...]:
    return tuple(point.value.split(":")[0].split(".")[0] for point in entry_points(group=GROUP))


def config_dirs() -> list[Path]:
    """The folders with YAML files of the axes: snnbench's own, then the folder of each plugin that has one."""
    return [configs_dir(), *(folder for name in plugin_packages() if (folder := _configs_of(name)) is not None)]


def _configs_of(package: str) -> Path | None:
    """The folder `configs` of a plugin, or None. A top-level package is found without being imported.

    Raises:
        ConfigError: No package of this name can be imported.
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
