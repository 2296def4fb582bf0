"""What the config folders offer: the YAML files of each group and their one-line descriptions."""

from __future__ import annotations

from pathlib import Path

from snnbench.config.errors import ConfigError
from snnbench.config.plugins import config_dirs


def options(group: str) -> list[str]:
    """Names that `group=` accepts, e.g. "lif" or "survey/cifar10_lif", sorted."""
    folders = [place / group for place in config_dirs()]
    return sorted({
        path.relative_to(folder).with_suffix("").as_posix() for folder in folders for path in folder.rglob("*.yaml")
    })  # fmt: skip


def path_of(group: str, option: str) -> Path:
    """The YAML file of an option, also where there is none yet (then in snnbench's own folder).

    Raises:
        ConfigError: two plugins, or a plugin and snnbench, have an option of this name.
    """
    places = [place / group / f"{option}.yaml" for place in config_dirs()]
    found = [path for path in places if path.exists()]
    if len(found) > 1:
        raise ConfigError(f"{group}={option} is defined twice, in {found[0]} and {found[1]}: rename one of them")
    return (found or places)[0]


def description(group: str, option: str) -> str:
    """The comment on the first line of the YAML (after a `@package` line)."""
    for line in path_of(group, option).read_text().splitlines():
        if line.startswith("#") and "@package" not in line:
            return line.lstrip("# ").strip()
        if line.strip() and not line.startswith("#"):
            break
    return ""
