"""Picture files of every kind give their pixels, or one sentence with their path; folders are listed without junk."""

import io
import os
import warnings

import numpy as np
import pytest
from data_files import build, write_pictures
from PIL import Image

from snnbench.data.imagenet import ImageNet
from snnbench.data.pictures import decode_rgb
from snnbench.errors import ConfigError

RGB = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
GREY = RGB[..., 0]
RAMP = np.linspace(0, 65535, 30).astype(np.uint16).reshape(6, 5)


def three(grey):
    return np.repeat(np.asarray(grey, dtype=np.uint8)[..., None], 3, axis=2)


def picture(mode, **more):
    return Image.fromarray(RGB).convert(mode, **more)


def with_alpha(mode):
    image = picture(mode)
    image.putalpha(Image.fromarray(GREY))
    return image


def palette(transparency=None):
    image = picture("P", palette=Image.Palette.ADAPTIVE, colors=256)
    return image, {"transparency": transparency} if transparency else {}


PNGS = {  # name -> (picture, how to save it, the pixels it stands for)
    "rgb": (picture("RGB"), {}, RGB),
    "grey": (Image.fromarray(GREY), {}, three(GREY)),
    "16 bits": (Image.fromarray(RAMP), {}, three(np.rint(RAMP / 257))),
    "1 bit": (Image.fromarray(GREY > 99), {}, three((GREY > 99) * 255)),
    "rgba": (with_alpha("RGB"), {}, RGB),
    "grey and alpha": (with_alpha("L"), {}, three(picture("L"))),
    "palette": (*palette(), RGB),
    "transparent palette": (*palette(bytes(range(256))), RGB),
    "palette with one transparent colour": (*palette(3), RGB),
    "animated": (picture("RGB"), {"save_all": True, "append_images": [Image.new("RGB", (5, 6))]}, RGB),
}


@pytest.mark.parametrize("name", PNGS)
def test_pngs_of_every_mode_give_their_pixels(tmp_path, name):
    image, how, expected = PNGS[name]
    image.save(tmp_path / "p.png", **how)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = decode_rgb(str(tmp_path / "p.png"))
    assert found.is_contiguous()
    assert np.array_equal(found.permute(1, 2, 0).numpy(), expected)


def test_16_bits_a_channel_are_scaled_too(tmp_path):
    """PIL cannot write such a PNG, so it is put together by hand."""
    import struct
    import zlib

    rows = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=2)

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    lines = b"".join(b"\x00" + row.astype(">u2").tobytes() for row in rows)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 5, 6, 16, 2, 0, 0, 0))
    (tmp_path / "p.png").write_bytes(png + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))
    found = decode_rgb(str(tmp_path / "p.png")).permute(1, 2, 0).numpy().astype(int)
    assert np.abs(found - rows / 257).max() <= 1


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "YCbCr"])
def test_jpegs_of_every_mode_give_their_pixels(tmp_path, mode):
    smooth = np.add.outer(np.arange(32) * 4, np.arange(32) * 3)[..., None] // np.array([1, 2, 3])
    image = Image.fromarray(smooth.astype(np.uint8)).convert(mode)
    image.save(tmp_path / "p.JPEG", quality=100, subsampling=0) if mode != "CMYK" else image.save(tmp_path / "p.JPEG")
    found = decode_rgb(str(tmp_path / "p.JPEG")).permute(1, 2, 0).numpy().astype(int)
    assert np.abs(found - np.asarray(image.convert("RGB")).astype(int)).mean() < 3


@pytest.mark.parametrize("kind", ["I", "F"])
def test_values_without_a_known_white_are_refused(tmp_path, kind):
    Image.fromarray(RAMP.astype(np.int32 if kind == "I" else np.float32)).save(tmp_path / "p.tiff")
    (tmp_path / "p.tiff").rename(tmp_path / "p.png")
    with pytest.raises(ConfigError, match=r"p\.png' .*no known white"):
        decode_rgb(str(tmp_path / "p.png"))


@pytest.mark.parametrize("name", ["p.png", "p.JPEG"])
def test_truncated_empty_and_foreign_files_are_named(tmp_path, name):
    file, path = io.BytesIO(), tmp_path / name
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(
        file, "PNG" if name.endswith("png") else "JPEG"
    )
    whole = file.getvalue()
    for length in [*range(0, 120), *range(120, len(whole) - 40, 97)]:
        path.write_bytes(whole[:length])
        with pytest.raises(ConfigError, match=name) as error:
            decode_rgb(str(path))
        assert "\n" not in str(error.value)
    for content, reason in ((b"", "0 bytes"), (b"version https://git-lfs.github.com/spec/v1\n", "format is unknown")):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=reason):
            decode_rgb(str(path))
    path.unlink()
    with pytest.raises(ConfigError, match="No such file"):
        decode_rgb(str(path))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        for k in (1, 2):
            write_pictures(tmp_path / "imagenet" / part / f"n0000000{k}", 3, rng)
    return tmp_path / "imagenet"


def loaded(folder, classes=2):
    data = build(ImageNet, folder.parent, [3, 32, 32], classes, mean=[0.5] * 3, std=[0.2] * 3, resize=36)
    data.setup()
    return data


def second_copy(folder):
    place = folder / "train" / "n00000001"
    (place / "p_1 (1).JPEG").write_bytes((place / "p_1.JPEG").read_bytes())


def class_more(folder):
    for part in ("train", "val"):
        (folder / part / "extra").mkdir()


def empty(folder, is_gone):
    for path in folder.iterdir():
        path.unlink()
    if is_gone:
        folder.rmdir()


MISFITS = [  # what is put into the folder, and the words that name it
    (class_more, r"has 3 class folders \(not named like n01440764: extra\)"),
    (second_copy, r"p_1 \(1\)\.JPEG' is a second copy of 'p_1\.JPEG'"),
    (lambda folder: os.symlink("/nowhere/p.JPEG", folder / "train/n00000001/p_9.JPEG"),
     r"p_9\.JPEG' is a link to '/nowhere/p\.JPEG', which is not there"),
    (lambda folder: os.symlink("/nowhere", folder / "val/n00000003"),
     r"n00000003' is a link to '/nowhere', which is not there"),
    (lambda folder: (folder / "train/n00000001/notes.txt").touch(), r"notes\.txt' is no picture"),
    (lambda folder: (folder / "train/n00000001/more.png").mkdir(), r"more\.png' is no picture"),
    (lambda folder: (folder / "val/p.JPEG").touch(), r"val/p\.JPEG' lies in no class folder"),
    (lambda folder: (folder / "train/n00000003.tar").touch(), r"n00000003\.tar' lies in no class folder"),
    (lambda folder: (folder / "train/extra").mkdir(), r"val' has no class folder extra, which train has"),
    (lambda folder: empty(folder / "train/n00000002", True), r"train' has no class folder n00000002, which val has"),
    (lambda folder: empty(folder / "train/n00000001", False), "n00000001' holds no JPEG"),
]  # fmt: skip


@pytest.mark.parametrize(("put", "words"), MISFITS, ids=[words for _, words in MISFITS])
def test_misfits_are_named_in_one_sentence(folder, put, words):
    put(folder)
    with pytest.raises(ConfigError, match=words) as error:
        loaded(folder)
    assert "\n" not in str(error.value)


def test_numbered_names_without_an_original_are_data(folder):
    for part in ("train", "val"):
        for path in (folder / part / "n00000001").iterdir():
            path.rename(path.with_name(f"cat ({path.stem[-1]}).JPEG"))
    assert loaded(folder).train_size == 6


def test_a_damaged_picture_is_named_by_the_loader_also_from_workers(folder):
    (folder / "val" / "n00000002" / "p_2.JPEG").write_bytes(b"")
    data = build(ImageNet, folder.parent, [3, 32, 32], 2, mean=[0.5] * 3, std=[0.2] * 3, resize=36, num_workers=1)
    with pytest.raises(ConfigError, match=r"^'.*n00000002/p_2\.JPEG' is no picture that can be read \(it is empty"):
        list(data.test_dataloader())
