"""Engines: who computes a work. One file an engine, found by its name.

Each module has
    variants(work, device, thorough) -> list[Variant]         the ways to try; the fastest counts
    prepare(work, variant, device) -> Prepared                a step, ready to be timed
and may raise whatever goes wrong: the bench turns it into a row with a status and a sentence.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from snnbench.config.compose import nearest
from snnbench.errors import ConfigError

DEFAULT = ("ours", "spikingjelly", "compile", "eager", "floor")


def engine_names() -> list[str]:
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__")


def load_engine(name: str) -> ModuleType:
    """The engine's module. Raises ConfigError for an unknown name."""
    if name not in engine_names():
        raise ConfigError(f"engine={name} is no engine: {nearest(name, engine_names())}")
    return importlib.import_module(f"snnbench.bench.engines.{name}")
