"""Write a table as LaTeX that fits on a page. Long cells are wrapped, and a wide table is printed sideways.

Column widths are computed in em of an 8 pt font and written as shares of \\linewidth, so that `\\input` works in an
article of 10 to 12 pt and on wider pages.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace

from snnbench.tables.cells import EMPTY, plain
from snnbench.tables.render import CODE, FOLDERS, Part, Table, generated_line

UPRIGHT, SIDEWAYS = 40.0, 64.0  # the width of a line in an article, in em
FONT = r"\fontsize{8}{9.5}\selectfont"
GAP = 0.5  # the gap between two columns in em: twice \tabcolsep, which is 2 pt
LONGEST = (14, 10, 8, 6)  # how many letters of a word stay together; fewer if there are many columns

_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "±": r"$\pm$", "†": r"$^\dagger$", "‡": r"$^\ddagger$", "×": r"$\times$", "|": r"\textbar{}",
    "`": r"\textasciigrave{}", '"': "''",
}  # fmt: skip
_CJK = re.compile("[　-鿿豈-﫿＀-￯]+")
_BREAKS = re.compile(r"(?<=[/_=;&])(?=.)|(?<=[,.:+-])(?=[^\d ])")  # a word may be broken here, but a number may not
_WIDTHS = {**dict.fromkeys("ijl.,:;!|'()[]`", 0.36), **dict.fromkeys("mwMW@%", 1.0), **dict.fromkeys("†‡", 0.45)}


def to_latex(table: Table, folders: tuple[str, str] = FOLDERS) -> str:
    """The table, or its `pages` if it has any, as longtables for `\\input`. The first line names `folders`."""
    first = generated_line(folders).encode("ascii", "replace").decode()
    lines = [f"% {first}", "% needs \\usepackage{array,booktabs,longtable,pdflscape,textcomp}"]
    for page in table.pages or [table]:
        lines += _page(_with_keys(page))
    lines += _notes(table.notes) if table.pages else []
    return "\n".join(lines) + "\n"


def escape_latex(text: str) -> str:
    """Escape a text as ASCII for pdfLaTeX. It drops Chinese characters; other unknown characters become `?`."""
    return " ".join(_escaped(plain(text)).split())


def _escaped(text: str) -> str:
    signs = "".join(map(_sign, _CJK.sub("", text)))
    return re.sub(r"-(?=-)", "-{}", signs)  # otherwise LaTeX joins two of them into a dash


def _sentence(text: str) -> str:
    """A sentence below a table. Text between backticks is set as code."""
    pieces = re.split(CODE, plain(text))  # every second one is code
    return "".join(
        rf"\texttt{{{_breakable(piece[1:-1])}}}" if place % 2 else _breakable(piece)
        for place, piece in enumerate(pieces)
    )


def _sign(character: str) -> str:
    if character in _TEX:
        return _TEX[character]
    if character.isascii():
        return character
    base = unicodedata.normalize("NFKD", character)[0]  # keep the letter of an accented letter
    return base if base.isascii() and base.isalnum() else "?"


def _page(table: Table) -> list[str]:
    """One longtable and its notes."""
    layout = _layout(table)
    columns = "".join(rf">{{\raggedright\arraybackslash}}p{{{share:.4f}\linewidth}}" for share in layout.shares)

    def line(cells: list[str]) -> str:
        return " & ".join(_cell(cell, layout.longest) for cell in cells) + r" \\"

    lines = [
        rf"\begingroup{FONT}\setlength{{\tabcolsep}}{{2pt}}\setlength{{\LTcapwidth}}{{\linewidth}}",
        rf"\begin{{longtable}}{{@{{}}{columns}@{{}}}}",
        rf"\caption{{{escape_latex(table.title)}}}\\",
        r"\toprule",
        line(table.columns),
        r"\midrule",
        r"\endhead",
    ]
    for part in table.parts:
        if part.heading:
            heading = rf"\emph{{{escape_latex(part.heading)}}}"
            lines += [
                r"\midrule",
                rf"\multicolumn{{{len(layout.shares)}}}{{@{{}}p{{0.98\linewidth}}@{{}}}}{{{heading}}} \\",
            ]
        lines += map(line, part.rows)
    lines += [r"\bottomrule", r"\end{longtable}", r"\endgroup", *_notes(table.notes)]
    return [r"\begin{landscape}", *lines, r"\end{landscape}"] if layout.is_sideways else lines


def _notes(notes: list[str]) -> list[str]:
    return [rf"{{{FONT}\raggedright\noindent {_sentence(note)}\par}}" for note in notes]


def _with_keys(table: Table) -> Table:
    """Replace the sentences in the columns `keyed` by letters, and return notes that explain the letters."""
    places = [place for place, column in enumerate(table.columns) if column in table.keyed]
    keys: dict[str, str] = {EMPTY: EMPTY}
    for row in (row for part in table.parts for row in part.rows):
        for place in places:
            keys.setdefault(row[place], _letters(len(keys) - 1))
    parts = [
        Part(part.heading, [[keys[c] if place in places else c for place, c in enumerate(row)] for row in part.rows])
        for part in table.parts
    ]
    meanings = "; ".join(f"({key}) {text}" for text, key in keys.items() if key != EMPTY)
    notes = [f"{' and '.join(table.columns[place] for place in places)}: {meanings}."] if meanings else []
    return replace(table, parts=parts, notes=[*notes, *table.notes])


def _letters(index: int) -> str:
    """a, b, ... z, aa, ab, ..."""
    text = ""
    while index >= 0:
        index, letter = index // 26 - 1, index % 26
        text = chr(ord("a") + letter) + text
    return text


@dataclass(frozen=True)
class Layout:
    """The share of each column in the line width, whether the table is sideways, and how many letters stay together."""

    shares: list[float]
    is_sideways: bool
    longest: int


def _layout(table: Table) -> Layout:
    rows = [row for part in table.parts for row in part.rows]
    columns = list(zip(*rows)) if rows else [()] * len(table.columns)
    gaps = GAP * len(columns)
    for line, longest in [(UPRIGHT, LONGEST[0]), *((SIDEWAYS, letters) for letters in LONGEST)]:
        least = [max(_least(text, longest) for text in (head, *cells)) for head, cells in zip(table.columns, columns)]
        wanted = [max(map(_width, (" ", *cells))) for cells in columns]
        fits = sum(least) + gaps <= line and (line == SIDEWAYS or sum(wanted) + gaps <= 2 * UPRIGHT)
        if fits:
            break
    widths = _fitted(least, wanted, line - gaps)
    return Layout([width / line for width in widths], line == SIDEWAYS, longest)


def _fitted(least: list[float], wanted: list[float], room: float) -> list[float]:
    """Column widths of at most `room` in total. Each column gets what it wants up to a common limit, or its minimum."""
    limit = max(wanted)
    while limit > 0 and sum(max(low, min(want, limit)) for low, want in zip(least, wanted)) > room:
        limit -= 0.25
    widths = [max(low, min(want, limit)) for low, want in zip(least, wanted)]
    return [width * min(1.0, room / sum(widths)) for width in widths]  # words that still do not fit are broken anywhere


def _cell(text: str, longest: int) -> str:
    cell = _breakable(plain(text), longest)
    return f"{{{cell}}}" if cell.startswith(("[", "*")) else cell  # LaTeX would read `\\ [` and `\\ *` as options


def _breakable(text: str, longest: int = LONGEST[0]) -> str:
    """The text in LaTeX, with marks at which a long word may be broken."""
    words = []
    for word in re.split(r"(\s+)", text):
        parts = [r"\-".join(map(_escaped, pieces)) for pieces in _pieces(word, longest)]
        words.append(r"\allowbreak{}".join(parts))
    return re.sub(r"^-(?=\d)", "$-$", "".join(words))


def _pieces(word: str, longest: int) -> list[list[str]]:
    """Split a word at its punctuation, and cut each part into pieces that stay together."""
    return [[part[at : at + longest] for at in range(0, len(part), longest)] for part in _BREAKS.split(word)]


def _width(text: str) -> float:
    """The approximate width of the text in em."""
    return 0.2 + sum(
        _WIDTHS.get(sign, 0.5 if sign.isdigit() else 0.78 if sign.isupper() else 0.53 if sign.isalpha() else 0.5)
        for sign in text
    )


def _least(text: str, longest: int) -> float:
    """The width of the widest piece."""
    words = (piece for word in text.split() for part in _pieces(word, longest) for piece in part)
    return max((_width(piece) for piece in words), default=0.0)
