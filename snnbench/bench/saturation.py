"""Find the batch size at which speed stops rising: double it until the gain is small or the memory is full.

Each point is a row of scaling.csv, its curve named after the work (`csnn_batch`).
"""

from __future__ import annotations

from dataclasses import asdict, replace

from snnbench.bench.engines import load_engine
from snnbench.bench.session import Session
from snnbench.bench.step import Variant
from snnbench.bench.works import load_work, section
from snnbench.bench_rows import OK


def run_saturation(session: Session) -> None:
    """Every work and engine of the section `saturation` of configs/bench.yaml; returns early when the time is over."""
    node = section("saturation", session.size)
    for name in node["works"]:
        for engine, way in node["engines"].items():
            on_cpu = Variant("fp32", mode="eager")
            _sweep(session, name, engine, on_cpu if session.device.type == "cpu" else Variant(**way), node)


def _sweep(session: Session, name: str, engine: str, way: Variant, node: dict) -> None:
    """Double the batch from `first` on while each doubling gains at least `gain` samples/s, up to `most`."""
    work, before, batch = load_work(name, session.size), 0.0, node["first"]
    while batch <= node["most"] and not session.is_over:
        larger = replace(work, batch=batch)
        row = session.attempt(lambda: load_engine(engine).prepare(larger, way, session.device), batch)  # noqa: B023
        row |= {"curve": f"{name}_batch", "value": batch, "engine": engine, **asdict(way), "batch": batch}
        session.record("scaling", row, f"saturation {name} batch {batch} {engine} {way}")
        if row["status"] != OK or row["samples_per_s"] < before * (1 + node["gain"]):
            return
        before, batch = row["samples_per_s"], 2 * batch
