"""Make a text safe for a table cell of any format. Records may come from strangers and contain any text."""

from __future__ import annotations

import re
import unicodedata

EMPTY = "-"
# A spreadsheet reads a cell that begins with one of these as a formula, which could read files or start programs.
_STARTERS = "=+-@＝＋－＠"
_FORMULA = re.compile(rf"(^|;\s*)(?=[{re.escape(_STARTERS)}])")  # some spreadsheets separate cells by `;`
# Signed numbers in our own tables: "+0.24", "-31.78 (20 of 256 ep)", "+9.83‡ (2 splits)", "-0.1 ± 0.2", "-1e-05".
_NUMBER = re.compile(r"[+-]\d[\d,]*(\.\d+)?(e[+-]?\d+)?( ?%)?[†‡]?( ± \d+(\.\d+)?)?( \([\w ,./=-]*\))?")


def plain(text: str) -> str:
    """The text on one line, without control characters, and with `'` before what a spreadsheet would compute."""
    text = " ".join(printable(text).split())
    return _FORMULA.sub(lambda found: found[0] if _is_number(text[found.end() :]) else f"{found[0]}'", text)


def printable(text: str) -> str:
    """Replace line breaks and tabs by spaces, and remove other control characters and text direction marks."""
    kept = (" " if character.isspace() else character for character in text if not _is_hidden(character))
    return "".join(kept)


def _is_hidden(character: str) -> bool:
    """Whether a character is invisible, such as a control or a direction mark. White space does not count."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co") and not character.isspace()


def _is_number(text: str) -> bool:
    """Whether the text up to the next `;` is a number as our tables write it, or the `-` of an empty cell."""
    text = text.partition(";")[0].strip()
    return text == EMPTY or _NUMBER.fullmatch(text) is not None
