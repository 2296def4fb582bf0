"""The other parts of bench.md: rooflines, scaling curves, the survey's speed study."""

from __future__ import annotations

from pathlib import Path

from snnbench.bench.comparison import PLACE, cell, compared, curve_title, place_title
from snnbench.bench_rows import BASELINE, OK, number
from snnbench.tables.cells import EMPTY
from snnbench.tables.render import escape_markdown, markdown_rows
from snnbench.tables.reported import Reported

Rows = list[dict[str, str]]
THEIRS = ("train_speed", "test_speed", "gpu_memory")  # quantities of the survey's rows, beside ours in this order


def kernel_lines(folder: Path) -> list[str]:
    """One line per kernel, dtype and layout: its share of the copy bandwidth, and the time of the reference path."""
    lines = []
    for title, rows in _by_place(compared(folder, "kernels")):
        reference = {_kind(row): row for row in rows if row["engine"] == "reference"}
        cells = []
        for row in (row for row in rows if row["engine"] != "reference"):
            other = number(reference.get(_kind(row)), "ms_median")
            ms, share = number(row, "ms_median"), number(row, "share_of_copy")
            share_text = EMPTY if share is None else f"{100 * share:.0f} %"
            cells.append(
                [row["kernel"], f"{row['precision']} {row['layout']}", row["bytes_per_element"], cell(ms, 3),
                 cell(number(row, "gb_per_s"), 0), share_text, cell(other, 3), cell(ms and other and other / ms, 2)]
            )  # fmt: skip
        columns = [
            "kernel",
            "tensor",
            "bytes an element",
            "ms",
            "GB/s",
            "of copy speed",
            "reference ms",
            "reference / ours",
        ]
        shapes = ", ".join(dict.fromkeys(row["shape"] for row in rows))
        lines += [f"## Kernels against copy bandwidth: {escape_markdown(title)}", "", f"Tensor {shapes}.", ""]
        lines += [*markdown_rows(columns, cells), ""]
    return lines


def scaling_lines(folder: Path) -> list[str]:
    """One table per curve: milliseconds and GiB at every point, with one column per engine."""
    lines = []
    for title, rows in _by_place(compared(folder, "scaling")):
        lines += [f"## Scaling: {escape_markdown(title)}", ""]
        for curve in dict.fromkeys(row["curve"] for row in rows):
            of_curve = [row for row in rows if row["curve"] == curve]
            engines = list(dict.fromkeys(row["engine"] for row in of_curve))
            found = {(row["value"], row["engine"]): row for row in of_curve}
            shown = [
                (column, unit, engine)
                for column, unit in (("ms_median", "ms"), ("peak_gib", "peak GiB"))
                for engine in engines
                if any(row[column] for row in of_curve if row["engine"] == engine)
            ]
            cells = [
                [value, *(cell(number(found.get((value, engine)), column), 3) for column, _, engine in shown)]
                for value in sorted({row["value"] for row in of_curve}, key=int)
            ]
            columns = [curve_title(curve), *(f"{engine} {unit}" for _, unit, engine in shown)]
            lines += [*markdown_rows(columns, cells), ""]
    return lines


def survey_lines(folder: Path, reported: dict[str, Reported]) -> list[str]:
    return [*_net_lines(folder, reported), *_layer_lines(folder)]


def _net_lines(folder: Path, reported: dict[str, Reported]) -> list[str]:
    """One row per recipe: our speed, that of SpikingJelly if it has the neuron, and the survey's values."""
    lines = []
    for title, rows in _by_place(compared(folder, "survey_nets")):
        cells = []
        for recipe, row_id in dict.fromkeys((row["recipe"], row["reproduces"]) for row in rows):
            columns = []
            for engine in ("ours", "spikingjelly"):
                train, test = (_fastest(rows, recipe, engine, phase) for phase in ("train", "test"))
                peak = number(train, "peak_gib")
                columns.append([number(train, "samples_per_s"), number(test, "samples_per_s"), peak and peak * 1024])
            theirs = [reported.get(f"{row_id.rpartition('/')[0]}/{name}") for name in THEIRS]
            columns.append([row.number if row and rows[0]["size"] == "full" else None for row in theirs])
            cells.append([recipe, *(cell(value, 0) for values in zip(*columns) for value in values)])
        quantities, engines = (
            ("train samples/s", "test samples/s", "train peak MiB"),
            ("", ", SpikingJelly", ", survey"),
        )
        columns = ["recipe", *(quantity + engine for quantity in quantities for engine in engines)]
        lines += [f"## The survey's speed rows, each of its recipes: {escape_markdown(title)}", ""]
        lines += [*markdown_rows(columns, cells), "", *_refused(rows, "recipe")]
        lines += ["The survey's figures are from its authors' GPU, whole epochs with data loading.", ""]
    return lines


def _layer_lines(folder: Path) -> list[str]:
    """The survey's speed study: speed relative to the LIF that runs step by step, by T."""
    lines = []
    for title, rows in _by_place(compared(folder, "survey_speed")):
        lines += [f"## The survey's speed study, one fp32 layer: {escape_markdown(title)}", ""]
        lines += [
            "Times faster than a LIF walked step by step with scripted charge and reset (the survey's baseline), which "
            "runs as it is called. On CUDA ours replays a CUDA graph, as the trainer does; of SpikingJelly's eager and "
            "captured runs the faster counts.",
            "",
        ]
        slow_first = sorted((row for row in rows if row["status"] == OK), key=lambda row: -float(row["ms_median"]))
        found = {
            (row["engine"], row["neuron"], row["time_steps"], row["power"], row["phase"]): row for row in slow_first
        }
        steps = sorted({row["time_steps"] for row in rows}, key=int)
        layers = list(dict.fromkeys((row["engine"], row["neuron"]) for row in rows if row["engine"] != BASELINE))
        for power in sorted({row["power"] for row in rows}, key=int):
            for phase in dict.fromkeys(row["phase"] for row in rows):
                cells = []
                for engine, neuron in layers:
                    ratios = []
                    for step in steps:
                        baseline = number(found.get((BASELINE, "lif", step, power, phase)), "ms_median")
                        ms = number(found.get((engine, neuron, step, power, phase)), "ms_median")
                        ratios.append(cell(baseline and ms and baseline / ms, 2))
                    cells.append([neuron if engine == "ours" else f"{engine} {neuron}", *ratios])
                lines += [f"N = 2^{int(power) + 1}, {phase}:", ""]
                lines += [*markdown_rows(["neuron", *(f"T {step}" for step in steps)], cells), ""]
        lines += _refused(rows, "neuron")
    return lines


def _refused(rows: Rows, column: str) -> list[str]:
    """One line for each neuron or recipe that could not be measured in any way."""
    measured = {(row["engine"], row[column], row["phase"]) for row in rows if row["status"] == OK}
    found = {(row["engine"], row[column]): row for row in rows
             if row["status"] != OK and (row["engine"], row[column], row["phase"]) not in measured}  # fmt: skip
    texts = [f"{engine} {name}: {row['status']}. {row['sentence']}" for (engine, name), row in found.items()]
    return [*(f"- {escape_markdown(text)}" for text in texts), *([""] if texts else [])]


def _fastest(rows: Rows, recipe: str, engine: str, phase: str) -> dict[str, str] | None:
    wanted = {"recipe": recipe, "engine": engine, "phase": phase, "status": OK}
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return min(found, key=lambda row: float(row["ms_median"]), default=None)


def _by_place(rows: Rows) -> list[tuple[str, Rows]]:
    """(title, rows) of each device and size."""
    places = dict.fromkeys(tuple(row[key] for key in PLACE) for row in rows)
    return [
        (place_title(*place), [row for row in rows if tuple(row[key] for key in PLACE) == place]) for place in places
    ]


def _kind(row: dict[str, str]) -> tuple[str, ...]:
    return row["kernel"], row["precision"], row["layout"], row["shape"]
