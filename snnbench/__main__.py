"""The start of the command line: `snnbench`, and `python -m snnbench` for torchrun and srun."""

import signal
import sys

from snnbench.train import signals


def run() -> int:
    """Obey signals from here on, also while the command line's own modules are imported.

    Before and after, a signal ends the process at once: there is nothing to write yet, or nothing more.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        with signals.obeyed():
            from snnbench.cli.main import main

            return main()
    except BaseException:
        if signals.stopped_by() is None:
            raise
        return 128 + signal.Signals[signals.stopped_by()]


if __name__ == "__main__":
    sys.exit(run())
