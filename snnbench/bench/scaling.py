"""Scaling curves: time and memory of a training step over time steps, batch and depth, and of OTTT over time steps."""

from __future__ import annotations

from dataclasses import asdict

import torch

from snnbench.bench.engines.ours import PATHS
from snnbench.bench.session import Session
from snnbench.bench.step import Prepared, Variant
from snnbench.bench.trainer_step import train_step
from snnbench.bench.works import Work, bench_config, section, sized
from snnbench.bench_rows import OK
from snnbench.build import build_model


def curve_names() -> list[str]:
    return list(section("scaling", "full"))


def run_scaling(session: Session, curves: list[str] | None = None) -> None:
    """Measure the chosen curves of `configs/bench.yaml` (None: all). Returns early when the time is over."""
    for curve in curves or curve_names():
        node = sized(bench_config()["scaling"][curve], session.size)
        for value in node.get("values", list(node["vary"])):
            work = _work(curve, node, value)
            for engine in node["engines"]:
                for way in _ways(engine, session.device):
                    if session.is_over:
                        return
                    row = session.attempt(
                        lambda: _prepare(work, way, session.device, engine),  # noqa: B023
                        work.batch,
                    )
                    row |= {"curve": curve, "value": value, "engine": engine, **asdict(way), "batch": work.batch}
                    session.record("scaling", row, f"scaling {curve}={value} {engine}")
                    if row["status"] == OK:
                        break


def _work(curve: str, node: dict, value: int) -> Work:
    change = node["vary"][value]
    if isinstance(change, int):
        return Work(curve, curve, tuple(node["overrides"]), batch=change)
    kept = [text for text in node["overrides"] if text.split("=")[0] != change.split("=")[0]]
    return Work(curve, curve, (*kept, change), batch=node["batch"])


def _prepare(work: Work, way: Variant, device: torch.device, engine: str) -> Prepared:
    config = work.config()
    torch.manual_seed(0)
    return train_step(work, config, build_model(config), way, device, kernels=PATHS[engine])


def _ways(engine: str, device: torch.device) -> list[Variant]:
    """The trainer's way: captured on CUDA, unless the reference is measured or the step cannot be captured."""
    if device.type == "cpu":
        return [Variant("fp32", mode="eager")]
    return [Variant(mode=mode) for mode in (("captured", "eager") if engine == "ours" else ("eager",))]
