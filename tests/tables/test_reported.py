"""The committed published numbers: complete, numeric, each with a source and a verified flag."""

import pytest

from snnbench.errors import ConfigError
from snnbench.tables.reported import COLUMNS, load_reported

from .records_of import REPORTED


def test_integrity():
    rows = load_reported(REPORTED)  # checks ids, numbers, sources and flags
    assert len(rows) > 500
    assert "CIFAR10" not in {row.dataset for row in rows.values()}, "one spelling of a data set"
    for row in rows.values():
        assert row.verified in ("yes", "no")
        assert row.source
        assert row.dataset
        assert row.id == row.id.strip("/").lower()
        if row.quantity == "top1":
            assert 0 < row.number <= 100
        if "recalled" in row.source and "secondary" not in row.source:
            assert not row.is_verified, row.id
        if row.same_as:
            other = rows[row.same_as]
            assert (other.number, other.dataset) == (row.number, row.dataset)
            assert not other.same_as


HEADER = ",".join(COLUMNS)
GOOD = "a/b,a,3,t,f,v,2020,D,A,N,4,top1,percent,90.0,,paper,yes,"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([GOOD, GOOD], "there twice"),
        ([GOOD.replace("90.0", "high")], "not a number"),
        ([GOOD.replace(",yes,", ",maybe,")], "must be yes or no"),
        ([GOOD.replace(",paper,", ",,")], "lacks an id or a source"),
        ([GOOD + "nowhere"], "names no row"),
        ([GOOD + ",more"], "wrong number of cells"),
        ([GOOD.replace("90.0", "inf")], "value 'inf' of 'a/b' is not a number"),
        ([GOOD.replace(",N,4,", ",N,=1+1,")], "T '=1\\+1' of 'a/b' is not a number"),
        ([GOOD.replace(",percent,", "," + "x" * 200_000 + ",")], "cannot be read as a CSV file"),
        (b"id,value\n", "header"),
        (HEADER.encode("utf-16"), r"x\.csv cannot be read as a CSV file .*UTF-8"),
        (b"\xff" + HEADER.encode(), r"x\.csv cannot be read as a CSV file .*UTF-8"),
    ],
)
def test_broken_files_and_rows_are_named(tmp_path, lines, words):
    content = lines if isinstance(lines, bytes) else "\n".join([HEADER, *lines, ""]).encode()
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        load_reported(tmp_path)
