"""Tables from records and published rows alone: what stands beside what, marks, determinism, escaping."""

import time

import pytest

from snnbench.errors import ConfigError
from snnbench.records import check_record, load_records
from snnbench.tables.build import build_all
from snnbench.tables.excerpt import BEGIN, END, filled
from snnbench.tables.groups import group_records
from snnbench.tables.latex import escape_latex, to_latex
from snnbench.tables.render import Part, Table, escape_markdown, to_markdown
from snnbench.tables.reported import load_reported
from snnbench.tables.runs import runs_table
from snnbench.tables.speeds import load_speeds
from snnbench.tables.survey import survey_tables
from snnbench.tables.systems import load_systems, systems_table

from .records_of import REPORTED, ROOT, column, record, rows

LIF = "survey/cifar10/lif/top1"


def one(path, **wanted):
    found = [row for row in rows(path) if all(row[key] == value for key, value in wanted.items())]
    assert len(found) == 1, found
    return found[0]


def test_without_records_every_cell_of_ours_is_empty(build):
    out = build()
    for path in out.glob("*.csv"):
        for row in rows(path):
            is_ours = row.get("Whose", "survey") not in ("survey", "SpikingJelly")
            ours = {key: value for key, value in row.items() if is_ours and key not in ("Quantity", "Whose")}
            ours |= {key: value for key, value in row.items() if "ours" in key.lower()}
            assert set(ours.values()) <= {"-"}, row
    assert {path.stem for path in out.glob("*.md")} == {
        "survey_cifar10", "survey_sequential_cifar10", "survey_shd", "survey_gen1", "cifar10", "cifar100", "imagenet",
        "cifar10_dvs", "dvs_gesture", "other", "runs", "neurons_cifar10", "kernel_paths",
        "speedrun", "systems",
    }  # fmt: skip


def test_seeds_are_averaged_beside_the_published_number(build):
    seeds = [record(reproduces=LIF, seed=s, config_hash=f"c{s}", acc_best_test=acc)
             for s, acc in enumerate((92.0, 93.0, 94.0))]  # fmt: skip
    out = build(*seeds)
    for path in out.glob("*.tex"):
        assert set(path.read_text(encoding="utf-8")) <= {*map(chr, range(32, 127)), "\n"}, "plain for pdflatex"
    lif = column(out / "survey_cifar10.csv", "LIF")
    assert lif["Top-1 (%)", "survey"] == "92.98"
    assert lif["Top-1 (%)", "ours, 256 epochs"] == "93.00 ± 1.00"
    assert lif["Top-1 (%)", "ours, 256 epochs, last"] == "92.50 ± 0.00"
    assert lif["Top-1 (%)", "difference, 256 epochs"] == "+0.02"
    assert lif["SOP (M)", "ours, 256 epochs"] == "10.000 ± 0.000"
    assert lif["SOP (M)", "difference, 256 epochs"] == "-0.095"
    assert lif["Runs", "ours, 256 epochs"] == "3 seeds, split official 01234567, H100"
    row = one(out / "cifar10.csv", System="survey", Neuron="LIF")
    assert row["Ours, best test epoch (%)"] == "93.00 ± 1.00"
    assert row["Ours, last epoch (%)"] == "92.50 ± 0.00"
    assert row["Protocol"] == "256/256 ep, split official 01234567, H100"


SHORT, PART, FAILED = "20 of 256 ep", "part of the data", {"status": "failed", "error": "loss is\nNaN | step 3"}


@pytest.mark.parametrize(
    ("change", "cells"),
    [
        ({"epochs": 20, "acc_best_test": 61.2}, {"Ours, best test epoch (%)": f"61.20 ({SHORT})"}),
        ({"epochs": 20, "acc_best_test": 61.2}, {"Difference": f"-31.78 ({SHORT})"}),
        ({"config": {"train": {"limit_train_batches": 10}}}, {"Difference": f"+0.02 ({PART})"}),
        (FAILED, {"Seeds": "-"}),
    ],
)
def test_what_a_run_lacks_is_said_beside_its_number(build, change, cells):
    out = build(record(reproduces=LIF, **change))
    row = one(out / "cifar10.csv", System="survey", Neuron="LIF")
    assert {key: row[key] for key in cells} == cells
    if change is FAILED:
        assert column(out / "survey_cifar10.csv", "LIF")["Runs", "ours, 256 epochs"] == "-"
        assert one(out / "runs.csv", run_id="r0")["status"] == "failed"
        assert "loss is NaN \\| step 3" in (out / "runs.md").read_text()


def test_two_recipes_for_one_row_stay_apart(build):
    out = build(record(reproduces=LIF), record(reproduces=LIF, recipe_hash="other", config_hash="d", epochs=20))
    found = [row for row in rows(out / "cifar10.csv") if row["System"] == "survey" and row["Neuron"] == "LIF"]
    assert [row["Protocol"][:6] for row in found] == ["256/25", "20/256"]


def test_runs_without_a_published_row_are_listed_at_the_end(build):
    choices = {"data": "digits", "model": "tiny", "method": "tet", "neuron": "lif"}
    sequential = {"data": "cifar10", "encoder": "column"}
    out = build(record(choices=choices), record(choices=sequential, recipe_hash="q", config_hash="e"))
    last = rows(out / "other.csv")[-2:]
    assert [row["Data set"] for row in last] == ["digits", "sequential cifar10"]
    assert last[0]["Paper"] == "ours: tet"
    assert last[0]["Reported (%)"] == "-"
    assert "## our runs without a published row" in (out / "other.md").read_text()


def test_recalled_numbers_carry_a_dagger_and_survey_reruns_stand_once(build):
    out = build()
    assert one(out / "cifar10.csv", System="tdbn", T="2")["Reported (%)"] == "92.34†"
    assert one(out / "cifar10.csv", System="tdbn", T="4")["Reported (%)"] == "92.92"
    assert not [row for row in rows(out / "cifar10.csv") if row["System"] == "spikingjelly_accel"]
    assert "† not verified" in (out / "cifar10.md").read_text()


def test_cifar10_dvs_never_compares_splits_without_a_mark(build):
    row_id = "tet/cifar10-dvs/vggsnn-flip-roll/t10"
    data = {"split": "per_class_90"}
    choices = {"data": "cifar10_dvs"}
    out = build(*(record(reproduces=row_id, choices=choices, seed=s, config_hash=f"c{s}",
                         data=data | {"split_hash": str(s) * 10}) for s in (1, 2)))  # fmt: skip
    row = one(out / "cifar10_dvs.csv", Architecture="VGGSNN (flip+roll)")
    assert row["Ours, best test epoch (%)"] == "93.00 ± 0.00‡ (2 splits)"
    assert row["Difference"] == "+9.83‡ (2 splits)"
    assert "2 splits" in row["Protocol"]


def test_a_repeated_run_counts_once_and_the_later_one(build):
    out = build(record(reproduces=LIF, finished="2026-01-01", acc_best_test=90.0),
                record(reproduces=LIF, finished="2026-01-02", acc_best_test=91.0))  # fmt: skip
    lif = column(out / "survey_cifar10.csv", "LIF")
    assert lif["Top-1 (%)", "ours, 256 epochs"] == "91.00"
    assert lif["Runs", "ours, 256 epochs"].startswith("1 seed,")


def test_speed_has_no_mean_over_machines(build):
    out = build(record(reproduces=LIF), record(reproduces=LIF, seed=1, config_hash="d", device={"name": "CPU"}))
    assert "| several devices | several devices |" in (out / "runs.md").read_text()
    assert column(out / "survey_cifar10.csv", "LIF")["Train samples/s", "ours"] == "-"  # the bench's alone


def test_an_unknown_published_row_is_said(build):
    out = build(record(reproduces="nobody/nothing"))
    assert "unknown published row nobody/nothing" in rows(out / "cifar10.csv")[-1]["System"]


def test_rebuilding_touches_nothing_and_removes_only_what_was_ours(build):
    out = build(record())
    stale, foreign = out / "old.md", out / "notes.md"
    stale.write_text((out / "other.md").read_text())
    (out / "old.tex").write_text("x")
    foreign.write_text("my notes\n")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.iterdir()}
    time.sleep(0.01)
    build()
    after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.iterdir()}
    assert after == {path: value for path, value in before.items() if path.stem != "old"}


def test_runs_table_groups_seeds(build):
    records = [check_record(record(seed=s, config_hash=f"c{s}", acc_last=95.0 + s)) for s in (0, 2)]
    text = runs_table(records)
    assert "| demo | - | csnn | cifar10 | - | - | - | bptt | - | 4 | 96.00 ± 1.41 | 93.00 ± 0.00 | 2 |" in text
    for s, fold in enumerate(records):
        fold.data = {"split": f"fold {s} of 5", "split_hash": str(s) * 8}
    assert "| 2, 2 splits |" in runs_table(records)


def test_readme_shows_what_the_committed_records_give():
    groups, reported = group_records(load_records(ROOT / "results" / "records")), load_reported(REPORTED)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    speeds = load_speeds(ROOT / "results" / "bench")
    systems = systems_table(load_systems(REPORTED, reported), reported, groups)
    assert filled(readme, [*survey_tables(reported, groups, speeds), systems]) == readme, "run `snnbench tables`"


def test_the_excerpt_puts_our_runs_first_and_needs_its_markers(build, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    build(record(reproduces="survey/cifar10/feature_kd/top1"))
    build_all(tmp_path / "runs", REPORTED, tmp_path / "out", readme)
    lines = readme.read_text().splitlines()
    assert (lines[:2], lines[-2:]) == (["before", BEGIN], [END, "after"])
    assert lines[2].startswith("| Method | Survey (%) | Ours, 256 epochs (%) | Difference | Ours, 32 epochs (%) | SOP")
    assert lines[4].startswith("| feature_kd | 93.18 | 93.00 | -0.18 | - | 13.735 | 10.000 | 1284 | - |")
    assert "of the survey's 53 systems are built; 2 have a record" in lines[-3]  # both repeat it
    assert len(lines) == 2 + 2 + 8 + 2 + 2
    assert "‡" not in readme.read_text()  # methods with a defect of the survey's code
    readme.write_text("nothing")
    with pytest.raises(ConfigError, match="put them back"):
        build_all(tmp_path / "runs", REPORTED, tmp_path / "out", readme)


def test_the_first_line_names_the_folders_that_were_read(build, tmp_path):
    out = build(record(reproduces=LIF))
    said = f"generated by `snnbench tables` from {tmp_path / 'runs'} and results/reported; do not edit"
    for path in [*out.glob("*.md"), *out.glob("*.tex")]:
        assert path.read_text(encoding="utf-8").splitlines()[0] in (f"<!-- {said} -->", f"% {said}")


def test_escaping():
    assert escape_markdown("a|b_c*\n<x>") == "a\\|b_c\\* \\<x\\>"
    assert escape_latex("50% a_b & {c} # $ ^ ~ \\ ± †") == (
        r"50\% a\_b \& \{c\} \# \$ \textasciicircum{} \textasciitilde{} \textbackslash{} $\pm$ $^\dagger$"
    )
    assert escape_latex("计算机学报 (CJC)") == "(CJC)"
    table = Table("t", "A & B", ["x", "y"], [Part("", [["[1]", "a|b"]]), Part("more_", [["*", "-"]])], ["100 %"])
    assert "{[1]} & a\\textbar{}b \\\\" in to_latex(table)
    assert "{\\emph{more\\_}}" in to_latex(table)
    assert "| \\[1\\] | a\\|b |" in to_markdown(table)
    with pytest.raises(ValueError, match="1 cells for 2"):
        Table("t", "t", ["x", "y"], [Part("", [["a"]])])
