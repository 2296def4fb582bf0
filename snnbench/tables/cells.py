"""Make a text safe for a table cell of any format. Records may come from strangers, so any text may stand there."""

from __future__ import annotations

import re
import unicodedata

EMPTY = "-"
# A spreadsheet takes a cell that begins with one of these for a formula, which may read files or start programs.
_STARTERS = "=+-@＝＋－＠"
_FORMULA = re.compile(rf"(^|;\s*)(?=[{re.escape(_STARTERS)}])")  # in some countries' settings `;` divides cells
# Our own signed numbers: "+0.24", "-31.78 (20 of 256 ep)", "+9.83‡ (2 splits)", "-0.1 ± 0.2", "-1e-05".
_NUMBER = re.compile(r"[+-]\d[\d,]*(\.\d+)?(e[+-]?\d+)?( ?%)?[†‡]?( ± \d+(\.\d+)?)?( \([\w ,./=-]*\))?")


def plain(text: str) -> str:
    """The text on one line, without control characters, and with `'` before whatever a spreadsheet would compute."""
    text = " ".join(printable(text).split())
    return _FORMULA.sub(lambda found: found[0] if _is_number(text[found.end() :]) else f"{found[0]}'", text)


def printable(text: str) -> str:
    """The text with a space for each line break and tab, and without other control and direction characters."""
    kept = (" " if character.isspace() else character for character in text if not _is_hidden(character))
    return "".join(kept)


def _is_hidden(character: str) -> bool:
    """Whether it is a control, a direction mark or otherwise invisible; those that are white space do not count."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co") and not character.isspace()


def _is_number(text: str) -> bool:
    """Whether the text up to the next `;` is a number of ours, or the `-` of an empty cell."""
    text = text.partition(";")[0].strip()
    return text == EMPTY or _NUMBER.fullmatch(text) is not None
