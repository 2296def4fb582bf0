"""Where the configs and results lie: beside the package in a checkout, inside it in an installed wheel."""

from __future__ import annotations

import os
from pathlib import Path

from snnbench.errors import ConfigError

PACKAGE = Path(__file__).resolve().parents[1]
RESULTS_VARIABLE = "SNNBENCH_RESULTS"


def repository() -> Path | None:
    """The checkout that holds this package, or None for an installed wheel."""
    root = PACKAGE.parent
    return root if (root / "configs" / "train.yaml").exists() else None


def configs_dir() -> Path:
    """snnbench's own YAML files; plugins add theirs (`snnbench.config.plugins`)."""
    root = repository()
    return root / "configs" if root else PACKAGE / "_configs"


def shipped_dir() -> Path:
    """What comes with snnbench to fill tables: `reported` (published numbers) and `bench` (measured speeds)."""
    root = repository()
    return root / "results" if root else PACKAGE / "_results"


def results_dir() -> Path:
    """Where kept records, bench rows and tables lie: $SNNBENCH_RESULTS, or `results` of the checkout.

    Raises:
        ConfigError: snnbench is an installed wheel and nobody named a folder.
    """
    if named := os.environ.get(RESULTS_VARIABLE):
        return Path(named)
    root = repository()
    if root is None:
        raise ConfigError(
            f"an installed snnbench has no results folder of its own: set {RESULTS_VARIABLE}=<folder>, or name the "
            "folders in the command (keep and bench: out=; tables: records= and out=)"
        )
    return root / "results"
