"""`snnbench plot`: what it draws, from which files, and one sentence where it cannot."""

import re
import sys

import pytest

from snnbench.cli.main import main
from snnbench.records import write_record
from snnbench.tables.run_plot import draw, read_learnt

from .records_of import record

METRICS = "epoch,lr,loss,acc_train,acc_test,loss_test,acc_val,loss_val\n"
LEARNT = "epoch,layer,name,count,mean,std,min,max\n"


@pytest.fixture
def folder(tmp_path):
    """A run of two epochs with PLIF's tau in two layers and a delay in one."""
    (tmp_path / "metrics.csv").write_text(METRICS + "1,0.1,2.3,10,11,2.2,,\n2,0.1,1.5,50,55,1.4,,\n")
    rows = [f"{e},conv{i}.neuron,tau,1,{2 - 0.1 * e * i},0,{2 - 0.1 * e * i},2" for e in range(3) for i in (1, 2)]
    rows += [f"{e},conv1.synapse,delay,40,{e},1,0,8" for e in range(3)]
    (tmp_path / "parameters.csv").write_text(LEARNT + "\n".join(rows) + "\n")
    return tmp_path


def test_every_quantity_and_layer_is_drawn(folder):
    write_record(folder / "run.json", record(name="plif_run", status="interrupted"))
    text = draw(folder, folder / "plot.svg").read_text()
    for word in ("accuracy", "loss", "tau: mean", "delay: mean", "conv1.neuron", "conv2.neuron", "conv1.synapse",
                 "plif_run, seed 0 (interrupted)"):  # fmt: skip
        assert word in text
    assert "val" not in text  # nothing was measured there
    learnt = read_learnt(folder)
    assert list(learnt) == ["tau", "delay"]
    assert learnt["tau"]["conv2.neuron"] == [(0, 2, 2, 2), (1, 1.8, 1.8, 2), (2, 1.6, 1.6, 2)]
    assert learnt["delay"] == {"conv1.synapse": [(0, 0, 0, 8), (1, 1, 0, 8), (2, 2, 0, 8)]}


def test_many_layers_stay_readable(folder):
    rows = [f"{e},layer{i},tau,1,2,0,2,2" for e in range(2) for i in range(40)]
    (folder / "parameters.csv").write_text(LEARNT + "\n".join(rows) + "\n")
    text = draw(folder, folder / "plot.svg").read_text()
    assert [i for i in range(40) if f"layer{i}<" in text] == list(range(0, 40, 3))


@pytest.mark.parametrize(
    ("metrics", "learnt", "words"),
    [
        (None, None, "holds no metrics.csv"),
        (METRICS, None, "has finished no epoch yet"),
        ("epoch,loss\n1,2\n", None, "column acc_train is missing"),
        (METRICS + "1,0.1,2.3,ten,11,2.2,,\n", None, "'ten' is no number"),
        (METRICS + "1,0.1,2.3,10,11,2.2,,\n", "epoch,layer\n0,a\n", "column name is missing"),
        (METRICS + "1,0.1," + "9" * 200_000 + "\n", None, "field larger than field limit"),
        ((METRICS + "1,0.1,2.3,10,11,2.2,,\n").encode("utf-16"), None, "cannot be read as a CSV file"),
        (METRICS + "1,0.1,2.3,10,11,2.2,,\n", b"\xff\xe9" + LEARNT.encode(), "cannot be read as a CSV file"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(tmp_path, capsys, metrics, learnt, words):
    for name, text in (("metrics.csv", metrics), ("parameters.csv", learnt)):
        if text is not None:
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["plot", f"run={tmp_path}"]) == 2
    error = capsys.readouterr().err.strip()
    assert words in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "plot.png").exists()


def test_a_refused_picture_leaves_nothing_behind(folder, capsys):
    (folder / "run.json").write_text("{}")
    assert main(["plot", f"run={folder}", f"out={folder}/new/plot.png"]) == 2
    assert not (folder / "new").exists()
    (folder / "run.json").unlink()
    (folder / "plot.svg").mkdir()
    assert main(["plot", f"run={folder}", f"out={folder}/plot.svg"]) == 2
    assert "plot.svg" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["metrics.csv", "parameters.csv", "plot.svg"]


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("out=plot.gif", "must end in .png, .svg, .pdf"),
        ("x=1", "'x=1' is not"),
        ("format=gif", "must be one of png, svg, pdf"),
        ("format=png out=x.png", "not both"),
        (None, "run=<run folder>"),
    ],
)
def test_wrong_arguments(folder, capsys, argument, words):
    assert main(["plot", *([f"run={folder}", *argument.split()] if argument else [])]) == 2
    assert words in capsys.readouterr().err


def test_without_matplotlib_it_says_what_to_install(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["plot", f"run={folder}"]) == 2
    assert "pip install 'snnbench[bench]'" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_every_format_is_the_same_every_time(folder, kind, capsys):
    assert main(["plot", f"run={folder}", f"format={kind}"]) == 0
    once = (folder / f"plot.{kind}").read_bytes()
    assert once[:4] == {"png": b"\x89PNG", "svg": b"<?xm", "pdf": b"%PDF"}[kind]
    assert {path.name for path in folder.iterdir()} == {"metrics.csv", "parameters.csv", f"plot.{kind}"}
    assert main(["plot", f"run={folder}", f"format={kind}"]) == 0
    assert (folder / f"plot.{kind}").read_bytes() == once
    assert capsys.readouterr().out.split() == [str(folder / f"plot.{kind}")] * 2
    (folder / "parameters.csv").unlink()
    assert main(["plot", f"run={folder}"]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "plot.png")


@pytest.mark.parametrize("offset", [0.0, 1e-7, 1e-4])
def test_a_flat_curve_reads_plainly_and_looks_flat(folder, offset):
    losses = [2.302585 + offset * epoch for epoch in range(3)]
    rows = [f"{epoch},0.1,{loss},10,10,{loss},," for epoch, loss in enumerate(losses, start=1)]
    (folder / "metrics.csv").write_text(METRICS + "\n".join(rows) + "\n")
    text = draw(folder, folder / "plot.svg").read_text()
    ticks = [float(tick) for tick in re.findall(r">(-?\d+\.\d+)</text>", text)]
    assert {2.2, 2.3, 2.4} <= {round(tick, 2) for tick in ticks}
    assert "+2.30" not in text
    assert "1e" not in re.sub(r"<[^>]*>", "", text.partition("</metadata>")[2])
