"""Functions that the plots of runs share: panels, file formats and saving. They need matplotlib (extra `bench`).

The same data gives the same bytes. No display is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from snnbench.errors import ConfigError
from snnbench.writing import whole

FORMATS = ("png", "svg", "pdf")
ACROSS = 2  # the number of panels in a row
SETTINGS = {
    "font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#eeeeee",
    "axes.axisbelow": True, "legend.frameon": False, "legend.fontsize": 6, "svg.hashsalt": "snnbench",
    "svg.fonttype": "none", "pdf.fonttype": 42,
    "axes.formatter.useoffset": False,  # tick labels show 2.3026, not 1e-7+2.3026
}  # fmt: skip
STAMPS = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
FLAT = 1e-3  # a curve whose relative variation is smaller is drawn as constant


def save(figure: Callable, out: Path) -> Path:
    """Write the figure that `figure()` returns to `out`. The ending of `out` gives the format.

    If an error occurs, no partly written file remains.

    Raises:
        ConfigError: The format is unknown, or matplotlib is not installed.
    """
    kind = out.suffix[1:]
    if kind not in FORMATS:
        raise ConfigError(f"out={out} must end in {', '.join(f'.{known}' for known in FORMATS)}")
    try:
        import matplotlib
    except ImportError:
        raise ConfigError("plot needs the package matplotlib: pip install 'snnbench[bench]'") from None
    matplotlib.use("Agg")
    with matplotlib.rc_context(SETTINGS):
        drawn = figure()  # draw before writing: drawing may refuse a record
        out.parent.mkdir(parents=True, exist_ok=True)
        with whole(out) as file:
            drawn.savefig(file, format=kind, dpi=150, metadata=STAMPS[kind])
    return out


def panels(count: int, title: str) -> tuple:
    """A figure with `count` axes, and the list of these axes."""
    from matplotlib.figure import Figure

    down = math.ceil(count / ACROSS)
    figure = Figure(figsize=(5.2 * ACROSS, 0.4 + 2.7 * down), layout="constrained")
    figure.suptitle(literal(title), fontsize=9)
    axes = list(figure.subplots(down, ACROSS, squeeze=False).flat)
    for axis in axes[count:]:
        axis.remove()
    return figure, axes[:count]


def finish(axes: list) -> None:
    """Set whole epochs as x ticks, and choose the y range so that an almost constant curve looks constant."""
    for axis in axes:
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        first, last = axis.dataLim.intervalx
        if first == last:
            axis.set_xlim(first - 1, last + 1)
        low, high = axis.dataLim.intervaly
        height = max(abs(low), abs(high))
        if math.isfinite(height) and high - low < FLAT * height:
            axis.set_ylim((low + high) / 2 - 0.05 * height, (low + high) / 2 + 0.05 * height)


def literal(text: str) -> str:
    """Escape `$` in a text, because matplotlib reads text between two `$` as a formula."""
    return text.replace("$", r"\$")
