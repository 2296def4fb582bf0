"""`snnbench data prepare <name>`: say where to download the data, verify the downloaded files and unpack them once.

Nothing here opens a network connection.
"""

from __future__ import annotations

from pathlib import Path

from snnbench.data import sources
from snnbench.data.archives import find_archive, unpack, verify
from snnbench.data.drafts import remove_left_over
from snnbench.data.files import visible
from snnbench.data.source import Archive, MissingData
from snnbench.errors import ConfigError


def prepare(name: str, root: str, archive_dir: str | None = None) -> bool:
    """Prepare one data set under `root` and print each step. Returns whether the data set is ready.

    Archives are searched in `archive_dir`, or in root/<folder> and root.

    Raises:
        ConfigError: The name is unknown, an MD5 is wrong, an archive is empty or damaged, `archive_dir` has none of the
            files, or the data is damaged.
    """
    source = sources.find_source(name)
    print(source.title)
    place = Path(root)
    folders = [Path(archive_dir)] if archive_dir else [place / source.folder, place]
    releases = [release for release in (source.archives, source.alternative) if release]
    have = [archive for release in releases for archive in release if _place(archive, place, folders)]
    if archive_dir and releases and not have:
        names = ", ".join(archive.file for release in releases for archive in release)
        raise ConfigError(f"'{archive_dir}' has none of {names}: put the downloaded files there or drop the option.")
    if source is sources.IMAGENET:
        _sort_imagenet(place / source.folder)
        releases = [source.archives[:2]]  # a user who links sorted class folders does not need the devkit
    try:
        found = _data(name, root).make_ready()
    except ConfigError as error:
        whole = any(all(archive in have for archive in release) for release in releases)
        absent = isinstance(error, MissingData)
        if whole or not (absent or have):
            raise  # the archives are unpacked, or there is data without archives: the data itself is damaged
        print(sources.describe_source(name, root, have, archive_dir or ""))
        print("  Not complete yet: see above.")
        return False
    if source.note and not source.archives and not source.files:
        print(f"  {source.note}")
    print(f"  {source.title} is ready: {found}.")
    return True


def _data(name: str, root: str):
    """The data set under `root` that the YAML file `name` describes."""
    from snnbench.build import build_data
    from snnbench.config.compose import compose

    config = compose([f"data={name}"]).config
    config["data"]["root"] = root
    return build_data(config)


def _place(archive: Archive, root: Path, folders: list[Path]) -> bool:
    """Unpack one archive if it exists and was not unpacked before. Returns whether its content is in place."""
    target = root / archive.into
    if left_over := remove_left_over(target):
        print(f"  removed {left_over / 1e9:.2f} GB that a killed unpacking of {archive.file} had left")
    if target.is_dir() and any(entry.name != archive.file for entry in visible(target)):
        print(f"  {target}: already there")
        return True
    path = find_archive(archive, folders)
    if path is None:
        return False
    if path.parent == target:  # the archive is in the folder that unpacking makes: move it away
        path = path.rename(root / archive.file)
    print(f"  {path}: checking its MD5 ...", flush=True)
    verify(path, archive.md5)
    print(f"  unpacking to {target} ...", flush=True)
    unpack(path, target)
    return True


def _sort_imagenet(folder: Path) -> None:
    from snnbench.data.imagenet_archives import sort_train, sort_val

    if any((folder / "train").glob("n*.tar")):
        print("  sorting the training pictures into class folders ...", flush=True)
        sort_train(folder / "train")
    if any((folder / "val").glob("*.JPEG")):
        if not (folder / "devkit" / "data").is_dir():
            raise ConfigError(
                "The validation pictures need ILSVRC2012_devkit_t12.tar.gz to be sorted into classes: put it beside "
                "the other archives and run this again."
            )
        print("  sorting the validation pictures into class folders ...", flush=True)
        sort_val(folder / "val", folder / "devkit")
