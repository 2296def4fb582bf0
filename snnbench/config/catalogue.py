"""What the config folder offers: the YAML files of each group and their one-line descriptions."""

from __future__ import annotations

from pathlib import Path

from snnbench.config.paths import configs_dir


def options(group: str) -> list[str]:
    """Names that `group=` accepts, e.g. "lif" or "survey/cifar10_lif", sorted."""
    folder = configs_dir() / group
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))


def path_of(group: str, option: str) -> Path:
    return configs_dir() / group / f"{option}.yaml"


def description(group: str, option: str) -> str:
    """The comment on the first line of the YAML (after a `@package` line)."""
    for line in path_of(group, option).read_text().splitlines():
        if line.startswith("#") and "@package" not in line:
            return line.lstrip("# ").strip()
        if line.strip() and not line.startswith("#"):
            break
    return ""
