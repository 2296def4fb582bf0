"""`snnbench list`: every component explains its parameters, recipes tell their section and records, lines fit."""

import re

import pytest
from omegaconf import OmegaConf

from snnbench.axes import AXES, BUNDLES
from snnbench.cli import recipes
from snnbench.cli.main import main
from snnbench.config.catalogue import options, path_of
from snnbench.config.parameters import arguments, explain
from snnbench.records import load_records
from snnbench.tables.reported import load_reported

from ..tables.records_of import ROOT


@pytest.fixture
def run(capsys, monkeypatch):
    """Run the command in a terminal of some width; returns its lines."""

    def listed(*wanted, width=80, code=0):
        monkeypatch.setenv("COLUMNS", str(width))
        assert main(["list", *wanted]) == code
        printed = capsys.readouterr()
        return (printed.out if code == 0 else printed.err).splitlines()

    return listed


@pytest.mark.parametrize("axis", AXES)
def test_every_parameter_of_every_component_has_a_default_a_type_and_a_line(run, axis):
    for option in options(axis):
        values = OmegaConf.to_container(OmegaConf.load(path_of(axis, option)), resolve=False)
        _, _, parameters = explain(axis, option)
        assert {parameter.name for parameter in parameters} == values.keys() - {"_target_", "defaults"}
        assert all(parameter.type and parameter.default for parameter in parameters)
        text = "\n".join(run(f"{axis}={option}"))
        assert values["_target_"] in text
        for parameter in parameters:
            assert re.search(rf"^  {axis}\.{parameter.name} += ", text, re.MULTILINE), (option, parameter.name)


def test_a_neuron_in_full(run):
    text = "\n".join(run("neuron=lif"))
    assert "neuron.tau          = 2.0  (a number > 1)\n      The membrane time constant, in steps." in text
    assert "neuron.reset        = hard  (one of hard, soft)" in text
    assert (
        "The firing threshold, in units of the membrane potential" in text
    )  # of the base class that its docstring names
    assert "site" not in "".join(re.findall(r"^  neuron\.(\w+)", text, re.MULTILINE))  # the program passes that


def test_meanings_are_those_of_the_docstring_and_no_others():
    text = """What it does. eps: keeps it finite.

    Args:
        one, two: of both. three: inside the
            same entry.
        four: see `Base`.

    Raises:
        ConfigError: five: never.
    """
    known = ("one", "two", "three", "four", "five", "eps")
    assert arguments(text.replace("\n    ", "\n"), known) == {
        "eps": "keeps it finite.", "one": "of both.", "two": "of both.", "three": "inside the same entry.",
        "four": "see `Base`.",
    }  # fmt: skip
    assert arguments("No word of them.", known) == {}


@pytest.mark.parametrize("width", [60, 80, 132])
@pytest.mark.parametrize("wanted", [[], *([group] for group in [*AXES, *BUNDLES]), ["neuron=glif"], ["data=cifar10"]])
def test_lines_fit_the_terminal_and_lose_no_word(run, wanted, width):
    lines = run(*wanted, width=width)
    longest = [line for line in lines if len(line) > width and " " in line.strip()]
    assert not longest
    if wanted and "=" not in wanted[0]:
        text = " ".join(" ".join(lines).split())
        assert all(name in text for name in options(wanted[0]))


def test_recipes_stand_under_the_section_of_their_published_row(run):
    reported, headings = load_reported(ROOT / "results" / "reported"), {}
    for line in run("experiment", width=200):
        if line and not line.startswith(" "):
            section = line
        elif line.startswith("  ") and "[" in line and not line.startswith("   "):
            headings[line.split()[0]] = section
    assert set(headings) == set(options("experiment"))
    for name, heading in headings.items():
        row = re.search(r"^reproduces: (\S+/\S+)", path_of("experiment", name).read_text(), re.MULTILINE)
        if row:
            section = reported[row[1]].section
            assert (f"section {section}" if section != "3" else "(section 3)") in heading, name
    assert "3.1" in headings["slayer/digits"]
    assert headings["demo/tet"].startswith("outside")


def test_a_recipe_tells_its_kept_record():
    kept = {record.experiment for record in load_records(ROOT / "results" / "records") if record.status == "done"}
    for name in options("experiment"):
        assert recipes.state_of(name) == "no kept record" or name in kept
    whole, short = recipes.state_of("survey/cifar10_lif"), recipes.state_of("survey/sequential_cifar10_osr")
    assert re.fullmatch(r"kept record: 9\d\.\d\d( ± \d\.\d\d)? %, published 92\.98 %", whole)
    assert re.match(r"kept record: \d\d\.\d\d % over 32 of 256 epochs, published", short)


def test_patterns(run):
    assert run("experiment=tet*")[0] == "section 3.5 of the survey: tet"
    assert [line.split()[0] for line in run("neuron=*psn", width=200)[1:]] == [
        name for name in options("neuron") if name.endswith("psn")
    ]
    assert "- override /objective: tet" in "\n".join(run("method=tet"))
    assert "reproduces: tet/cifar-10/" in "\n".join(run("experiment=tet/cifar10_resnet19"))


@pytest.mark.parametrize(("wanted", "words"), [
    ("nuron", "the nearest is neuron"), ("neuron=liff", "the nearest is lif"), ("experiment=tte*", "fits no option"),
    ("neuron=", "fits no option"), ("nuron=lif", "'nuron' is no axis"),
])  # fmt: skip
def test_what_is_not_there_is_one_sentence(run, wanted, words):
    (line,) = run("model", wanted, code=2)  # nothing is listed before
    assert words in line
