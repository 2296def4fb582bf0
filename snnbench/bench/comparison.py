"""What a page and a plot of the bench have in common: which rows are compared, by what quantity, in which words."""

from __future__ import annotations

from snnbench.bench.works import bench_config
from snnbench.bench_rows import OK
from snnbench.tables.cells import EMPTY

PLACE = ("device", "size")
PEERS = ("spikingjelly", "compile", "eager", "floor")
HEADS = {"spikingjelly": "SpikingJelly", "compile": "compile", "eager": "eager", "floor": "floor"}
LOWER_IS_BETTER = ("ms_median", "peak_gib")
UNITS = {"samples_per_s": "samples/s", "ms_median": "ms", "peak_gib": "peak GiB"}
CURVES = {
    "T": "time steps",
    "batch": "batch size",
    "depth": "blocks a stage (ResNet)",
    "ottt_T": "time steps (VGG under OTTT)",
}
GOAL_KEYS = {"samples_per_s": "samples_per_s", "ms_median": "ms", "peak_gib": "peak_gib"}


def place_title(device: str, size: str) -> str:
    return device if size == "full" else f"{device}, tiny works"


def curve_title(curve: str) -> str:
    """What varies along a scaling curve, in words."""
    return CURVES.get(curve, curve)


def best(rows: list[dict[str, str]], work: str, engine: str) -> dict[str, str] | None:
    """The fastest variant of an engine for a work, None if none was measured."""
    found = [row for row in rows if row["work"] == work and row["engine"] == engine and row["status"] == OK]
    return min(found, key=lambda row: float(row["ms_median"]), default=None)


def gain(ours: float | None, other: float | None, quantity: str) -> float | None:
    """How many times better ours is: above 1 is faster, or smaller."""
    if ours is None or other is None or not ours or not other:
        return None
    return other / ours if quantity in LOWER_IS_BETTER else ours / other


def quantities(work: str, rows: list[dict[str, str]]) -> list[str]:
    """What counts for a work: time for a layer, throughput and, where it was measured, memory for a network."""
    node = bench_config()["works"][work]
    if node.get("shape"):
        return ["ms_median"]
    measured = any(row["peak_gib"] for row in rows if row["work"] == work)
    return ["samples_per_s", *(["peak_gib"] if measured else [])]


def works_of(rows: list[dict[str, str]]) -> list[str]:
    """The works that rows are about, in the order of the configuration."""
    return [work for work in bench_config()["works"] if any(row["work"] == work for row in rows)]


def goal_of(work: str, quantity: str, rows: list[dict[str, str]]) -> float | None:
    """The goal of the full size; tiny works have none."""
    if any(row["size"] != "full" for row in rows):
        return None
    return bench_config()["works"][work].get("goals", {}).get(GOAL_KEYS[quantity])


def cell(value: float | None, digits: int | None = None) -> str:
    if value is None:
        return EMPTY
    if digits is None:
        digits = 0 if value >= 100 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}"
