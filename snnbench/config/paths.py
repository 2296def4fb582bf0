"""Where the configs and results lie: beside the package in a checkout, inside it in an installed wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def repository() -> Path | None:
    """The checkout that holds this package, or None for an installed wheel."""
    root = PACKAGE.parent
    return root if (root / "configs" / "train.yaml").exists() else None


def configs_dir() -> Path:
    root = repository()
    return root / "configs" if root else PACKAGE / "_configs"


def results_dir() -> Path:
    return (repository() or Path.cwd()) / "results"
