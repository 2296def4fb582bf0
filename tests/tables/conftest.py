"""How the tests of this folder build tables."""

import pytest

from snnbench.bench_rows import append
from snnbench.records import write_record
from snnbench.tables.build import build_all

from .records_of import REPORTED


@pytest.fixture
def build(tmp_path):
    """Every table from these records, in a folder that is returned; speeds: rows of the bench's CSV."""

    def run(*records, speeds=(), reported=REPORTED):
        (tmp_path / "runs").mkdir(exist_ok=True)
        for place, values in enumerate(records):
            write_record(tmp_path / "runs" / str(place) / "run.json", values)
        for row in speeds:
            append(tmp_path / "bench", "survey_nets", row)
        build_all(tmp_path / "runs", reported, tmp_path / "out", bench_dir=tmp_path / "bench")
        return tmp_path / "out"

    return run
