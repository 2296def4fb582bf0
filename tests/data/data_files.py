"""Files in the true on-disk formats, small, and data sets with the injected arguments filled in."""

import dataclasses
import gzip
import hashlib
import importlib
import pickle
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from PIL import Image

CONFIGS = Path(__file__).parents[2] / "configs"

INJECTED = {"batch_size": 8, "eval_batch_size": 16, "time_steps": 4, "seed": 0}


def build(cls, root, shape, num_classes, **arguments):
    return cls(root=str(root), shape=shape, num_classes=num_classes, **(INJECTED | arguments))


def from_yaml(axis, name):
    """(class, its arguments) as the YAML has them."""
    values = yaml.safe_load((CONFIGS / axis / f"{name}.yaml").read_text())
    values.pop("defaults", None)
    module, _, name = values.pop("_target_").rpartition(".")
    return getattr(importlib.import_module(module), name), values


def yamls(axis, word=""):
    """Names of the axis' YAMLs whose text has `word`."""
    return sorted(path.stem for path in (CONFIGS / axis).glob("*.yaml") if word in path.read_text())


IMAGE_SETS = [name for name in yamls("data") if "images" in from_yaml("data", name)[0].traits]


def write_image_set(name, root, monkeypatch, count=20):
    """Small files of an image data set as its YAML describes it, in the true format; returns (class, arguments)."""
    cls, values = from_yaml("data", name)
    values.pop("root")
    rng, files = np.random.default_rng(0), []
    if name.startswith("cifar"):
        for seed, (file, _) in enumerate(cls.source.files):
            write_cifar_batch(root / cls.source.folder / file, count, seed, cls.label_key, values["num_classes"])
            files.append((file, md5(root / cls.source.folder / file)))
    elif "mnist" in name:
        for half in ("train", "t10k"):
            write_mnist_half(root / cls.source.folder, half, count, rng)
        files += [(path.name, md5(path)) for path in (root / cls.source.folder).iterdir()]
    elif name == "imagenet":
        for part in ("train", "val"):
            write_pictures(root / "imagenet" / part / "n00000001", count, rng)
        values["num_classes"] = 1
    elif hasattr(cls, "source"):
        pytest.skip(f"nobody wrote here how small files of data={name} look")
    if files:
        monkeypatch.setattr(cls, "source", dataclasses.replace(cls.source, files=tuple(files)))
    return cls, values | {"num_workers": 0}


def write_mnist_half(folder, half, count, rng):
    folder.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    images = struct.pack(">4i", 0x803, count, 28, 28) + pixels.tobytes()
    labels = struct.pack(">2i", 0x801, count) + bytes(i % 10 for i in range(count))
    for kind, content in (("images-idx3", images), ("labels-idx1", labels)):
        (folder / f"{half}-{kind}-ubyte.gz").write_bytes(gzip.compress(content, mtime=0))


def write_pictures(folder, count, rng, size=(40, 50)):
    folder.mkdir(parents=True)
    for i in range(count):
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / f"p_{i}.JPEG")


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_cifar_batch(path, count, seed, key="labels", classes=10):
    rng = np.random.default_rng(seed)
    batch = {"data": rng.integers(0, 256, (count, 3072), dtype=np.uint8), key: [i % classes for i in range(count)]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(batch, protocol=2))
    return batch


def write_aedat2(path, x, y, t, p, extra=b""):
    """x, y, p as the reader returns them (mirrored and inverted on disk)."""
    address = ((127 - y).astype(">u4") << 1) | ((127 - x).astype(">u4") << 8) | (1 - p).astype(">u4")
    words = np.stack([address.astype(">u4"), t.astype(">u4")], axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = b"#!AER-DAT2.0\r\n# This is a raw AE data file\r\n# created by a test\r\n"
    path.write_bytes(header + words.astype(">u4").tobytes() + extra)


def aedat31_packet(x, y, t, p, valid=None, kind=1, overflow=0):
    valid = np.ones(len(x), dtype=int) if valid is None else valid
    data = (valid | (p << 1) | (y << 2) | (x << 17)).astype("<u4")
    events = np.stack([data, t.astype("<u4")], axis=1).astype("<u4").tobytes()
    return struct.pack("<HHIIIIII", kind, 1, 8, 4, overflow, len(x), len(x), int(valid.sum())) + events


def write_aedat31(path, *packets):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n" + b"".join(packets))


def random_events(count, seed=0, size=128, t_max=1000):
    """x, y, t (sorted), p as int64 arrays."""
    rng = np.random.default_rng(seed)
    return (
        rng.integers(0, size, count),
        rng.integers(0, size, count),
        np.sort(rng.integers(0, t_max, count)),
        rng.integers(0, 2, count),
    )


def write_nmnist(path, x, y, t, p):
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [x, y, p << 7 | t >> 16 & 127, t >> 8 & 255, t & 255]
    path.write_bytes(np.stack(columns, axis=1).astype(np.uint8).tobytes())


def write_h5(path, count, classes, seed=0, longest=0.08):
    """As zenkelab's files: vlen float16 seconds and uint16 units, labels uint16, keys and speakers under extra."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        times = file.create_dataset("spikes/times", (count,), h5py.vlen_dtype(np.float16))
        units = file.create_dataset("spikes/units", (count,), h5py.vlen_dtype(np.uint16))
        for i in range(count):
            n = int(rng.integers(50, 120))
            times[i] = np.sort(rng.uniform(0.003, longest, n)).astype(np.float16)
            units[i] = rng.integers(0, 700, n).astype(np.uint16)
        file["labels"] = (np.arange(count) % classes).astype(np.uint16)
        file["extra/keys"] = np.array([f"word {k}" for k in range(classes)], dtype="S10")
        file["extra/speaker"] = np.zeros(count, dtype=np.uint16)
    return path
