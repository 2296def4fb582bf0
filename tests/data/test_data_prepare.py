"""`data prepare`: explains, verifies, unpacks once, never downloads."""

import dataclasses
import subprocess
import sys
import tarfile
import zipfile

import pytest
from data_files import build, md5, random_events, write_aedat2, write_cifar_batch, write_h5

from snnbench.cli.main import main
from snnbench.cli.prepare import prepare
from snnbench.data import sources
from snnbench.data.cifar import CIFAR10
from snnbench.data.cifar10_dvs import CIFAR10DVS
from snnbench.data.shd import SHD
from snnbench.data.source import prepare_command
from snnbench.errors import ConfigError


def patched(monkeypatch, name, **changes):
    monkeypatch.setitem(sources.SOURCES, name, dataclasses.replace(sources.SOURCES[name], **changes))


def make_cifar_archive(folder, monkeypatch):
    files = []
    for seed, (name, _) in enumerate(sources.CIFAR10.files):
        write_cifar_batch(folder / "made" / name, 5, seed)
        files.append((name, md5(folder / "made" / name)))
    monkeypatch.setattr(CIFAR10, "source", dataclasses.replace(sources.CIFAR10, files=tuple(files)))
    archive = folder / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder / "made", "cifar-10-batches-py")
    entry = dataclasses.replace(sources.CIFAR10.archives[0], md5=md5(archive))
    patched(monkeypatch, "cifar10", archives=(entry,))
    return archive


def test_sources_are_described_without_heavy_imports():
    code = (
        "import sys; from snnbench.data.sources import *; [print(describe_source(n, '/d')) for n in SOURCES];"
        "assert not {'torch', 'tonic', 'torchvision', 'numpy', 'lightning'} & set(sys.modules)"
    )
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "c58f30108f718f92721af3b95e74349a" in text
    assert "/d/DVSGesture" in text
    by_hand = [s.archives + s.alternative or s.files for s in sources.SOURCES.values()]
    assert text.count("MD5") == sum(map(len, by_hand))


def test_unknown_names_and_folders_without_archives_are_named(tmp_path):
    with pytest.raises(ConfigError, match="choose one of digits"):
        prepare("cifar11", str(tmp_path))
    with pytest.raises(ConfigError, match=r"has none of cifar-10-python\.tar\.gz"):
        prepare("cifar10", str(tmp_path / "data"), str(tmp_path))


def test_digits_needs_nothing_and_digits_dvs_writes_its_events(tmp_path, capsys):
    prepare("digits", str(tmp_path))
    assert "nothing to download" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    prepare("digits_dvs", str(tmp_path))
    assert "events of 1,797 digits are in the cache" in capsys.readouterr().out


@pytest.mark.parametrize("place", ["downloads", "data", "data/cifar-10-batches-py"])
def test_archive_is_verified_and_unpacked_once(tmp_path, monkeypatch, capsys, place):
    root, archive = tmp_path / "data", make_cifar_archive(tmp_path / "made", monkeypatch)
    (tmp_path / place).mkdir(parents=True)
    archive = archive.rename(tmp_path / place / archive.name)
    prepare("cifar10", str(root), str(tmp_path / place) if place == "downloads" else None)
    assert (root / "cifar-10-batches-py" / "data_batch_1").is_file()
    assert "CIFAR-10 is ready" in capsys.readouterr().out
    for left in tmp_path.rglob("*.tar.gz"):
        left.unlink()
    assert main(["data", "prepare", "cifar10", f"root={root}"]) == 0
    out = capsys.readouterr().out
    assert "already there" in out
    assert "ownload" not in out
    assert not list(root.glob(".*"))
    (root / "cifar-10-batches-py" / "test_batch").unlink()
    assert main(["data", "prepare", "cifar10", f"root={root}"]) == 2
    assert "has no file 'test_batch'" in capsys.readouterr().err


def test_wrong_md5_empty_and_partial_archives(tmp_path, monkeypatch):
    archive = make_cifar_archive(tmp_path, monkeypatch)
    good = archive.read_bytes()
    archive.write_bytes(good + b"x")
    expected = sources.SOURCES["cifar10"].archives[0].md5
    with pytest.raises(ConfigError, match=rf"cifar-10-python\.tar\.gz' has MD5 {md5(archive)}, expected {expected}"):
        prepare("cifar10", str(tmp_path))
    archive.write_bytes(b"")
    with pytest.raises(ConfigError, match="is empty"):
        prepare("cifar10", str(tmp_path))
    no_files = b"PK\x05\x06" + bytes(18)  # a zip archive's end alone
    for content, says in ((good[:-40], "cannot be unpacked"), (no_files, "archive without files")):
        archive.write_bytes(content)
        patched(monkeypatch, "cifar10", archives=(dataclasses.replace(sources.CIFAR10.archives[0], md5=md5(archive)),))
        with pytest.raises(ConfigError, match=says):
            prepare("cifar10", str(tmp_path))
    assert not (tmp_path / "cifar-10-batches-py").exists()
    assert not list(tmp_path.glob(".*"))


def test_cifar10_dvs_from_its_ten_zips(tmp_path, monkeypatch):
    monkeypatch.setattr(CIFAR10DVS, "per_class", 10)
    entries = []
    for archive in sources.CIFAR10_DVS.archives:
        name = archive.file.removesuffix(".zip")
        with zipfile.ZipFile(tmp_path / archive.file, "w") as zipped:
            for i in range(10):
                path = tmp_path / "one.aedat"
                write_aedat2(path, *random_events(50, seed=i))
                zipped.write(path, f"{name}/cifar10_{name}_{i}.aedat")
        entries.append(dataclasses.replace(archive, md5=md5(tmp_path / archive.file)))
    patched(monkeypatch, "cifar10_dvs", archives=tuple(entries))
    prepare("cifar10_dvs", str(tmp_path))
    data = build(CIFAR10DVS, tmp_path, [2, 48, 48], 10)
    assert (data.train_size, data.test_size) == (90, 10)


NEEDS_FILES = sorted(name for name, source in sources.SOURCES.items() if source.archives or source.files)


@pytest.mark.parametrize("name", NEEDS_FILES)
def test_incomplete_is_exit_code_1_and_the_advice_repeats_the_folders(tmp_path, capsys, name):
    root = tmp_path / "my data"
    assert main(["data", "prepare", name, f"root={root}"]) == 1
    out = capsys.readouterr().out
    assert "Not complete yet" in out
    assert "already there" not in out
    if sources.SOURCES[name].archives:
        assert f"Then run: snnbench data prepare {name} 'root={root}'" in out
    for line in sources.SOURCES[name].archives or sources.SOURCES[name].files:
        assert (line.file if hasattr(line, "file") else line[0]) in out
    error = sources.SOURCES[name].missing(root)
    assert f"run `snnbench data prepare {name} 'root={root}'`" in str(error)
    assert not root.exists()


def test_the_default_root_stands_in_no_advice(monkeypatch):
    monkeypatch.setenv("SNNBENCH_DATA", "/big")
    assert prepare_command("cifar10", "/big") == "snnbench data prepare cifar10"
    assert prepare_command("cifar10", "data") == "snnbench data prepare cifar10 root=data"
    monkeypatch.delenv("SNNBENCH_DATA")
    assert prepare_command("cifar10", "data", "down") == "snnbench data prepare cifar10 archives=down"


def test_only_what_is_missing_is_named(tmp_path, monkeypatch, capsys):
    for archive in sources.CIFAR10_DVS.archives[:9]:
        (tmp_path / archive.into).mkdir(parents=True)
        (tmp_path / archive.into / "cifar10_0.aedat").touch()
    assert main(["data", "prepare", "cifar10_dvs", f"root={tmp_path}"]) == 1
    out = capsys.readouterr().out
    assert "truck.zip" in out
    assert "airplane.zip" not in out


def test_a_killed_unpacking_is_cleared_away_and_hidden_files_are_no_data(tmp_path, monkeypatch, capsys):
    make_cifar_archive(tmp_path, monkeypatch)
    killed = tmp_path / ".cifar-10-batches-py.0000aaaa.tmp"
    killed.mkdir()
    (killed / "half").write_bytes(bytes(20_000_000))
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / ".DS_Store").touch()
    assert main(["data", "prepare", "cifar10", f"root={tmp_path}"]) == 0
    assert "removed 0.02 GB that a killed unpacking of cifar-10-python.tar.gz had left" in capsys.readouterr().out
    assert not killed.exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch, capsys):
    make_cifar_archive(tmp_path, monkeypatch)
    (tmp_path / "root").touch()
    command = ["data", "prepare", "cifar10", f"root={tmp_path / 'root'}", f"archives={tmp_path}"]
    assert main(command) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_files_in_another_known_layout_are_ready(tmp_path, capsys, monkeypatch):
    """tonic's SHD folder has no folders train and test."""
    monkeypatch.setattr(SHD, "parts", {"train": 2, "test": 1})
    for part, count in SHD.parts.items():
        write_h5(tmp_path / "SHD" / f"shd_{part}.h5", count, 20)
    assert main(["data", "prepare", "shd", f"root={tmp_path}"]) == 0
    assert "3 recordings found" in capsys.readouterr().out
