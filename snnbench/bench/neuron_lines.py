"""The part of bench.md about neurons without a kernel, made from neurons.csv."""

from __future__ import annotations

from pathlib import Path

from snnbench.bench.comparison import PLACE, cell, gain, place_title
from snnbench.bench_rows import WAY, latest, load, number
from snnbench.tables.render import escape_markdown, markdown_rows

Rows = dict[tuple[str, str], dict[str, str]]  # by neuron and engine


def neuron_lines(folder: Path) -> list[str]:
    """Lines that compare neurons without a kernel (compiled, Python loop) with LIF, and kernels with compiled code."""
    lines = []
    rows = latest(load(folder, "neurons"), (*PLACE, "work", "neuron", *WAY))
    for place in dict.fromkeys(tuple(row[key] for key in PLACE) for row in rows):
        here = [row for row in rows if tuple(row[key] for key in PLACE) == place]
        title = escape_markdown(place_title(*place))
        nets, layers = (
            {(row["neuron"], row["engine"]): row for row in here if (row["work"] == "layer") == is_layer}
            for is_layer in (False, True)
        )
        if nets:
            lines += [f"## Neurons without a kernel, in the survey's CSNN: {title}", "", *_net_table(nets), ""]
        if layers:
            lines += [f"## Kernels beside the same neuron compiled, with its norm: {title}", ""]
            lines += [*_layer_table(layers), ""]
    return lines


def _net_table(rows: Rows) -> list[str]:
    lif, cells = rows.get(("lif", "kernel")), []
    for name in dict.fromkeys(name for name, engine in rows if engine != "kernel"):
        compiled, walk = (rows.get((name, engine)) for engine in ("compiled", "walk"))
        speed, peak, theirs = number(compiled, "samples_per_s"), number(compiled, "peak_gib"), number(lif, "peak_gib")
        of_lif = gain(speed, number(lif, "samples_per_s"), "samples_per_s")
        more = peak / theirs if peak and theirs else None
        slow = number(walk, "samples_per_s"), number(walk, "peak_gib")
        cells.append([name, cell(speed, 0), cell(of_lif, 2), cell(peak, 2), cell(more, 2), cell(slow[0], 0),
                      cell(slow[1], 2)])  # fmt: skip
    speed, peak = number(lif, "samples_per_s"), number(lif, "peak_gib")
    cells.append(["lif, its kernel", cell(speed, 0), cell(speed and 1.0, 2), cell(peak, 2), cell(peak and 1.0, 2),
                  cell(None), cell(None)])  # fmt: skip
    columns = ["neuron", "compiled samples/s", "of LIF", "peak GiB", "of LIF's", "walked samples/s", "walked peak GiB"]
    return markdown_rows(columns, cells)


def _layer_table(rows: Rows) -> list[str]:
    cells = []
    for name in dict.fromkeys(name for name, _ in rows):
        kernel, compiled = (rows.get((name, engine)) for engine in ("kernel", "compiled"))
        times = number(kernel, "ms_median"), number(compiled, "ms_median")
        peaks = number(kernel, "peak_gib"), number(compiled, "peak_gib")
        cells.append(
            [name, *(cell(ms, 3) for ms in times), cell(gain(*times, "ms_median"), 2), *(cell(gib, 2) for gib in peaks)]
        )
    columns = ["neuron", "kernel ms", "compiled ms", "compiled / kernel", "kernel peak GiB", "compiled peak GiB"]
    return markdown_rows(columns, cells)
