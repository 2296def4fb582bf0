"""`snnbench data prepare <name>`: say where the data comes from, verify what was downloaded by hand, unpack it once.

Nothing here opens a network connection.
"""

from __future__ import annotations

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
    place = Path(root)
    folders = [Path(archive_dir)] if archive_dir else [place / source.folder, place]
    releases = [release for release in (source.archives, source.alternative) if release]
    in_place = [[_place(archive, place, folders) for archive in release] for release in releases]
    if archive_dir and releases and not any(map(any, in_place)):
        names = ", ".join(archive.file for release in releases for archive in release)
        raise ConfigError(f"'{archive_dir}' has none of {names}: put the downloaded files there or drop the option.")
    if source is sources.IMAGENET:
        _sort_imagenet(place / source.folder)
        in_place = [in_place[0][:2]]  # who links sorted folders needs no devkit
    if releases and not any(map(all, in_place)):
        print("  Not complete yet: see above.")
        return
    print(f"  {source.title} is ready: {_data(name, root).make_ready()}.")


def _data(name: str, root: str):
    """The data set that the YAML of that name describes, under `root`."""
    from snnbench.config.build import build_data
    from snnbench.config.compose import compose

    config = compose([f"data={name}"]).config
    config["data"]["root"] = root
    return build_data(config)


def _place(archive: sources.Archive, root: Path, folders: list[Path]) -> bool:
    """Unpack one archive if it is there and was not unpacked before; whether its content is in place."""
    target = root / archive.into
    if target.is_dir() and any(entry.name != archive.file for entry in target.iterdir()):
        print(f"  {target}: already there")
        return True
    path = find_archive(archive, folders)
    if path is None:
        return False
    if path.parent == target:  # put into the folder that is to be made: take it out of the way
        path = path.rename(root / archive.file)
    print(f"  {path}: checking its MD5 ...", flush=True)
    verify(path, archive.md5)
    if target.is_dir():
        target.rmdir()  # an empty folder that somebody made by hand
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
