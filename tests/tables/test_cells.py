"""Names in records may come from strangers: no format shows one that computes, hides, runs or breaks the table."""

import csv
import re
import shutil
import unicodedata

import pytest

from snnbench.records import RunRecord
from snnbench.tables.build import build_all
from snnbench.tables.cells import plain
from snnbench.tables.latex import escape_latex
from snnbench.tables.render import escape_markdown, markdown_note

from .latex import overfull
from .records_of import REPORTED, record

FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-cmd|' /C calc'!A0", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1", "  =1",
            "\x00=1", "\u200b=1", "-1+cmd|'x'!A0", "+1 (HYPERLINK(1))", "-A1", "＝1+1", "＋1", "a;=1+1", "x; @y",
            "--1", "-", "+", "-1;=2"]  # fmt: skip
NUMBERS = ["-0.14", "+0.24", "-", "+0.00", "-31.78 (20 of 256 ep)", "+9.83‡ (2 splits)", "-0.1 ± 0.2", "-17,542,026",
           "93.00 ± 1.00", "-1e-05", "+1.5%", "-2.00 (20 of 256 ep, changed)"]  # fmt: skip
HOSTILE = [
    *FORMULAS, "a|b", "`x`", "a ` b", "<script>alert(1)</script>", "\\input{/etc/passwd}", "\\write18{touch x}",
    "one\ntwo\r\nthree", "![x](http://x.y)", "[x]: http://x.y", "&lt;b&gt;", "$\\alpha$", "*a* _b_ ~~c~~ # d", "^^41",
    "100 % & {more}", "\x1b[31mred", "abc\u202edcba", "Zoë Ωμέγα 😀 報", "x" * 300, "*", "[1]", "--a---b", "?` !`",
    "a_b", '"quoted", with commas', "'", "\\", "__init__",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_would_compute_is_text(text):
    for cell in re.split(r";\s*", plain(text)):
        assert cell == "-" or cell[0] not in "=+-@＝＋－＠" or re.fullmatch(r"[+-]\d+", cell)


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_of_ours_stay_numbers(text):
    assert plain(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_no_format_shows_more_than_the_text_itself(text):
    shown = plain(text)
    assert shown == " ".join(shown.split())
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs")]
    markdown, latex = escape_markdown(text), escape_latex(text)
    assert not re.search(r"(?<!\\)(\\\\)*[`*\[\]<>|~#$]", markdown)
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown) == shown
    assert latex.isascii()
    assert "\n" not in latex
    words = "backslash asciitilde asciicircum less greater bar asciigrave"
    ours = {*"&%$#_{}", "pm", "dagger", "ddagger", "times", *(f"text{word}" for word in words.split())}
    assert set(re.findall(r"\\([a-zA-Z]+|.)", latex)) <= ours


def test_markdown_has_no_backslash_that_it_does_not_need():
    assert escape_markdown("feature_kd, survey/cifar10_lif") == "feature_kd, survey/cifar10_lif"
    assert escape_markdown("_a_ __init__ a_") == r"\_a\_ \_\_init\_\_ a\_"
    assert (
        markdown_note("run `snnbench bench work=survey_nets` | <b>")
        == r"run `snnbench bench work=survey_nets` \| \<b\>"
    )
    assert markdown_note("a lone ` stays") == r"a lone \` stays"


@pytest.fixture(scope="module")
def hostile_tables(tmp_path_factory):
    """Every table, from records whose every name is hostile."""
    folder, records = tmp_path_factory.mktemp("hostile"), []
    axes = ("data", "model", "neuron", "norm", "objective", "rule", "surrogate", "method")
    for place, text in enumerate(HOSTILE):
        recipe = {0: text, 1: "neurons/cifar10", 2: "speedrun/x"}[place % 3]
        values = record(
            name=text or "x", experiment=recipe, reproduces=["survey/cifar10/lif/top1", text][place % 2],
            choices=dict.fromkeys(axes, text),
            config={"T": 4, "neuron": {"tau": text, text: 1}, "train": {}}, deviations={text: [1, text]},
            data={"split": text, "split_hash": text, "data_hash": text}, device={"name": text, "precision": text},
            status="failed" if place % 5 == 0 else "done", error=text, config_hash=str(place), recipe_hash=str(place),
        )  # fmt: skip
        records.append(RunRecord(**values))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "snnbench.tables.build.load_records", lambda _: records
        )  # whatever a reader of files lets through
        build_all(folder, REPORTED, folder / "out")
    return folder / "out"


def test_every_csv_is_free_of_formulas(hostile_tables):
    for path in hostile_tables.glob("*.csv"):
        text = path.read_bytes().decode()
        assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cf") and c != "\n"], path
        for line in csv.reader(text.splitlines()):
            for cell in line:
                assert cell[:1] not in tuple("=@\t\r＝＋－＠"), (path.name, cell)
                assert cell[:1] not in ("+", "-") or cell == "-" or re.match(r"[+-]\d", cell), (path.name, cell)


def test_every_markdown_table_keeps_its_columns_and_no_html(hostile_tables):
    for path in hostile_tables.glob("*.md"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines[1:] if re.search(r"(?<!\\)<", re.sub(r"`[^`]*`", "", line))], path
        blocks = "\n".join(lines).split("\n\n")
        for block in (block.splitlines() for block in blocks if block.startswith("| ")):
            assert len({len(re.findall(r"(?<!\\)\|", line.replace("\\\\", ""))) for line in block}) == 1, path


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("name", ["runs", "cifar10"])
def test_latex_sets_hostile_names_within_the_page(hostile_tables, tmp_path, name):
    assert overfull(hostile_tables / f"{name}.tex", tmp_path) == []
