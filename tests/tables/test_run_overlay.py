"""`snnbench plot run=a,b,c`: a line a configuration, its seeds' mean in a band, and one sentence where it cannot."""

import pytest

from snnbench.cli.main import main
from snnbench.records import write_record
from snnbench.tables.run_overlay import read_series

from .records_of import record
from .test_run_plot import METRICS


@pytest.fixture
def runs(tmp_path):
    """Two learning rates of two seeds, and a run that has no record yet; accuracy = 10 epoch + place."""
    for place, (lr, seed) in enumerate([(0.1, 0), (0.1, 1), (0.01, 0), (0.01, 1), (None, 0)]):
        folder = tmp_path / f"run{place}"
        folder.mkdir()
        rows = [f"{epoch},0.1,2.0,10,{10 * epoch + place},1.5,," for epoch in range(1, 4 if place else 3)]
        (folder / "metrics.csv").write_text(METRICS + "\n".join(rows) + "\n")
        if lr:
            config = {"T": 4, "optimizer": {"lr": lr}, "train": {}}
            hashes = {"recipe_hash": f"{int(lr * 100):010x}", "config_hash": f"{place:010x}"}
            write_record(folder / "run.json", record(name="grid", config=config, seed=seed, **hashes))
    return [tmp_path / f"run{place}" for place in range(5)]


def test_seeds_are_one_line_in_a_band(runs):
    fast, slow, alone = read_series(runs)
    assert [one.label for one in (fast, slow, alone)] == [
        "optimizer.lr=0.1 (2 seeds)", "optimizer.lr=0.01 (2 seeds)", "run4",
    ]  # fmt: skip
    assert fast.band("acc_test") == [(1, 10.5, 10, 11), (2, 20.5, 20, 21)]  # epochs that both seeds have
    assert slow.band("acc_test")[-1] == (3, 32.5, 32, 33)
    assert alone.band("acc_test") == [(1, 14, 14, 14), (2, 24, 24, 24), (3, 34, 34, 34)]
    assert alone.band("acc_val") == []


def test_the_command_draws_them(runs, capsys):
    assert main(["plot", "run=" + ",".join(map(str, runs)), "format=svg"]) == 0
    out = runs[0].parent / "plot.svg"
    assert capsys.readouterr().out.strip() == str(out)
    text = out.read_text()
    for word in ("optimizer.lr=0.1 (2 seeds)", "run4", "test accuracy (%)", "training loss", "bands: from the least"):
        assert word in text
    assert "validation" not in text
    assert main(["plot", f"run={runs[0].parent}/run*", "format=svg"]) == 0
    assert out.read_text() == text


def test_names_that_look_like_formulas_are_drawn_as_they_are(runs):
    config = {"T": 4, "optimizer": {"lr": "$\\frac{1}$"}, "train": {}}
    values = record(name="x_", config=config, recipe_hash="f" * 10, config_hash="e" * 10)
    write_record(runs[4] / "run.json", values)
    assert main(["plot", "run=" + ",".join(map(str, runs))]) == 0
    assert main(["plot", f"run={runs[4]}"]) == 0


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("{0},{0}/nope", "/nope holds no metrics.csv"),
        ("{0}/no*", "fits no run folder"),
        (",", "run= is empty"),
        ("{0},{1}", "has finished no epoch yet"),
    ],
)
def test_missing_runs_are_one_sentence_and_nothing_is_drawn(runs, capsys, wanted, words):
    (runs[1] / "metrics.csv").write_text(METRICS)
    assert main(["plot", "run=" + wanted.format(*runs)]) == 2
    error = capsys.readouterr().err.strip()
    assert words in error
    assert len(error.splitlines()) == 1
    assert not list(runs[0].parent.glob("**/plot.*"))
