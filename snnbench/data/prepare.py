"""`snnbench data prepare <name>`: say where the data comes from, verify what was downloaded by hand, unpack it once.

Nothing here opens a network connection.
"""

from __future__ import annotations

import os
from pathlib import Path

from snnbench.config.errors import ConfigError
from snnbench.data import sources
from snnbench.data.archives import find_archive, unpack, verify


def prepare(name: str, root: str, archive_dir: str | None = None) -> None:
    """Prepare one data set under `root`; prints what it does.

    Archives are looked for in `archive_dir`, or in root/<folder> and root.

    Raises:
        ConfigError: unknown name, a wrong MD5, an empty or damaged archive, an `archive_dir` without any of the files.
    """
    source = sources.find_source(name)
    print(sources.describe_source(name, root))
    if name == "digits":
        return
    if name == "digits_dvs":
        _make_digits_dvs(root)
        return
    place = Path(root)
    folders = [Path(archive_dir)] if archive_dir else [place / source.folder, place]
    releases = [r for r in (source.archives, source.alternative) if r]
    done = 0
    for release in releases:
        for archive in release:
            done += _place(archive, place, folders)
    if archive_dir and not done:
        names = ", ".join(archive.file for release in releases for archive in release)
        raise ConfigError(f"'{archive_dir}' has none of {names}: put the downloaded files there or drop the option.")
    if name == "imagenet":
        _sort_imagenet(place / source.folder)
    ready = [all((place / archive.into).is_dir() for archive in release) for release in releases]
    if name == "imagenet":
        ready = [(place / "imagenet/train").is_dir() and (place / "imagenet/val").is_dir()]
    print(f"  {source.title} is ready in {place / source.folder}." if any(ready) else "  Not complete yet: see above.")


def _place(archive: sources.Archive, root: Path, folders: list[Path]) -> bool:
    """Unpack one archive if it is there and was not unpacked before; whether its content is in place."""
    target = root / archive.into
    if target.is_dir() and any(target.iterdir()):
        print(f"  {target}: already there")
        return True
    path = find_archive(archive, folders)
    if path is None:
        return False
    print(f"  {path}: checking its MD5 ...", flush=True)
    verify(path, archive.md5)
    if target.is_dir():
        target.rmdir()  # an empty folder that somebody made by hand
    print(f"  unpacking to {target} ...", flush=True)
    unpack(path, target)
    return True


def _sort_imagenet(folder: Path) -> None:
    from snnbench.data.imagenet_archives import sort_train, sort_val

    if (folder / "train").is_dir() and any((folder / "train").glob("n*.tar")):
        print("  sorting the training pictures into class folders ...", flush=True)
        sort_train(folder / "train")
    if (folder / "val").is_dir() and any((folder / "val").glob("*.JPEG")):
        if not (folder / "devkit" / "data").is_dir():
            raise ConfigError(
                "The validation pictures need ILSVRC2012_devkit_t12.tar.gz to be sorted into classes: put it beside "
                "the other archives and run this again."
            )
        print("  sorting the validation pictures into class folders ...", flush=True)
        sort_val(folder / "val", folder / "devkit")


def _make_digits_dvs(root: str) -> None:
    from snnbench.data.digits_dvs import DigitsDVS

    data = DigitsDVS(root, [2, 16, 16], 10, batch_size=64, eval_batch_size=256, time_steps=1, seed=0)
    events, offsets = data.events()
    place = os.path.join(root, sources.DIGITS_DVS.folder)
    print(f"  {len(events):,} events of {len(offsets) - 1:,} digits are ready in {place}.")
