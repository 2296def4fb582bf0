"""The command line. Only `train`, `eval` and `bench` import torch, and only after they have checked the configuration.

Exit codes: 0 done; 1 a run failed; 2 the input is wrong or the system refuses (disk full, no permission), with one
sentence on stderr; 128 + signal if a signal ended it: 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP, 141 a closed pipe.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from snnbench import __version__
from snnbench.cli import bench, data, evaluate, listing, plot, tables, train
from snnbench.cli.output import Unprinted, guarded_output, open_missing, tell
from snnbench.cli.system_errors import sentence
from snnbench.errors import ConfigError
from snnbench.train import signals

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
    """Run one command and return the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    open_missing()
    try:
        with signals.obeyed(), guarded_output(lasting=_trains(arguments)):
            return _command(arguments)
    except BaseException as error:
        return _end(error)


def _end(error: BaseException) -> int:
    """Say in one sentence what ended the command. An error in the program itself keeps its traceback."""
    stopped = signals.stopped_by() or ("SIGINT" if isinstance(error, KeyboardInterrupt) else None)
    if stopped is not None:
        tell("snnbench: interrupted")
        return 128 + signal.Signals[stopped]
    if isinstance(error, Unprinted) and isinstance(error.__cause__, BrokenPipeError):
        return 128 + signal.SIGPIPE  # no message: the reader, as in `snnbench list | head -1`, wants no more output
    if isinstance(error, Unprinted):
        tell(f"snnbench: the output cannot be written: {sentence(error.__cause__)}")
    elif isinstance(error, OSError):
        tell(f"snnbench: {sentence(error)}")
    elif isinstance(error, ConfigError):
        tell(f"snnbench: {error}")
    else:
        raise error
    return 2


def _trains(arguments: list[str]) -> bool:
    """True for a training, which continues when its output is lost. Other commands then end."""
    return arguments[:1] == ["train"] and not {"--show", "--help", "-h"} & set(arguments)


def _command(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if arguments[0] == "--version":
        print(__version__)
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        raise ConfigError(f"'{name}' is no command: choose one of {', '.join(COMMANDS)}")
    run, text = COMMANDS[name]
    if any(flag in rest for flag in ("-h", "--help")):
        print(text.strip())
        return 0
    return run(rest)


def _help() -> str:
    lines = ["snnbench: compose, train, record, tabulate deep spiking neural networks", ""]
    lines += [f"  snnbench {name:<7} {text.strip().splitlines()[0]}" for name, (_, text) in COMMANDS.items()]
    return "\n".join([*lines, "", "`snnbench <command> --help` says more."])
