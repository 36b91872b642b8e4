"""What is known of samples before they are read, and how they are read: once, in batches, and never all at once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_data import image_bytes, random_images, save_array, write_files

from ganbench.dataset import Location
from ganbench.images import scan as scan_module
from ganbench.images.pixels import ImageFile, decode
from ganbench.sources.open import open_samples
from ganbench.sources.samples import Reading, Samples

PIXELS = random_images(20)
CHANNELS_FIRST = torch.from_numpy(PIXELS.transpose(0, 3, 1, 2).copy())
NAMES = [f"{'ab'[k % 2]}/{k:02}.png" for k in range(20)]
FILES = {name: image_bytes(pixels) for name, pixels in zip(NAMES, PIXELS, strict=True)}
ORDER = sorted(range(20), key=lambda k: NAMES[k])
KINDS = ["images", "images.zip", "images.tar", "images.tgz", "images.tar.xz"]


def opened(reference: object, count: int | None = None, **options: Any) -> Samples:
    return open_samples(str(reference), Location(), Reading(count, **options))


def cut_png(name: str) -> bytes:
    """An image whose header is whole and whose pixels are not."""
    return FILES[name][:-60]


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_decoded_once_and_in_batches(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []

    def counting(file: ImageFile) -> np.ndarray:
        decoded.append(file.name)
        return decode(file)

    monkeypatch.setattr(scan_module, "decode", counting)
    monkeypatch.setattr("ganbench.images.spool.MOST_BYTES", 0)
    samples = opened(write_files(tmp_path / kind, FILES))
    assert (samples.count, samples.shape, samples.jpeg) == (20, (3, 8, 8), 0)
    assert samples.labels is not None
    assert samples.labels.tolist() == [0] * 10 + [1] * 10
    assert decoded == []  # only headers were read
    batches = list(samples.read(7))
    assert [len(batch) for batch in batches] == [7, 7, 6]
    assert torch.equal(torch.cat(batches), CHANNELS_FIRST[ORDER])
    assert sorted(decoded) == sorted(NAMES)


def test_only_a_few_images_are_decoded_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    monkeypatch.setattr("ganbench.images.spool.MOST_BYTES", 0)
    monkeypatch.setattr(scan_module, "PIXEL_BYTES", 2 * 3 * 8 * 8)  # two images at a time
    monkeypatch.setattr(scan_module, "worker_count", lambda: 2)
    monkeypatch.setattr(scan_module, "decode", lambda file: decoded.append(file.shown) or decode(file))
    batches = opened(write_files(tmp_path / "images", FILES)).read(2)
    next(batches)
    time.sleep(0.2)  # whoever would run further ahead has the time to
    assert 2 <= len(decoded) <= 2 + 2 * 2 * 2
    batches.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_pixel_is_noticed(kind: str, tmp_path: Path) -> None:
    pixels = PIXELS[3].copy()
    pixels[0, 0, 0] ^= 1
    prints = [opened(write_files(tmp_path / f"{turn}-{kind}", FILES)).fingerprint for turn in (1, 2)]
    prints.append(opened(write_files(tmp_path / f"3-{kind}", {**FILES, NAMES[3]: image_bytes(pixels)})).fingerprint)
    prints.append(opened(tmp_path / f"1-{kind}", 19).fingerprint)
    prints.append(opened(tmp_path / f"1-{kind}", 19, seed=1).fingerprint)
    assert prints[0] == prints[1]
    assert len(set(prints)) == 4
    assert None not in prints


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_changed_value_of_an_array_is_noticed(suffix: str, tmp_path: Path) -> None:
    changed = PIXELS.copy()
    changed[3, 0, 0, 0] ^= 1
    one, other = (opened(save_array(tmp_path / f"{k}{suffix}", array)) for k, array in enumerate((PIXELS, changed)))
    assert len({one.fingerprint, other.fingerprint, opened(tmp_path / f"0{suffix}", 5).fingerprint}) == 3
    assert one.fingerprint == opened(tmp_path / f"0{suffix}").fingerprint


def test_parts_of_a_data_set_have_fingerprints() -> None:
    prints = [opened(name).fingerprint for name in ("digits", "digits:train", "ring-8")]
    prints += [opened("digits", 50, seed=seed).fingerprint for seed in (0, 1)]
    assert len(set(prints)) == 5
    assert prints[0] == opened("digits").fingerprint
    labels = opened("digits", 50).labels
    assert labels is not None
    assert len(labels) == 50


def test_lossy_files_are_counted(tmp_path: Path) -> None:
    files = {"0.jpg": image_bytes(PIXELS[0], "JPEG"), "1.png": FILES[NAMES[1]], "2.jp2": image_bytes(PIXELS[2], "JPEG2000")}
    assert opened(write_files(tmp_path / "images", files)).jpeg == 2


def test_sixteen_bit_colour_gives_its_high_byte(tmp_path: Path) -> None:
    import struct
    import zlib

    levels = np.random.default_rng(0).integers(0, 65536, (4, 4, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in levels)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks:
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    path = write_files(tmp_path / "images", {"0.png": content, "1.png": content})
    assert np.array_equal(opened(path).items[0].numpy(), (levels >> 8).transpose(2, 0, 1))
