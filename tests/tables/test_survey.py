"""The survey's tables: which run stands in which column and protocol, speeds of the bench, ranks, plots."""

import math
import xml.etree.ElementTree as ElementTree

import pytest

from snnbench.tables.labels import overlap, place_labels
from snnbench.tables.ranks import ranks, spearman
from snnbench.tables.scatter import Panel, Point, figure
from snnbench.tables.speeds import load_speeds

from .records_of import REPORTED, column, record, rows

CIFAR = "survey_cifar10.csv"
FULL, SHORT = "ours, 256 epochs", "ours, 32 epochs"


def survey_run(method, accuracy, epochs=256, recipe=None, **changes):
    """A record of a survey recipe; two runs of different length or recipe are two configurations."""
    recipe = recipe or f"survey/cifar10_{method}"
    key = f"{recipe}-{epochs}-{sorted(changes)}"
    hashes = {"recipe_hash": key, "config_hash": key, "run_id": key}
    return record(
        reproduces=f"survey/cifar10/{method}/top1", experiment=recipe, name=recipe, acc_best_test=accuracy,
        epochs=epochs, **hashes, **changes,
    )  # fmt: skip


def measured(recipe, phase, speed, **changes):
    row = {"date": "2026-01-01", "commit": "abcdef012345", "dirty": 0, "device": "H100", "size": "full",
           "recipe": f"survey/{recipe}", "reproduces": f"survey/cifar10/{recipe.split('_')[1]}/top1", "engine": "ours",
           "precision": "bf16", "layout": "channels_last", "mode": "eager", "batch": 128, "phase": phase,
           "status": "ok", "samples_per_s": speed, "ms_median": 128e3 / speed, "peak_gib": 2.0}  # fmt: skip
    return row | changes


def notes(path):
    return [line[2:] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("- ")]


def test_protocols_stay_apart_and_are_named(build):
    older = survey_run("lif", 90.0, finished="2026-01-01") | {"recipe_hash": "older", "config_hash": "older"}
    newer = survey_run("lif", 93.0, finished="2026-01-02")
    out = build(older, newer, survey_run("lif", 88.0, 32), survey_run("lif", 84.0, 20))
    lif = column(out / CIFAR, "LIF")
    assert (lif["Top-1 (%)", FULL], lif["Top-1 (%)", SHORT]) == ("93.00", "88.00")
    assert lif["Top-1 (%)", "ours, 20 epochs"] == "84.00"
    assert lif["Top-1 (%)", "difference, 256 epochs"] == "+0.02"
    assert ("Top-1 (%)", "difference, 32 epochs") not in lif
    assert any("the same recipe over 32 epochs" in note for note in notes(out / "survey_cifar10.md"))


def test_a_repeated_defect_is_a_column_of_its_own_with_a_mark(build):
    switched = {"choices": {"neuron": "clif_survey", "experiment": "survey/cifar10_clif_survey"}}
    alone = "survey/cifar10_response_distillation_survey"
    out = build(
        survey_run("clif", 93.5),
        survey_run("clif", 93.2, recipe="survey/cifar10_clif_survey", **switched),
        survey_run("response_kd", 93.2, recipe=alone, choices={"experiment": alone}),
    )
    assert column(out / CIFAR, "response_kd")["Top-1 (%)", FULL] == "-"
    assert column(out / CIFAR, "response_kd as the survey's code has it‡")["Top-1 (%)", FULL] == "93.20"
    assert column(out / CIFAR, "CLIF")["Top-1 (%)", FULL] == "93.50"
    own = column(out / CIFAR, "CLIF as the survey's code has it‡")
    assert own["Top-1 (%)", FULL] == "93.20"
    assert own["Top-1 (%)", "survey"] == "93.21"
    headings = list(rows(out / CIFAR)[0])
    assert headings.index("CLIF as the survey's code has it‡") == headings.index("CLIF") + 1
    assert any("CLIF: neuron=clif_survey" in note for note in notes(out / "survey_cifar10.md"))


def test_other_recipes_and_changed_values_are_variants(build):
    base, other = "survey/cifar10_block_alif", "survey/cifar10_block_alif_latency0"
    out = build(
        survey_run("blockalif", 90.0, recipe=base),
        survey_run("blockalif", 91.0, recipe=other),
        survey_run("blockalif", 89.0, recipe=base, deviations={"neuron.latency": [1, 3]}),
        survey_run("lif", 50.0, config={"train": {"limit_train_batches": 10}}),
    )
    headings = list(rows(out / CIFAR)[0])
    start = headings.index("BlockALIF")
    assert headings[start : start + 3] == ["BlockALIF", "BlockALIF (latency0)", "BlockALIF (neuron.latency=3)"]
    found = [column(out / CIFAR, heading)["Top-1 (%)", FULL] for heading in headings[start : start + 3]]
    assert found == ["90.00", "91.00", "89.00"]
    assert column(out / CIFAR, "LIF")["Top-1 (%)", FULL] == "-"
    assert column(out / CIFAR, "LIF (part of the data)")["Top-1 (%)", FULL] == "50.00"


def test_speed_and_memory_come_from_the_bench(build):
    speeds = [
        measured("cifar10_lif", "train", 9000.0, device="A100"),
        measured("cifar10_lif", "train", 20000.0, peak_gib=3.0),
        measured("cifar10_lif", "train", 25000.0, mode="captured", peak_gib=1.5),
        measured("cifar10_lif", "train", 10000.0, engine="spikingjelly"),
        measured("cifar10_lif", "test", 40000.0),
        measured("cifar10_lif", "test", 80000.0, size="tiny"),
        measured("cifar10_if", "train", 1.0, status="failed"),
        measured("cifar10_clif", "train", 5000.0),
        measured("cifar10_clif_survey", "train", 5100.0),
    ]
    out = build(survey_run("lif", 93.0), speeds=speeds)
    lif = column(out / CIFAR, "LIF")
    assert lif["Train samples/s", "survey"] == "1660"
    assert lif["Train samples/s", "ours"] == "25000"
    assert lif["Train samples/s", "ours / survey"] == "15.06"
    assert lif["Train samples/s", "SpikingJelly"] == "10000"
    assert lif["Train samples/s", "ours / SpikingJelly"] == "2.50"
    assert lif["Test samples/s", "ours"] == "40000"
    assert lif["GPU memory (MB)", "ours"] == "1536"
    assert column(out / CIFAR, "IF")["Train samples/s", "ours"] == "-"
    assert column(out / CIFAR, "CLIF")["Train samples/s", "ours"] == "5000"  # measured, not yet trained
    assert column(out / CIFAR, "CLIF as the survey's code has it‡")["Train samples/s", "ours"] == "5100"
    assert any("on one H100 (commit abcdef0)" in note for note in notes(out / "survey_cifar10.md"))
    assert "not measured yet" in "".join(notes(out / "survey_sequential_cifar10.md")) or load_speeds(out).found == {}


def test_a_changed_run_has_neither_speed_nor_published_figures_of_its_recipe(build):
    changed = survey_run("lif", 91.0, deviations={"neuron.tau": [2.0, 3.0]})
    out = build(changed, speeds=[measured("cifar10_lif", "train", 25000.0)])
    assert column(out / CIFAR, "LIF")["Train samples/s", "ours"] == "25000"
    variant = column(out / CIFAR, "LIF (neuron.tau=3.0)")
    assert variant["Top-1 (%)", FULL] == "91.00"
    assert variant["Train samples/s", "ours"] == variant["Top-1 (%)", "survey"] == "-"
    assert variant["Top-1 (%)", "difference, 256 epochs"] == variant["Train samples/s", "ours / survey"] == "-"


def test_rank_correlation_by_protocol(build):
    full = [survey_run(method, accuracy) for method, accuracy in (("if", 93.1), ("lif", 93.0), ("psn", 93.4))]
    defect = survey_run("clif", 10.0, recipe="survey/cifar10_clif_survey", choices={"neuron": "clif_survey"})
    short = [survey_run("if", 88.0, 32), survey_run("lif", 89.0, 32)]
    out = build(*full, *short, defect)
    found = [note for note in notes(out / "survey_cifar10.md") if "rank correlation" in note]
    assert len(found) == 1
    assert "between ours, 256 epochs, and the survey: +1.00 over n = 3 methods (IF, LIF, PSN)" in found[0]
    assert any("none yet" in note for note in notes(out / "survey_sequential_cifar10.md"))


def test_remarks_are_printed_below_their_table(build, tmp_path):
    reported = tmp_path / "reported"
    (reported / "remarks").mkdir(parents=True)
    for path in REPORTED.glob("*.csv"):
        (reported / path.name).write_bytes(path.read_bytes())
    (reported / "remarks" / "survey_cifar10.txt").write_text("# why\nPSN: one seed.\n\n")
    out = build(reported=reported)
    assert notes(out / "survey_cifar10.md")[-1] == "PSN: one seed."
    assert "PSN: one seed." not in notes(out / "survey_sequential_cifar10.md")


def test_ranks_share_ties_and_correlate_as_scipy_does():
    assert ranks([3, 1, 3, 2]) == [3.5, 1, 3.5, 2]
    assert spearman([1, 2, 3, 4], [10, 20, 30, 40]) == 1
    assert spearman([1, 2, 3], [3, 2, 1]) == -1
    assert spearman([1, 2], [1, 2]) is None
    assert spearman([1, 1, 1], [1, 2, 3]) is None
    stats = pytest.importorskip("scipy.stats")
    one, other = [92.1, 93.0, 93.0, 90.2, 91.5, 92.1], [1.0, 3.0, 2.0, 2.0, 5.0, 0.5]
    assert math.isclose(spearman(one, other), stats.spearmanr(one, other).statistic)


def test_plots_hold_a_point_a_method_and_are_the_same_every_time(build):
    speeds = [measured("cifar10_lif", "train", 25000.0)]
    defect = survey_run("clif", 10.0, recipe="survey/cifar10_clif_survey", choices={"neuron": "clif_survey"})
    out = build(survey_run("lif", 93.0), survey_run("lif", 88.0, 32), defect, speeds=speeds)
    for name in ("survey_accuracy_sops.svg", "survey_accuracy_speed.svg"):
        text = (out / name).read_text()
        ElementTree.fromstring(text)
        labels = [line.split(">")[1].split("<")[0] for line in text.splitlines() if line.startswith("<text")]
        assert labels.count("LIF") == 2 + 2  # the survey's two tasks, ours at two protocols
        assert labels.count("CLIF") == 2  # the repeated defect is no method
        assert labels.count("Tandem") == 1
        assert {"survey", FULL, SHORT} <= set(labels)


def test_a_figure_without_points_says_so_and_labels_are_escaped():
    empty = figure([Panel("a", "x", "y", [])], ["one"])
    assert "nothing measured yet" in empty
    points = [Point(10.0, 1.0, "a<b", 0), Point(10.0, 1.0, "same place", 1), Point(1e4, 2.0, "c", 2)]
    text = figure([Panel("t", "x", "y", points, log_x=True), Panel("one point", "x", "y", points[:1])], ["one"])
    ElementTree.fromstring(text)
    assert "a&lt;b" in text


@pytest.mark.parametrize("count", [1, 10, 20, 30])
def test_labels_of_a_crowded_plot_cover_nothing(count):
    points = [(250 + 90 * math.sin(3 * k), 90 + 70 * math.cos(5 * k)) for k in range(count)]
    inside = (0.0, 0.0, 600.0, 400.0)
    boxes = place_labels(points, [40.0 + k % 3 * 15 for k in range(count)], inside)
    assert place_labels(points, [40.0 + k % 3 * 15 for k in range(count)], inside) == boxes
    for k, box in enumerate(boxes):
        assert overlap(box, inside) == pytest.approx((box[2] - box[0]) * (box[3] - box[1]))
        assert not [other for other in boxes[:k] if overlap(box, other)]
        assert not [1 for x, y in points if overlap(box, (x - 4, y - 4, x + 4, y + 4))]


def test_the_ann_twin_is_a_column_without_sops_or_rank(build):
    runs = [survey_run(method, accuracy) for method, accuracy in (("ann", 93.5), ("if", 93.1), ("lif", 93.0))]
    out = build(*runs)
    ann = column(out / CIFAR, "ANN")
    assert (ann["Top-1 (%)", "survey"], ann["Top-1 (%)", "difference, 256 epochs"]) == ("93.67", "-0.17")
    assert (ann["SOP (M)", FULL], ann["SOP, all positions (M)", FULL]) == ("-", "-")
    assert any("none yet" in note for note in notes(out / "survey_cifar10.md"))
    assert ">ANN<" not in (out / "survey_accuracy_sops.svg").read_text()
