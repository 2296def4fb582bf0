"""Archives: only plain files inside the folder come out, a killed unpacking can go on and leaves nothing behind."""

import io
import os
import stat
import tarfile
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from snnbench.data import drafts, imagenet_archives
from snnbench.data.archives import unpack
from snnbench.data.imagenet_archives import sort_train, sort_val
from snnbench.errors import ConfigError


def tar_of(path, *members, mode="w"):
    """members: (name, bytes), or a TarInfo without content."""
    with tarfile.open(path, mode) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


REASON = "(leads out of the folder|is a link or a device)"
GOOD = ("set/a.bin", b"a")
TAR_STRANGERS = {
    "parent": ("../outside", b"x"),
    "hidden parent": ("set/../../outside", b"x"),
    "absolute": ("/tmp/images_outside", b"x"),
    "backslash": ("..\\outside", b"x"),
    "drive": ("C:\\outside", b"x"),
    "link out": special("set/link", tarfile.SYMTYPE, "/etc"),
    "link in": special("set/link", tarfile.SYMTYPE, "a.bin"),
    "hard link": special("set/hard", tarfile.LNKTYPE, "set/a.bin"),
    "pipe": special("set/pipe", tarfile.FIFOTYPE),
    "character device": special("set/device", tarfile.CHRTYPE),
    "block device": special("set/device", tarfile.BLKTYPE),
}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("name", TAR_STRANGERS)
def test_a_tar_with_anything_but_files_inside_is_refused_whole(tmp_path, name, mode):
    archive = tmp_path / "down" / "set.tar"
    archive.parent.mkdir()
    tar_of(archive, GOOD, TAR_STRANGERS[name], mode=mode)
    with pytest.raises(ConfigError, match=rf"set\.tar' holds .*, which {REASON}"):
        unpack(archive, tmp_path / "root" / "set")
    archive = archive.rename(archive.with_name("n00000001.tar"))  # a class of ImageNet is held to the same rule
    with pytest.raises(ConfigError, match=rf"n00000001\.tar' holds .*, which {REASON}"):
        sort_train(archive.parent)
    assert {p.name for p in tmp_path.rglob("*")} == {"down", "n00000001.tar", "root"}


def special_zip(kind):
    info = zipfile.ZipInfo("set/link")
    info.external_attr = (kind | 0o777) << 16
    return info


ZIP_STRANGERS = ["../outside", "set/../../outside", "/outside", "C:/outside", "..\\outside"]
ZIP_STRANGERS += [special_zip(kind) for kind in (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO)]


@pytest.mark.parametrize("member", ZIP_STRANGERS)
def test_a_zip_with_anything_but_files_inside_is_refused_whole(tmp_path, member):
    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("set/a.bin", b"a")
        zipped.writestr(member, "/etc")
    says = "leads out of the folder" if isinstance(member, str) else "is a link or a device"
    with pytest.raises(ConfigError, match=says):
        unpack(archive, tmp_path / "root" / "set")
    assert list((tmp_path / "root").iterdir()) == []


def refusal(archive, target):
    """What is said of an archive; None where it is taken."""
    try:
        return unpack(archive, target)
    except ConfigError as error:
        return str(error)


def test_damaged_encrypted_and_oversized_archives_name_their_file(tmp_path, monkeypatch):
    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("set/a.bin", bytes(10_000))
    good = archive.read_bytes()
    for at in range(30, len(good) - 22, 5):
        archive.write_bytes(good[:at] + b"\xff\xff\xff" + good[at + 3 :])
        said = refusal(archive, tmp_path / "root" / f"set{at}")
        assert said is None or ("set.zip'" in said and "\n" not in said)
    encrypted = bytearray(good)
    encrypted[good.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(encrypted)
    with pytest.raises(ConfigError, match=r"set\.zip' is encrypted"):
        unpack(archive, tmp_path / "root" / "set")
    archive.write_bytes(good)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=9_999))
    with pytest.raises(ConfigError, match=r"set\.zip' unpacks to 0\.0 GB but 0\.0 GB are free"):
        unpack(archive, tmp_path / "root" / "set")


def test_drafts_of_killed_processes_go_and_those_of_living_ones_stay(tmp_path):
    target = tmp_path / "set"
    killed, alive = tmp_path / ".set.0000aaaa.tmp", tmp_path / ".set.0000bbbb.tmp"
    for folder in (killed, alive, tmp_path / ".other.0000aaaa.tmp"):
        folder.mkdir()
        (folder / "half.bin").write_bytes(bytes(100))
    lock = drafts._lock(alive)
    assert drafts.remove_left_over(target) == 100
    assert sorted(p.name for p in tmp_path.iterdir()) == [".other.0000aaaa.tmp", ".set.0000bbbb.tmp"]
    os.close(lock)
    with drafts.draft_folder(tmp_path / "third") as draft:
        assert drafts.remove_left_over(tmp_path / "third") == 0
        assert draft.is_dir()
    assert not draft.exists()


def test_hidden_and_system_files_are_no_content(tmp_path):
    archive, target = tmp_path / "set.tar", tmp_path / "root" / "set"
    tar_of(archive, ("top/a.bin", b"a"), ("._top", b"x"), ("__MACOSX/._a", b"x"), (".DS_Store", b"x"))
    target.mkdir(parents=True)
    (target / ".DS_Store").write_bytes(b"mine")
    unpack(archive, target)
    assert sorted(p.name for p in target.iterdir()) == [".DS_Store", "a.bin"]


def devkit_of(folder, labels, wnids=("n00000001", "n00000002")):
    from scipy.io import savemat

    (folder / "data").mkdir(parents=True, exist_ok=True)
    kind = [("ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("children", "O")]
    leaves = [(number, wnid, "a", "a", 0) for number, wnid in enumerate(wnids, 1)]
    savemat(folder / "data" / "meta.mat", {"synsets": np.array([*leaves, (9, "n00000000", "c", "c", 2)], dtype=kind)})
    (folder / "data" / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{k}\n" for k in labels))
    return folder


def picture(number):
    return f"ILSVRC2012_val_{number:08d}.JPEG"


@pytest.fixture
def val(tmp_path):
    folder = tmp_path / "val"
    folder.mkdir()
    for number in (1, 2, 3, 4):
        (folder / picture(number)).write_bytes(bytes([number]))
    return folder


SORTED = {"n00000002": [1, 3, 4], "n00000001": [2]}


@pytest.mark.parametrize("moved", [0, 1, 2, 3])
def test_validation_pictures_are_sorted_by_number_also_after_a_kill(val, tmp_path, monkeypatch, moved):
    devkit, replace, left = devkit_of(tmp_path / "devkit", [2, 1, 2, 2]), os.replace, [moved]

    def killed(source, target):
        if left[0] == 0:
            raise SystemExit
        left[0] -= 1
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(imagenet_archives.os, "replace", killed)
        with pytest.raises(SystemExit):
            sort_val(val, devkit)
    assert len(list(val.glob("*.JPEG"))) == 4 - moved
    sort_val(val, devkit)
    found = {str(p.relative_to(val)): p.read_bytes() for p in val.rglob("*.JPEG")}
    assert found == {f"{w}/{picture(n)}": bytes([n]) for w, numbers in SORTED.items() for n in numbers}


@pytest.mark.parametrize("wnid", ["../../outside", "/tmp/outside", "n1", "n000000011", "n0000000١", "", "n00000001\n"])
def test_wnids_of_another_form_never_become_paths(val, tmp_path, wnid):
    before = sorted(p.name for p in tmp_path.rglob("*.JPEG"))
    with pytest.raises(ConfigError, match=r"meta\.mat' names the class .*, which is no WNID"):
        sort_val(val, devkit_of(tmp_path / "devkit", [2, 1, 2, 2], ("n00000001", wnid)))
    assert sorted(p.name for p in val.iterdir()) == before


def test_a_devkit_or_pictures_that_do_not_fit_are_named(val, tmp_path):
    devkit = devkit_of(tmp_path / "devkit", [2, 1, 2, 2, 1])
    with pytest.raises(ConfigError, match=rf"lacks 1 of 5 pictures \(first: {picture(5)}\)"):
        sort_val(val, devkit)
    for labels in ([2, 1, 2, 7], [2, 1, 2, "x"]):
        with pytest.raises(ConfigError, match=r"ground_truth\.txt' cannot be read"):
            sort_val(val, devkit_of(tmp_path / "devkit", labels))
    (devkit / "data" / "meta.mat").write_bytes(b"MATLAB")
    with pytest.raises(ConfigError, match=r"meta\.mat' cannot be read"):
        sort_val(val, devkit)
    (val / "other.JPEG").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"other\.JPEG' is none of the devkit's 4 pictures"):
        sort_val(val, devkit_of(tmp_path / "devkit", [2, 1, 2, 2]))
    assert len(list(val.glob("*.JPEG"))) == 5


def test_training_archives_become_class_folders_also_when_killed(tmp_path, monkeypatch):
    for wnid in ("n00000001", "n00000002"):
        tar_of(tmp_path / f"{wnid}.tar", (f"{wnid}_1.JPEG", b"1"), (f"{wnid}_2.JPEG", b"2"))
    unlink, killed = type(tmp_path).unlink, []

    def once(path, *arguments, **more):
        if path.suffix == ".tar" and not killed:
            killed.append(path)
            raise SystemExit
        unlink(path, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(type(tmp_path), "unlink", once)
        with pytest.raises(SystemExit):
            sort_train(tmp_path)
    (tmp_path / ".n00000002.0000aaaa.tmp").mkdir()
    sort_train(tmp_path)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file() or "." in p.name) == [
        f"{wnid}/{wnid}_{k}.JPEG" for wnid in ("n00000001", "n00000002") for k in (1, 2)
    ]
    tar_of(tmp_path / "notes.tar", ("a.JPEG", b"1"))
    with pytest.raises(ConfigError, match=r"notes\.tar' is no class of ImageNet"):
        sort_train(tmp_path)
