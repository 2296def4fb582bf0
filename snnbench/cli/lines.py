"""Break text into lines that fit a terminal."""

from __future__ import annotations

import textwrap


def wrapped(text: str, indent: int, width: int, hang: int = 0) -> list[str]:
    """Break a text into indented lines of at most `width`; lines after the first get `hang` more. No text gives []."""
    room = max(width, indent + 24)  # a narrower terminal wraps the lines itself
    return textwrap.wrap(
        text, room, initial_indent=" " * indent, subsequent_indent=" " * (indent + hang), break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip
