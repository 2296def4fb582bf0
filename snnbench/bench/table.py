"""Measure every work with every engine, one after the other in this process. Each variant is a row of bench.csv."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import zip_longest
from types import ModuleType

from snnbench.bench.engines import load_engine
from snnbench.bench.flops import model_tflop
from snnbench.bench.session import Session
from snnbench.bench.step import Variant
from snnbench.bench.works import Work, load_work


def run_table(session: Session, works: list[str], engines: list[str]) -> None:
    """Measure `works` x `engines`; returns early once the session's time is over."""
    for name in works:
        work, tflop = load_work(name, session.size), None
        for engine_name, engine, variant in _turns(session, work, engines):
            if session.is_over:
                return
            if tflop is None and not work.is_layer:
                tflop = model_tflop(work)
            row = session.attempt(lambda: engine.prepare(work, variant, session.device), work.batch)  # noqa: B023
            row |= {"work": name, "engine": engine_name, **asdict(variant), "batch": work.batch}
            row |= {"model_tflop": tflop} | against_goal(work, row)
            session.record("bench", row, f"{name} {engine_name} {variant}")


def _turns(session: Session, work: Work, engines: list[str]) -> Iterator[tuple[str, ModuleType, Variant]]:
    """The engines take turns, each with its probably fastest variant first, so that an early end is fair to all."""
    loaded = [(name, load_engine(name)) for name in engines]
    queues = [[(name, engine, variant) for variant in engine.variants(work, session.device, session.thorough)]
              for name, engine in loaded]  # fmt: skip
    for turn in zip_longest(*queues):
        yield from filter(None, turn)


def against_goal(work: Work, row: dict) -> dict:
    """The goal for the speed of a work, and how many times it is reached. From 1 on, the goal is met."""
    if "samples_per_s" in work.goals:
        goal, reached = work.goals["samples_per_s"], row.get("samples_per_s")
        return {"goal": goal, "ratio_to_goal": reached and reached / goal}
    if "ms" in work.goals:
        goal, reached = work.goals["ms"], row.get("ms_median")
        return {"goal": goal, "ratio_to_goal": reached and goal / reached}
    return {}
