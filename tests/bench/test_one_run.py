"""What is compared is of one run: rows, pages, the survey's tables."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import torch

from snnbench.bench.clock import Effort
from snnbench.bench.pages import write_page
from snnbench.bench.session import Session
from snnbench.bench.table import run_table
from snnbench.bench_rows import append, load, of_one_run
from snnbench.tables.speeds import load_speeds


def row_of(run, engine, ms, work="csnn", status="ok"):
    return {
        "device": "GPU",
        "size": "full",
        "work": work,
        "run": run,
        "engine": engine,
        "ms_median": ms,
        "status": status,
    }


def test_ratios_are_of_one_run():
    """A later run of ours alone is not held against an older run's peer; a later run of both is."""
    both = [row_of("a", "ours", "2"), row_of("a", "eager", "8"), row_of("b", "ours", "1")]
    assert [row["run"] for row in of_one_run(both, ("device", "work"))] == ["a", "a"]
    other = row_of("b", "eager", "9", work="resnet19")  # what another work has changes nothing
    assert [row["run"] for row in of_one_run([*both, other], ("device", "work"))] == ["a", "a", "b"]
    fewer = [row_of("a", "floor", "1"), *both, row_of("c", "ours", "3"), row_of("c", "eager", "9")]
    assert [row["run"] for row in of_one_run(fewer, ("device", "work"))] == ["c", "c"]  # the floor is missing then
    again = [*both, row_of("c", "ours", "3"), row_of("c", "eager", "", status="failed")]
    assert [row["run"] for row in of_one_run(again, ("device", "work"))] == ["c", "c"]


def test_the_page_and_the_survey_tables_compare_one_run(tmp_path):
    shown = {"device": "GPU", "size": "full", "recipe": "survey/cifar10_lif", "phase": "train", "status": "ok"}
    for run, engine, speed in (("a", "ours", 30.0), ("a", "spikingjelly", 10.0), ("b", "ours", 60.0)):
        append(
            tmp_path, "survey_nets", shown | {"run": run, "engine": engine, "samples_per_s": speed, "ms_median": 1.0}
        )
    speeds = load_speeds(tmp_path)
    assert speeds.of("survey/cifar10_lif", "train_speed") == 30.0
    assert speeds.of("survey/cifar10_lif", "train_speed", "spikingjelly") == 10.0
    write_page(tmp_path)
    assert "| survey/cifar10_lif | 30 | 10 |" in (tmp_path / "bench.md").read_text()


def test_processes_side_by_side_lose_no_row(tmp_path):
    """Eight threads, which hold the file's lock like processes, write one file."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: append(tmp_path, "bench", {"work": f"w{n}", "status": "failed"}), range(200)))
    assert {row["work"] for row in load(tmp_path, "bench")} == {f"w{n}" for n in range(200)}


def test_all_rows_of_a_call_carry_its_run(tmp_path):
    session = Session(torch.device("cpu"), tmp_path, "tiny", Effort(2, warmup=0, seconds=0), say=lambda text: None)
    run_table(session, ["lif_fp32"], ["ours", "floor"])
    (run,) = {row["run"] for row in load(session.out, "bench")}
    assert run
    run_table(replace(session, run="given"), ["lif_fp32"], ["ours"])
    assert load(session.out, "bench")[-1]["run"] == "given"
