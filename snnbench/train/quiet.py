"""Silence for Lightning's banners and advice, which address people who write their own trainer."""

from __future__ import annotations

import logging
import warnings

LOGGERS = ("lightning", "lightning.pytorch", "lightning.fabric")
# these warnings come in the name of other modules
ADVICE = "litlogger|does not have many workers|isinstance.treespec|Detected pickle protocol"


def quiet() -> None:
    """Silence Lightning below an error. Call it after Lightning was imported, which makes its loggers talkative."""
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    warnings.filterwarnings("ignore", message=f".*({ADVICE})")
