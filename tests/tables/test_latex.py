"""The committed LaTeX tables: they fit an article's page, and own runs have one."""

import shutil

import pytest

from snnbench.tables.latex import to_latex
from snnbench.tables.render import Part, Table

from .latex import overfull
from .records_of import ROOT

TABLES = sorted((ROOT / "results" / "tables").glob("*.tex"))


def test_own_runs_have_a_table_in_latex_too():
    stems = {path.stem for path in TABLES}
    assert "runs" in stems
    assert stems == {path.stem for path in (ROOT / "results" / "tables").glob("*.md")}
    text = (ROOT / "results" / "tables" / "survey_cifar10.tex").read_text()
    assert text.count(r"\begin{longtable}") > 4
    assert "\nLIF & 92.98 & " in text, "a survey's table has a row a method"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("name", ["survey_cifar10", "runs", "other"])  # upright, two pages, the widest
def test_a_table_fits_its_page(tmp_path, name):
    assert overfull(ROOT / "results" / "tables" / f"{name}.tex", tmp_path) == []


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_columns_never_exceed_the_line(path):
    width = 345  # points: an article's line, and sideways its page
    for line in path.read_text().splitlines():
        if "{landscape}" in line:
            width = 550 if "begin" in line else 345
        if line.startswith(r"\begin{longtable}"):
            shares = [float(part.split("\\")[0]) for part in line.split("p{")[1:]]
            assert sum(shares) + 4 * (len(shares) - 1) / width <= 1


def test_sentences_become_letters_and_a_note_explains_them():
    table = Table(
        "t", "t", ["x", "Protocol"], [Part("", [["1", "32 ep, H100"], ["2", "-"], ["3", "32 ep, H100"], ["4", "8 ep"]])]
    )
    text = to_latex(table)
    assert [line for line in text.splitlines() if line[:1].isdigit()] == [
        r"1 & a \\",
        r"2 & - \\",
        r"3 & a \\",
        r"4 & b \\",
    ]
    assert "Protocol: (a) 32 ep, H100; (b) 8 ep." in text
