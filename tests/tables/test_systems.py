"""The table of surveyed systems: which of our runs stands in a row, and what the counts count."""

import pytest

from snnbench.config.catalogue import options
from snnbench.errors import ConfigError
from snnbench.records import load_record, write_record
from snnbench.tables.groups import group_records
from snnbench.tables.reported import load_reported
from snnbench.tables.systems import HEADER, counts, evidence, load_systems, systems_table

from .records_of import REPORTED, record

HEADLINE, OTHER = "tet/cifar-10/resnet-19/t4", "tet/cifar-10/resnet-19/t6"
LISTED = "survey/cifar10/tebn/top1"  # a row that the system names beside its own


@pytest.fixture(scope="module")
def reported():
    return load_reported(REPORTED)


@pytest.fixture
def system_of(tmp_path, reported):
    def make(switch="method=tet", headline=HEADLINE, also=""):
        path = tmp_path / "systems" / "systems.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{','.join(HEADER)}\n3.5,tet,TET,2022,{switch},{headline},{also}\n")
        (system,) = load_systems(tmp_path, reported)
        return system

    return make


def groups_of(tmp_path, *changes):
    found = []
    for place, change in enumerate(changes):
        path = tmp_path / f"{place}.json"
        write_record(path, record(**{"run_id": f"r{place}", "recipe_hash": f"recipe {place}"} | change))
        found.append(load_record(path))
    return group_records(found)


def test_every_committed_system_is_there_once_and_names_published_rows(reported):
    systems = load_systems(REPORTED, reported)
    assert len({system.key for system in systems}) == 53
    keys = {row.key for row in reported.values()} - {"survey", "cifar_backbones"}
    assert keys <= {system.key for system in systems}


def test_what_turns_a_system_on_is_there(reported):
    words = [word.strip(",") for system in load_systems(REPORTED, reported) for word in system.switch.split()]
    chosen = [word.split("=") for word in words if not word.startswith("kernels=")]  # a key, not an axis
    assert not [(axis, name) for axis, name in chosen if name not in options(axis)]


@pytest.mark.parametrize(
    ("runs", "chosen"),
    [
        ([{"reproduces": OTHER}, {"reproduces": HEADLINE}], HEADLINE),
        ([{"reproduces": HEADLINE, "epochs": 20}, {"reproduces": OTHER}], OTHER),  # the whole protocol of another row
        ([{"reproduces": None, "experiment": "tet/digits"}, {"reproduces": HEADLINE, "epochs": 20}], HEADLINE),
        ([{"reproduces": "plif/cifar-10/6x256c3-plif-net/t8"}], "nothing"),
        ([{"reproduces": LISTED}], LISTED),
    ],
)
def test_the_run_that_says_most_stands_in_the_row(tmp_path, reported, system_of, runs, chosen):
    group = evidence(system_of(also=LISTED), reported, groups_of(tmp_path, *runs))
    assert (group.first.reproduces if group else "nothing") == chosen


def test_cells_and_counts(tmp_path, reported, system_of):
    runs = {"reproduces": HEADLINE, "acc_best_test": 94.10, "epochs_s": 120.0, "device": {"name": "NVIDIA H100"}}
    groups = groups_of(tmp_path, runs)
    table = systems_table([system_of()], reported, groups)
    row = dict(zip(table.columns, table.parts[0].rows[0]))
    assert (row["Headline (%)"], row["Published there (%)"]) == ("94.44", "94.44")
    assert (row["Ours, best test epoch (%)"], row["Difference"], row["GPU-minutes"]) == ("94.10", "-0.34", "2.0")
    assert "1 of the survey's 1 systems are built; 1 have a record" in table.notes[0]
    assert "1 of these lie within 0.5 points" in table.notes[0]


def test_a_shortened_run_is_marked_and_is_not_counted_as_close(tmp_path, reported, system_of):
    groups = groups_of(tmp_path, {"reproduces": HEADLINE, "acc_best_test": 94.40, "epochs": 20})
    table = systems_table([system_of()], reported, groups)
    row = dict(zip(table.columns, table.parts[0].rows[0]))
    assert row["Difference"] == "-0.04 (20 of 256 ep)"
    assert row["GPU-minutes"] == "-"
    assert "0 of these lie" in counts([system_of()], reported, groups)


def test_a_system_that_is_not_built_says_so(reported, system_of):
    row = systems_table([system_of(switch="")], reported, []).parts[0].rows[0]
    assert row[3] == "not built"
    assert set(row[6:]) == {"-"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("section,key\n", "every line must have the columns"),
        (f"{','.join(HEADER)}\n3.5,tet,TET,2022,,no/such/row,\n", "'tet' names the published row 'no/such/row'"),
        (f"{','.join(HEADER)}\n" + f"3.5,tet,TET,2022,,{HEADLINE},\n" * 2, "a system is there twice"),
    ],
)
def test_a_damaged_list_is_one_sentence(tmp_path, reported, text, sentence):
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "systems.csv").write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        load_systems(tmp_path, reported)
