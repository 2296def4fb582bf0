"""The table: every work by every engine, one after the other in this process, each variant a row of bench.csv."""

from __future__ import annotations

from dataclasses import asdict

from snnbench.bench.engines import load_engine
from snnbench.bench.session import Session
from snnbench.bench.works import Work, load_work


def run_table(session: Session, works: list[str], engines: list[str]) -> None:
    """Measure `works` x `engines`; returns early once the session's time is over."""
    for name in works:
        work = load_work(name, session.size)
        for engine_name in engines:
            engine = load_engine(engine_name)
            for variant in engine.variants(work, session.device, session.thorough):
                if session.is_over:
                    return
                row = session.attempt(lambda: engine.prepare(work, variant, session.device), work.batch)  # noqa: B023
                row |= {"work": name, "engine": engine_name, **asdict(variant), "batch": work.batch}
                session.record("bench", row | against_goal(work, row), f"{name} {engine_name} {variant}")


def against_goal(work: Work, row: dict) -> dict:
    """The work's goal for its speed, and how many times it is met (1 and more: met)."""
    if "samples_per_s" in work.goals:
        goal, reached = work.goals["samples_per_s"], row.get("samples_per_s")
        return {"goal": goal, "ratio_to_goal": reached and reached / goal}
    if "ms" in work.goals:
        goal, reached = work.goals["ms"], row.get("ms_median")
        return {"goal": goal, "ratio_to_goal": reached and goal / reached}
    return {}
