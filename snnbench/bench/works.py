"""The works that are measured, from `configs/bench.yaml`. Each is one of our configurations or the shape of a layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from omegaconf import OmegaConf

from snnbench.config.compose import compose, nearest
from snnbench.config.paths import configs_dir
from snnbench.errors import ConfigError

Size = Literal["full", "tiny"]


@dataclass(frozen=True)
class Work:
    """One row of the table.

    A network trains on `batch` samples of random data per step. A layer (with `shape`, `[T, N, C, *]`) is one neuron
    that runs forward and backward. `overrides` change our configuration. `precision` is the only precision to measure.
    `parameters` is the number of parameters that the network must have. `goals` may hold samples_per_s (at least),
    peak_gib and ms (at most).
    """

    name: str
    title: str
    overrides: tuple[str, ...]
    batch: int
    shape: tuple[int, ...] | None = None
    precision: str | None = None
    parameters: int | None = None
    goals: dict[str, float] = field(default_factory=dict)

    @property
    def is_layer(self) -> bool:
        return self.shape is not None

    def config(self) -> dict:
        """The resolved configuration; ConfigError where it does not compose."""
        return compose(list(self.overrides)).config


@cache
def bench_config() -> dict:
    """`configs/bench.yaml` as a plain dict."""
    return OmegaConf.to_container(OmegaConf.load(configs_dir() / "bench.yaml"), resolve=True)


def section(name: str, size: Size) -> dict:
    """A section of the file; in tiny size its `tiny` part replaces keys and adds overrides."""
    return sized(bench_config()[name], size)


def sized(node: dict, size: Size) -> dict:
    full = {key: value for key, value in node.items() if key != "tiny"}
    if size == "full":
        return full
    tiny = node.get("tiny", {})
    overrides = later_wins([*full.get("overrides", []), *tiny.get("overrides", [])])
    return {**full, "parameters": None, "goals": {}, **tiny, "overrides": overrides}


def later_wins(overrides: list[str]) -> list[str]:
    """Keep the last override of each key, since Hydra refuses a key that is given twice."""
    return list({text.split("=")[0]: text for text in overrides}.values())


def work_names() -> list[str]:
    return list(bench_config()["works"])


def load_work(name: str, size: Size) -> Work:
    """A work of the table. Raises ConfigError for an unknown name."""
    if name not in work_names():
        raise ConfigError(f"work={name} is no work of the table: {nearest(name, work_names())}")
    node = sized(bench_config()["works"][name], size)
    shape = tuple(node["shape"]) if node.get("shape") else None
    return Work(
        name=name,
        title=node["title"],
        overrides=tuple(node["overrides"]),
        batch=node.get("batch") or shape[1],
        shape=shape,
        precision=node.get("precision"),
        parameters=node.get("parameters"),
        goals=node.get("goals", {}),
    )
