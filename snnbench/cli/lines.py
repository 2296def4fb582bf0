"""Text in lines that fit a terminal."""

from __future__ import annotations

import textwrap


def wrapped(text: str, indent: int, width: int, hang: int = 0) -> list[str]:
    """The text in lines of at most `width`, all indented, those after the first by `hang` more; [] without text."""
    room = max(width, indent + 24)  # a narrower terminal wraps by itself
    return textwrap.wrap(
        text, room, initial_indent=" " * indent, subsequent_indent=" " * (indent + hang), break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip
