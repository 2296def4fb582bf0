"""`snnbench bench` on the CPU in tiny size: rows, pages, errors, refusals."""

import csv
from dataclasses import replace

import pytest
import torch

from snnbench.bench import end_to_end, neurons, recipes, saturation, scaling, survey
from snnbench.bench.clock import Effort, measure
from snnbench.bench.engines import eager, ours
from snnbench.bench.kernels import run_kernels
from snnbench.bench.pages import write_page
from snnbench.bench.plots import write_plots
from snnbench.bench.session import Session
from snnbench.bench.step import MODES, Mode, Variant, variants_of
from snnbench.bench.table import run_table
from snnbench.bench.works import bench_config, load_work
from snnbench.bench_rows import FILES, append, latest, load
from snnbench.cli.main import main
from snnbench.config.paths import results_dir
from snnbench.errors import ConfigError

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def session(tmp_path):
    return Session(CPU, tmp_path, "tiny", Effort(2, warmup=0, seconds=0), say=lambda text: None)


def test_the_command_measures_and_renders(tmp_path, capsys):
    code = main(
        ["bench", "size=tiny", "device=cpu", f"out={tmp_path}", "work=csnn,lif_fp32", "engine=ours,eager,floor"]
    )
    assert code == 0
    with (tmp_path / "bench.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == FILES["bench"]
    assert {(row["work"], row["engine"]) for row in rows} == {
        (work, engine) for work in ("csnn", "lif_fp32") for engine in ("ours", "eager", "floor")
    }
    assert {row["status"] for row in rows} == {"ok"}
    assert all(float(row["ms_p10"]) <= float(row["ms_median"]) <= float(row["ms_p90"]) for row in rows)
    assert rows[0]["parameters"] == rows[1]["parameters"]
    assert "csnn ours fp32" in capsys.readouterr().out

    page = (tmp_path / "bench.md").read_bytes()
    assert b"| csnn (tiny) | samples/s |" in page
    (tmp_path / "bench.md").unlink()
    assert main(["bench", f"out={tmp_path}", "render=true"]) == 0
    assert (tmp_path / "bench.md").read_bytes() == page
    assert len(load(tmp_path, "bench")) == len(rows)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "out of memory"),
        (ImportError("no module"), "not installed"),
        (ConfigError("does not fit"), "refused"),
        (RuntimeError("broken\nsecond line"), "failed"),
    ],
)
def test_an_engine_that_fails_is_a_row(session, monkeypatch, error, status):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(eager, "prepare", fail)
    run_table(session, ["lif_fp32"], ["eager", "ours"])
    failed, measured = load(session.out, "bench")
    assert failed["status"] == status
    assert failed["sentence"] == f"{type(error).__name__}: {str(error).splitlines()[0]}"
    assert measured["status"] == "ok"
    write_page(session.out)
    assert f"lif_fp32, eager fp32 contiguous eager: {status}." in (session.out / "bench.md").read_text()


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("work=cnn", "work=cnn is nothing to measure: the nearest is csnn"),
        ("engine=our", "engine=our is no engine: the nearest is ours"),
        ("size=small", "size=small must be one of full, tiny"),
        ("repeats=0", "repeats=0 must be a whole number above 0"),
        ("curve=t", "curve=t is no curve of scaling"),
        ("kernel=lif_trian", "kernel=lif_trian is no kernel of kernels"),
        ("limit_s=soon", "limit_s=soon must be a number above 0"),
        ("works=csnn", "'works=csnn' is not understood"),
    ],
)
def test_wrong_arguments_are_refused(argument, sentence, capsys, tmp_path):
    assert main(["bench", argument, f"out={tmp_path}"]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_to_render_is_said(tmp_path, capsys):
    assert main(["bench", "render=true", f"out={tmp_path}"]) == 2
    assert "holds no CSV" in capsys.readouterr().err


def test_no_measurement_starts_after_the_limit(session):
    session.limit_s = 0.0
    run_table(session, ["lif_fp32"], ["ours"])
    run_kernels(session)
    assert all(row["kernel"] == "copy" for row in load(session.out, "kernels"))
    assert not load(session.out, "bench")


def test_a_training_step_can_be_replaced(session, monkeypatch):
    made = []

    def mine(model, optimizer, x_seq, target, precision):
        made.append((tuple(x_seq.shape), tuple(target.shape), precision))
        return lambda: None

    monkeypatch.setitem(MODES, "eager", Mode(mine))
    run_table(session, ["csnn"], ["ours"])
    assert made == [((2, 4, 3, 16, 16), (4,), "fp32")]
    assert load(session.out, "bench")[0]["status"] == "ok"


def test_a_network_of_another_size_is_no_measurement(session):
    work = replace(load_work("csnn", "tiny"), parameters=1)
    with pytest.raises(ValueError, match="1 were expected"):
        ours.prepare(work, ours.variants(work, CPU, False)[0], CPU)


def test_kernels_scaling_and_survey(session, monkeypatch):
    node = bench_config()["scaling"]
    monkeypatch.setitem(bench_config(), "scaling", {curve: node[curve] for curve in ("T", "batch")})
    monkeypatch.setitem(bench_config()["kernels"], "dtypes", ["fp32"])
    monkeypatch.setitem(bench_config()["survey_speed"], "neurons", ["lif", "plif"])
    run_kernels(session)
    scaling.run_scaling(session)
    survey.run_survey_speed(session)
    monkeypatch.setattr(recipes, "recipes", lambda: ["survey/cifar10_psn", "survey/sequential_cifar10_clif_survey"])
    recipes.run_survey_nets(session)
    for name in ("kernels", "scaling", "survey_speed", "survey_nets"):
        rows = load(session.out, name)
        assert {row["status"] for row in rows if row["engine"] != "spikingjelly"} == {"ok"}, name
    lif = next(row for row in load(session.out, "kernels") if row["kernel"] == "lif_train")
    elements = 2 * 4 * 8 * 8 * 8
    assert float(lif["gb_per_s"]) == pytest.approx(elements * 5 * 4 / float(lif["ms_median"]) / 1e6, rel=1e-4)
    (page,) = write_page(session.out)
    for heading in ("Kernels against copy bandwidth", "Scaling", "speed rows", "speed study"):
        assert heading in page.read_text()
    pytest.importorskip("matplotlib")
    (plot,) = write_plots(session.out)
    once = plot.read_bytes()
    write_plots(session.out)
    assert plot.read_bytes() == once
    text = plot.read_text()
    assert text.count(">ms a step<") == 2  # a panel for what was measured,
    assert ">peak GiB<" not in text  # none for what was not: the CPU has no peak
    assert ">time steps<" in text
    assert ">ottt_T<" not in text


def test_every_recipe_of_the_survey_is_measured(session):
    """All of them are walked, with the rows they reproduce; SpikingJelly stands beside those whose neuron it has."""
    names = recipes.recipes()
    assert {"survey/cifar10_clif", "survey/sequential_cifar10_sliding_psn"} <= set(names)
    for name in names:
        work, config = recipes.work_of(name, "full")
        assert work.batch == config["train"]["batch_size"]
        assert config["T"] == (32 if "sequential" in name else 1 if name.endswith("_ann") else 4)
    assert recipes.work_of("survey/sequential_cifar10_lif", "tiny")[1]["T"] == 8  # as wide as its image


def test_a_recipe_that_does_not_run_is_a_row(session, monkeypatch):
    def refuse(*arguments):
        raise ConfigError("needs a teacher")

    monkeypatch.setattr(recipes, "recipes", lambda: ["survey/cifar10_lif"])
    monkeypatch.setattr(recipes, "work_of", refuse)
    recipes.run_survey_nets(session)
    train, test = load(session.out, "survey_nets")
    assert (train["status"], test["phase"]) == ("refused", "test")
    assert train["sentence"] == "ConfigError: needs a teacher"
    write_page(session.out)
    assert "ours survey/cifar10_lif: refused." in (session.out / "bench.md").read_text()


def test_a_step_that_cannot_be_captured_is_tried_eagerly(session, monkeypatch):
    monkeypatch.setattr(recipes, "recipes", lambda: ["survey/cifar10_if"])
    ways = [recipes.Variant("fp32", mode=mode) for mode in ("captured", "eager", "again")]
    monkeypatch.setattr(recipes, "_ways", lambda engine, device: ways)
    monkeypatch.setattr(recipes, "peer_of", lambda config: None)
    recipes.run_survey_nets(session)
    rows = load(session.out, "survey_nets")
    assert [row["phase"] for row in rows] == ["train", "train", "test", "test"]
    for captured, eagerly in (rows[:2], rows[2:]):
        assert (captured["mode"], captured["status"] != "ok") == ("captured", True)
        assert (eagerly["mode"], eagerly["status"]) == ("eager", "ok")


def test_ottt_can_be_measured():
    work = scaling._work("ottt_T", scaling.sized(bench_config()["scaling"]["ottt_T"], "tiny"), 2)
    prepared = scaling._prepare(work, ours.Variant("fp32", mode="eager"), CPU, "reference")
    assert torch.isfinite(prepared.step())


def test_the_latest_row_of_a_kind_counts_and_other_columns_are_refused(tmp_path):
    for value in (1.0, 2.0):
        append(tmp_path, "bench", {"work": "csnn", "engine": "ours", "status": "ok", "ms_median": value})
    (row,) = latest(load(tmp_path, "bench"), ("work", "engine"))
    assert row["ms_median"] == "2"
    with pytest.raises(ValueError, match="no column nonsense"):
        append(tmp_path, "bench", {"nonsense": 1})
    (tmp_path / "bench.csv").write_text("a,b\n")
    with pytest.raises(ConfigError, match="another version"):
        load(tmp_path, "bench")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda raw: raw.decode().encode("utf-16"), "cannot be read as a CSV file"),
        (lambda raw: b"\xff\xe9" + raw, "cannot be read as a CSV file"),
        (lambda raw: raw.replace(b"ok", b"x" * 200_000), "cannot be read as a CSV file"),
        (lambda raw: raw.replace(b",2.5", b",fast"), "ms_median is 'fast' but must be a finite number"),
        (lambda raw: raw.replace(b",2.5", b",nan"), "ms_median is 'nan' but must be a finite number"),
        (lambda raw: raw.replace(b",2.5", b","), "ms_median is '' but must be a finite number"),
        (lambda raw: raw[:-4], "wrong number of cells"),
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path, capsys, name, spoil, words):
    counted = {key: 1 for key in ("value", "time_steps", "power") if key in FILES[name]}
    append(tmp_path, name, {"status": "ok", "ms_median": 2.5, **counted})
    path = tmp_path / f"{name}.csv"
    path.write_bytes(spoil(path.read_bytes()))
    assert main(["bench", "render=true", f"out={tmp_path}"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert words in line
    assert str(path) in line


def test_a_header_in_the_middle_is_refused_where_its_words_would_be_numbers(tmp_path):
    append(tmp_path, "scaling", {"status": "ok", "ms_median": 1.0, "value": 4})
    path = tmp_path / "scaling.csv"
    path.write_text(path.read_text() * 2)
    with pytest.raises(ConfigError, match="line 3: value is 'value' but must be a whole number"):
        load(tmp_path, "scaling")


def test_the_clock_takes_quantiles():
    timing = measure(lambda: None, CPU, Effort(5, warmup=1, seconds=0))
    assert timing.steps == 5
    assert timing.ms_p10 <= timing.ms_median <= timing.ms_p90
    assert timing.peak_gib is None


def test_engines_take_turns(session):
    """A bench that is cut short has measured the first variant of every engine."""
    run_table(session, ["csnn"], ["ours", "eager"])
    assert [row["engine"] for row in load(session.out, "bench")] == ["ours", "eager"]
    on_gpu = variants_of(load_work("csnn", "full"), torch.device("cuda"), ("captured", "eager"))
    assert on_gpu[0] == Variant("bf16", "channels_last", "captured")
    assert len({(v.precision, v.layout, v.mode) for v in on_gpu}) == 8


def test_the_batch_doubles_until_it_no_longer_pays(session, monkeypatch):
    speeds = {2: 100.0, 4: 190.0, 8: 191.0, 16: 400.0}
    monkeypatch.setitem(bench_config()["saturation"]["tiny"], "most", 64)
    measured = lambda prepare, batch: {"status": "ok", "samples_per_s": speeds[batch], "ms_median": 1.0}  # noqa: E731
    monkeypatch.setattr(session, "attempt", measured)
    monkeypatch.setattr(session, "record", lambda name, row, title: append(session.out, name, row))
    saturation.run_saturation(session)
    rows = [row for row in load(session.out, "scaling") if row["engine"] == "ours"]
    assert [(row["curve"], row["value"]) for row in rows] == [
        ("csnn_batch", "2"),
        ("csnn_batch", "4"),
        ("csnn_batch", "8"),
    ]


def test_the_whole_trainer_is_measured_on_random_files(session):
    end_to_end.run_end_to_end(session)
    (row,) = load(session.out, "bench")
    assert (row["work"], row["engine"], row["status"]) == ("spikformer", "trainer", "ok"), row["sentence"]
    assert float(row["samples_per_s"]) > 0


def test_every_work_composes_in_both_sizes():
    for size in ("full", "tiny"):
        for name in bench_config()["works"]:
            assert load_work(name, size).config()["model"]


def test_the_committed_page_is_what_its_csvs_give(tmp_path):
    folder = results_dir() / "bench"
    if not any(folder.glob("*.csv")):
        pytest.skip("no measurements are committed yet")
    for path in folder.glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (page,) = write_page(tmp_path)
    assert page.read_text() == (folder / "bench.md").read_text(), "run `snnbench bench render=true`"


def test_neurons_without_a_kernel_beside_those_with_one(session, monkeypatch):
    """The rows are told apart by their way; README's neuron has a LIF's place in the network."""
    node = bench_config()["neurons"] | {"without_kernel": ["step_only", "cuba_lif"]}
    monkeypatch.setitem(bench_config(), "neurons", node)
    neurons.run_neurons(session)
    neurons.run_neuron_layers(session)
    rows = load(session.out, "neurons")
    assert {row["status"] for row in rows} == {"ok"}
    assert [(row["work"], row["neuron"], row["engine"]) for row in rows] == [
        ("csnn", "lif", "kernel"),
        *(("csnn", name, way) for way in ("compiled", "walk") for name in ("step_only", "cuba_lif")),
        *(("layer", name, way) for name in ("lif", "alif") for way in ("kernel", "compiled")),
    ]
    assert len({row["parameters"] for row in rows if row["work"] == "csnn"}) == 1
    write_page(session.out)
    page = (session.out / "bench.md").read_text()
    assert "| neuron | compiled samples/s | of LIF |" in page
    assert "| step_only |" in page
    assert "| alif |" in page
