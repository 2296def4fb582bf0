"""What the config folders offer: the YAML files of each group and their one-line descriptions."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from snnbench.config.plugins import config_dirs
from snnbench.errors import ConfigError


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


def target_of(group: str, option: str) -> str | None:
    """The class that an option's YAML names, or the option of its group that it builds on; None: neither names one."""
    path = path_of(group, option)
    node = _read(path, path.stat().st_mtime_ns) if path.is_file() else {}
    if "_target_" in node:
        return str(node["_target_"])
    parents = [entry for entry in node.get("defaults") or () if isinstance(entry, str) and entry != "_self_"]
    found = [target_of(group, entry) for entry in parents if entry != option]
    return found[-1] if found else None


def names(group: str, target: str) -> bool:
    """Whether some YAML of the group names the class `target`: only then may a configuration build it."""
    return any(target_of(group, option) == target for option in options(group))


@cache
def _read(path: Path, modified: int) -> dict:
    try:
        node = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"a YAML file cannot be read ({path}: {' '.join(str(error).split())}); mend it") from None
    return node if isinstance(node, dict) else {}
