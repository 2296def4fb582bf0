"""The command line. Only `train`, `eval` and `bench` import torch, and only after the configuration was found good.

Exit codes: 0 done, 1 a run failed, 2 the user's input is wrong (one sentence, nothing written), 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from snnbench import __version__
from snnbench.cli import bench, data, evaluate, listing, plot, tables, train
from snnbench.config.errors import ConfigError

COMMANDS: dict[str, tuple[Callable[[list[str]], int], str]] = {
    "train": (train.main, train.__doc__),
    "eval": (evaluate.main, evaluate.__doc__),
    "plot": (plot.main, plot.__doc__),
    "list": (listing.main, listing.__doc__),
    "tables": (tables.main, tables.__doc__),
    "keep": (tables.keep_main, tables.KEEP_HELP),
    "data": (data.main, data.__doc__),
    "bench": (bench.main, bench.__doc__),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if arguments[0] == "--version":
        print(__version__)
        return 0
    name, rest = arguments[0], arguments[1:]
    try:
        if name not in COMMANDS:
            raise ConfigError(f"'{name}' is no command: choose one of {', '.join(COMMANDS)}")
        run, text = COMMANDS[name]
        if any(flag in rest for flag in ("-h", "--help")):
            print(text.strip())
            return 0
        return run(rest)
    except ConfigError as error:
        print(f"snnbench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("snnbench: interrupted", file=sys.stderr)
        return 130


def _help() -> str:
    lines = ["snnbench: compose, train, record, tabulate deep spiking neural networks", ""]
    lines += [f"  snnbench {name:<7} {text.strip().splitlines()[0]}" for name, (_, text) in COMMANDS.items()]
    return "\n".join([*lines, "", "`snnbench <command> --help` says more."])
