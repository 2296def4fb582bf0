"""Functions that pages and plots of the bench share: the rows that are compared, their quantities and labels."""

from __future__ import annotations

from pathlib import Path

from snnbench.bench.end_to_end import ENGINE as TRAINER
from snnbench.bench.flops import utilisation
from snnbench.bench.works import bench_config
from snnbench.bench_rows import OK, WAY, latest, load, number, of_one_run
from snnbench.tables.cells import EMPTY

LEAST_GIB = "least_gib"  # the smallest peak of all variants, not only of the fastest
PLACE = ("device", "size")
PEERS = ("spikingjelly", "compile", "eager", "floor")
HEADS = {
    TRAINER: "end to end",
    "spikingjelly": "SpikingJelly",
    "compile": "compile",
    "eager": "eager",
    "floor": "floor",
}
LOWER_IS_BETTER = ("ms_median", "peak_gib", LEAST_GIB)
UNITS = {"samples_per_s": "samples/s", "ms_median": "ms", "peak_gib": "peak GiB", LEAST_GIB: "least peak GiB"}
CURVES = {
    "T": "time steps",
    "batch": "batch size",
    "depth": "blocks a stage (ResNet)",
    "ottt_T": "time steps (VGG under OTTT)",
}
GOAL_KEYS = {"samples_per_s": "samples_per_s", "ms_median": "ms", "peak_gib": "peak_gib"}
# file of the bench -> (columns that name what is compared at a place, column that names the sides, its other columns)
SUBJECTS = {
    "bench": (("work",), "engine", WAY),
    "kernels": (("kernel", "precision"), "engine", ("engine", "layout", "mode", "shape")),
    "scaling": (("curve",), "engine", ("value", *WAY)),
    "survey_nets": (("recipe",), "engine", ("phase", *WAY)),
    "survey_speed": (("time_steps", "power"), "neuron", ("neuron", "phase", *WAY)),
}


def compared(folder: Path, name: str) -> list[dict[str, str]]:
    """The rows of a file that a page or plot may compare: for each subject those of one run, with each variant once."""
    subject, sides, rest = SUBJECTS[name]
    subject = (*PLACE, *subject)
    return latest(of_one_run(load(folder, name), subject, sides), (*subject, *rest))


def place_title(device: str, size: str) -> str:
    return device if size == "full" else f"{device}, tiny works"


def curve_title(curve: str) -> str:
    """A title that says what varies along a scaling curve."""
    work, _, axis = curve.rpartition("_")
    return f"batch size ({work})" if work and axis == "batch" else CURVES.get(curve, curve)


def best(rows: list[dict[str, str]], work: str, engine: str) -> dict[str, str] | None:
    """The fastest variant of an engine for a work, None if none was measured."""
    found = [row for row in rows if row["work"] == work and row["engine"] == engine and row["status"] == OK]
    return min(found, key=lambda row: float(row["ms_median"]), default=None)


def value(rows: list[dict[str, str]], work: str, engine: str, quantity: str) -> float | None:
    """A quantity of the fastest variant of an engine for a work. For memory, the least value of all its variants."""
    if quantity != LEAST_GIB:
        return number(best(rows, work, engine), quantity)
    peaks = [number(row, "peak_gib") for row in rows if row["work"] == work and row["engine"] == engine]
    return min((peak for peak in peaks if peak is not None), default=None)


def share_of_peak(row: dict[str, str] | None) -> float | None:
    """The model FLOP utilisation of a row of bench.csv: model FLOPs per second / peak of the tensor cores."""
    if row is None:
        return None
    return utilisation(number(row, "model_tflop"), number(row, "ms_median"), row["device"], row["precision"])


def gain(ours: float | None, other: float | None, quantity: str) -> float | None:
    """How many times better snnbench is. Above 1 it is faster, or needs less memory."""
    if ours is None or other is None or not ours or not other:
        return None
    return other / ours if quantity in LOWER_IS_BETTER else ours / other


def quantities(work: str, rows: list[dict[str, str]]) -> list[str]:
    """The quantities to compare for a work: time for a layer; throughput and any measured memory for a network."""
    node = bench_config()["works"][work]
    if node.get("shape"):
        return ["ms_median"]
    measured = any(row["peak_gib"] for row in rows if row["work"] == work)
    return ["samples_per_s", *(["peak_gib", LEAST_GIB] if measured else [])]


def works_of(rows: list[dict[str, str]]) -> list[str]:
    """The works in these rows, in the order of the configuration."""
    return [work for work in bench_config()["works"] if any(row["work"] == work for row in rows)]


def goal_of(work: str, quantity: str, rows: list[dict[str, str]]) -> float | None:
    """The goal of a work in full size. Tiny works have none."""
    if any(row["size"] != "full" for row in rows):
        return None
    return bench_config()["works"][work].get("goals", {}).get(GOAL_KEYS.get(quantity))


def cell(value: float | None, digits: int | None = None) -> str:
    if value is None:
        return EMPTY
    if digits is None:
        digits = 0 if value >= 100 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}"
