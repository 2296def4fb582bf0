"""A run folder that two starts want: one gets it, the other says so; and who dies leaves it free."""

import os
import time
from multiprocessing import get_context
from threading import Timer

import pytest

from snnbench.cli.main import main
from snnbench.errors import ConfigError
from snnbench.train import lock
from snnbench.train.launch import ALONE, Launch
from snnbench.train.lock import locked
from tests.train.conftest import assert_refused, only_run

FORK = get_context("fork")


def hold_until_told(folder, pipe):
    with locked(folder, ALONE):
        if os.fork() == 0:  # a data worker, which may outlive its parent for some seconds
            time.sleep(20)
            os._exit(0)
        pipe.send("held")
        pipe.recv()


@pytest.fixture
def hold():
    """Start a process that holds a folder; returns the process, and what to call for it to end."""
    started = []

    def _hold(folder):
        ours, theirs = FORK.Pipe()
        started.append(FORK.Process(target=hold_until_told, args=(folder, theirs)))
        started[-1].start()
        assert ours.recv() == "held"
        return started[-1], lambda: ours.send("end")

    yield _hold
    for process in started:
        process.kill()
        process.join()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE_S", 0.3)
    monkeypatch.setattr(lock, "FIRST_S", 0.3)


def test_the_second_start_is_refused_and_the_kernel_frees_what_was_killed(hold, impatient, tmp_path):
    holder, _ = hold(tmp_path / "run")
    for _ in range(2):  # being refused harms nothing
        refusal = pytest.raises(ConfigError, match=f"another process trains in .*pid {holder.pid} on ")
        with refusal, locked(tmp_path / "run", ALONE):
            pytest.fail("two processes hold one folder")
    holder.kill()
    holder.join()
    with locked(tmp_path / "run", ALONE):
        assert str(os.getpid()) in (tmp_path / "run" / ".lock").read_text()
    assert not (tmp_path / "run" / ".lock").exists()


def test_who_comes_while_the_holder_ends_waits_for_it(hold, monkeypatch, tmp_path):
    monkeypatch.setattr(lock, "PATIENCE_S", 20)
    _, end = hold(tmp_path / "run")
    Timer(0.3, end).start()
    with locked(tmp_path / "run", ALONE):
        assert (tmp_path / "run" / ".lock").exists()


def test_train_refuses_before_it_imports_and_readers_do_not_mind(small, hold, impatient, tmp_path, capsys):
    options = [*small, "train.epochs=1", "train.limit_train_batches=2", f"paths.runs={tmp_path / 'runs'}"]
    assert main(["train", *options]) == 0
    folder = only_run(tmp_path)
    (folder / "run.json").write_text((folder / "run.json").read_text().replace('"done"', '"interrupted"'))
    hold(folder)
    assert_refused(["train", *options], "another process trains in", folder, capsys)
    assert main(["eval", f"run={folder}"]) == 0
    assert main(["keep", f"run={folder}", f"out={tmp_path / 'kept'}"]) == 0


def test_later_processes_of_a_launch_wait_for_their_first(hold, impatient, tmp_path):
    def place(rank, name="srun 7.0"):
        return Launch(name, rank, rank, 2, 0, 1, "127.0.0.1", 12000)

    with locked(tmp_path, place(0)), locked(tmp_path, place(1)):
        pass
    with pytest.raises(ConfigError, match="process 1 of 2"), locked(tmp_path, place(1)):
        pass
    with locked(tmp_path, place(0)), pytest.raises(ConfigError), locked(tmp_path, place(1, "srun 8.0")):
        pass


def test_a_file_system_without_locks_is_a_warning(monkeypatch, tmp_path, capsys):
    def unsupported(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(lock.fcntl, "lockf", unsupported)
    with locked(tmp_path / "run", ALONE):
        pass
    assert "cannot be locked (No locks available)" in capsys.readouterr().err
