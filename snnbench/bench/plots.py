"""Plots from the CSVs: every work's ratios (bench.svg), the scaling curves (scaling.svg). Needs the extra `bench`."""

from __future__ import annotations

from pathlib import Path

from snnbench.bench.comparison import (
    HEADS,
    LEAST_GIB,
    PEERS,
    PLACE,
    compared,
    curve_title,
    gain,
    goal_of,
    place_title,
    quantities,
    value,
    works_of,
)
from snnbench.bench_rows import OK

COLOURS = {"goal": "#222222", "spikingjelly": "#c44e52", "compile": "#4c72b0", "eager": "#8c8c8c", "floor": "#55a868"}
ENGINE_COLOURS = {"ours": "#c44e52", "reference": "#4c72b0"}
CURVE_LABELS = {"ms_median": "ms a step", "peak_gib": "peak GiB"}
ACROSS = 3  # panels in a row
SHORT = {"samples_per_s": "speed", "ms_median": "speed", "peak_gib": "memory", LEAST_GIB: "least memory"}


def write_plots(folder: Path) -> list[Path]:
    """Write the plots for which there are CSV files. Without matplotlib write none and say so. Returns the paths."""
    try:
        import matplotlib
    except ImportError:
        print("no plots: matplotlib is not installed (pip install 'snnbench[bench]')")
        return []
    matplotlib.use("Agg")
    # the same CSV gives the same bytes
    settings = {"svg.hashsalt": "snnbench", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False}
    with matplotlib.rc_context(settings | {"axes.spines.right": False}):
        return [*_ratios(folder), *_curves(folder)]


def _ratios(folder: Path) -> list[Path]:
    """Horizontal bars on a log axis, one panel a device: ours against goal and peers; the line at 1 is parity."""
    import matplotlib.pyplot as plt

    rows = compared(folder, "bench")
    panels = []
    for place in dict.fromkeys(tuple(row[key] for key in PLACE) for row in rows):
        here = [row for row in rows if tuple(row[key] for key in PLACE) == place]
        bars = _bars(here)
        if any(ratios for _, ratios in bars):
            panels.append((place_title(*place), bars))
    if not panels:
        return []
    heights = [max(len(bars), 1) for _, bars in panels]
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(8, 1 + 0.75 * sum(heights)), squeeze=False, height_ratios=heights, layout="constrained"
    )
    for axis, (title, bars) in zip(axes[:, 0], panels):
        for place, (_, ratios) in enumerate(bars):
            for index, (name, ratio) in enumerate(ratios.items()):
                y = place + 0.8 * ((index + 0.5) / len(ratios) - 0.5)
                axis.barh(y, ratio - 1, left=1, height=0.7 / len(ratios), color=COLOURS[name])
                axis.annotate(
                    f"{HEADS.get(name, name)} {ratio:.2f}", (max(ratio, 1), y), (3, 0),
                    textcoords="offset points", va="center", fontsize=7,
                )  # fmt: skip
        axis.set_yticks(range(len(bars)), [label for label, _ in bars])
        axis.invert_yaxis()
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.axvline(1, color="black", linewidth=0.8)
        axis.margins(x=0.15)
        axis.set_title(f"{title}: how many times better ours is", loc="left")
    return _save(figure, folder / "bench.svg")


def _bars(rows: list[dict[str, str]]) -> list[tuple[str, dict[str, float]]]:
    bars = []
    for work in works_of(rows):
        for quantity in quantities(work, rows):
            ours = value(rows, work, "ours", quantity)
            others = {"goal": goal_of(work, quantity, rows)}
            others |= {peer: value(rows, work, peer, quantity) for peer in PEERS}
            ratios = {name: gain(ours, other, quantity) for name, other in others.items()}
            bars.append((f"{work}\n{SHORT[quantity]}", {name: ratio for name, ratio in ratios.items() if ratio}))
    return bars


def _curves(folder: Path) -> list[Path]:
    """Panels of the milliseconds, then of the peak GiB, of each curve, of the place measured last."""
    import matplotlib.pyplot as plt

    rows = [row for row in compared(folder, "scaling") if row["status"] == OK]
    rows = [row for row in rows if all(row[key] == rows[-1][key] for key in PLACE)]
    curves = list(dict.fromkeys(row["curve"] for row in rows))
    if not curves:
        return []
    panels = [
        (curve, column)
        for column in CURVE_LABELS
        for curve in curves
        if any(row[column] for row in rows if row["curve"] == curve)  # not every curve's memory was measured
    ]
    down = -(-len(panels) // ACROSS)
    figure, axes = plt.subplots(down, ACROSS, figsize=(3 * ACROSS, 2.5 * down), squeeze=False, layout="constrained")
    for axis, (curve, column) in zip(axes.flat, panels):
        _curve(axis, [row for row in rows if row["curve"] == curve and row[column]], curve, column)
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    figure.suptitle(place_title(rows[-1]["device"], rows[-1]["size"]), x=0, ha="left")
    return _save(figure, folder / "scaling.svg")


def _curve(axis, rows: list[dict[str, str]], curve: str, column: str) -> None:
    """One quantity along one curve, a line an engine."""
    for engine in dict.fromkeys(row["engine"] for row in rows):
        points = sorted((int(row["value"]), float(row[column])) for row in rows if row["engine"] == engine)
        axis.plot(*zip(*points), marker="o", markersize=3, label=engine, color=ENGINE_COLOURS.get(engine))
    axis.legend(fontsize=7)
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_formatter("{x:g}")
    if column == "ms_median":
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter("{x:g}")
    else:
        axis.set_ylim(0, 1.15 * max(float(row[column]) for row in rows))  # a constant curve must look constant
    axis.set_xlabel(curve_title(curve))
    axis.set_ylabel(CURVE_LABELS[column])


def _save(figure, path: Path) -> list[Path]:
    import matplotlib.pyplot as plt

    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return [path]
