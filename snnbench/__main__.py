"""The start of the command line: `snnbench`, and `python -m snnbench` for torchrun and srun."""

import signal
import sys

from snnbench.train import signals


def run() -> int:
    """Run the command line. Handle signals during the command and already while its modules are imported.

    Before and after that, a signal ends the process at once, because there is nothing to save.
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
