"""Each bad input is refused in one sentence that names it and the fix."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small_data import image_bytes, random_images, save_array, write_files

from ganbench.dataset import Location
from ganbench.errors import InvalidInputError, MissingDataError, UsageError
from ganbench.sources.open import open_reference, open_samples
from ganbench.sources.samples import Reading, Samples, StoredStatistics

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


# Images


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_place(kind: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"holds no images; name one"):
        opened(write_files(tmp_path / kind, {"readme.txt": b"x"}))


@pytest.mark.parametrize("kind", KINDS)
def test_one_unreadable_image_among_many(kind: str, tmp_path: Path) -> None:
    """A broken header is known at once, broken pixels when they are read; both are left out when asked."""
    no_header = write_files(tmp_path / f"1-{kind}", {**FILES, NAMES[4]: b"hello"})
    with pytest.raises(InvalidInputError, match=rf"{NAMES[4]}.* cannot be read .*; copy it again or take it out"):
        opened(no_header)
    no_pixels = write_files(tmp_path / f"2-{kind}", {**FILES, NAMES[4]: cut_png(NAMES[4])})
    samples = opened(no_pixels)
    with pytest.raises(InvalidInputError, match=rf"{NAMES[4]}.* cannot be read .*; copy it again or take it out"):
        _ = samples.items
    for path in (no_header, no_pixels):
        rest = opened(path, skip_bad=True)
        assert torch.equal(rest.items, CHANNELS_FIRST[[k for k in ORDER if k != 4]])
        assert rest.labels is not None
        assert rest.labels.tolist() == [0] * 9 + [1] * 10
        assert rest.notes[0].startswith("1 of the 20 images in ")
        assert NAMES[4] in rest.notes[0]
        assert opened(path, 19, skip_bad=True).count == 19
    with pytest.raises(UsageError, match="20 samples are asked of"):
        opened(no_header, 20, skip_bad=True)
    whole = write_files(tmp_path / f"3-{kind}", FILES)
    assert opened(whole, skip_bad=True).notes == ()


def test_too_few_good_images(tmp_path: Path) -> None:
    path = write_files(tmp_path / "images", {"0.png": FILES[NAMES[0]], "1.png": b"x"})
    with pytest.raises(InvalidInputError, match=r"fewer than two samples \(1\)"):
        opened(path, skip_bad=True)


@pytest.mark.parametrize("kind", ["images", "images.tar"])
def test_a_decompression_bomb(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_files(tmp_path / kind, {"0.png": FILES[NAMES[0]], "1.png": image_bytes(np.zeros((300, 300), np.uint8))})
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InvalidInputError, match=r"1\.png.* would unpack to more than 1,000 pixels"):
        opened(path)


# Archives


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_truncated_archive(kind: str, tmp_path: Path) -> None:
    content = write_files(tmp_path / kind, FILES).read_bytes()
    cuts = [len(content) // 2, 700, 5, 0]
    if kind == "images.tar":
        cuts += [10 * 1024, len(FILES[NAMES[0]]) + 512]  # at the edge of a file, where a tar reader sees no fault
    for cut in cuts:
        path = tmp_path / f"cut-{kind}"
        path.write_bytes(content[:cut])
        with pytest.raises(InvalidInputError, match=rf"cut-{kind}.*(cut short|unpacked|damaged)"):
            opened(path)


def test_a_tar_with_a_broken_header_in_the_middle(tmp_path: Path) -> None:
    path = write_files(tmp_path / "images.tar", FILES)
    content = bytearray(path.read_bytes())
    with tarfile.open(path) as archive:
        content[archive.getmembers()[5].offset + 3] ^= 255
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match="damaged after 5 files"):
        opened(path)


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", content: bytes = b"") -> tuple[tarfile.TarInfo, io.BytesIO]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    return info, io.BytesIO(content)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (entry("c.png", tarfile.SYMTYPE, "/etc/passwd"), "c.png in .* is a link, which is not followed"),
        (entry("c.png", tarfile.SYMTYPE, "a/00.png"), "is a link"),
        (entry("c.png", tarfile.LNKTYPE, "../../x.png"), "is a link"),
        (entry("c.png", tarfile.FIFOTYPE), "is no plain file"),
        (entry("../c.png", content=FILES[NAMES[0]]), "outside the archive"),
        (entry("/c.png", content=FILES[NAMES[0]]), "outside the archive"),
    ],
)
def test_a_tar_that_leads_out(bad: tuple[tarfile.TarInfo, io.BytesIO], said: str, tmp_path: Path) -> None:
    path = write_files(tmp_path / "images.tar", FILES)
    with tarfile.open(path, "a") as archive:
        bad[1].seek(0)
        archive.addfile(*bad)
    with pytest.raises(InvalidInputError, match=said):
        opened(path)


def test_archives_made_to_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganbench.images.tar.BOMB_BYTES", 2_000_000)
    path = tmp_path / "bomb.tgz"
    path.write_bytes(gzip.compress(bytes(50_000_000)))
    with pytest.raises(InvalidInputError, match=r"bomb\.tgz unpacks to more than .* bytes"):
        opened(path)


def test_archives_of_another_kind(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "images", FILES)
    archive = write_files(tmp_path / "images.tar", FILES)
    assert torch.equal(opened(f"tar:{archive}").items, opened(folder).items)
    with pytest.raises(UsageError, match="folder where a tar archive is wanted"):
        opened(f"tar:{folder}")
    with pytest.raises(MissingDataError, match=r"gone\.tar"):
        opened(tmp_path / "gone.tar")
    (tmp_path / "no.tar").write_bytes(b"hello" * 1000)
    with pytest.raises(InvalidInputError, match=r"no\.tar is no tar archive"):
        opened(tmp_path / "no.tar")


# Arrays


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_a_truncated_npz(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "x.npz", PIXELS)
    content = (tmp_path / "x.npz").read_bytes()
    for cut in (len(content) // 2, len(content) - 30, 10, 0):
        (tmp_path / "x.npz").write_bytes(content[:cut])
        with pytest.raises(InvalidInputError, match=r"x\.npz is not an array that can be read"):
            opened(tmp_path / "x.npz")


def test_an_npz_that_would_unpickle(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", np.array([{}, {}], dtype=object))
    with pytest.raises(InvalidInputError, match=r"x\.npz .*Python objects"):
        opened(tmp_path / "x.npz")
    np.savez(tmp_path / "s.npz", mu=np.array([{}], dtype=object), sigma=np.eye(1))
    with pytest.raises(InvalidInputError, match=r"s\.npz .*Python objects"):
        open_reference(str(tmp_path / "s.npz"), Location(), Reading())


def test_labels_of_an_npz(tmp_path: Path) -> None:
    labels = np.arange(20) % 3
    np.savez(tmp_path / "x.npz", PIXELS, labels)
    samples = opened(tmp_path / "x.npz", 10)
    assert samples.labels is not None
    found = {item.numpy().tobytes(): label for item, label in zip(samples.items, samples.labels.tolist(), strict=True)}
    assert found == {CHANNELS_FIRST[k].numpy().tobytes(): k % 3 for k in range(20) if CHANNELS_FIRST[k].numpy().tobytes() in found}
    for wrong in (labels[:-1], labels / 2, labels[:, None]):
        np.savez(tmp_path / "x.npz", PIXELS, wrong)
        with pytest.raises(InvalidInputError, match=r"arr_1 of .*; labels are 20 whole numbers"):
            opened(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("dtype", "kept"), [("f2", torch.float32), ("f4", torch.float32), ("f8", torch.float64), (">f8", torch.float64)]
)
def test_ready_features(dtype: str, kept: torch.dtype, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(1e3, 1, (30, 5)).astype(dtype)
    samples = opened(save_array(tmp_path / "x.npy", rows), features=True)
    assert samples.are_features
    assert samples.items.dtype == kept
    assert np.array_equal(samples.items.numpy(), rows.astype("=f8").astype("=f4" if kept == torch.float32 else "=f8"))
    with pytest.raises(InvalidInputError, match=r"uint8 of shape .*; ready features are floating-point of shape \(N, F\)"):
        opened(save_array(tmp_path / "x.npy", PIXELS), features=True)


def test_features_that_are_not_finite(tmp_path: Path) -> None:
    rows = np.zeros((10, 3))
    rows[4, 1], rows[6, 0] = np.nan, np.inf
    with pytest.raises(InvalidInputError, match=r"in 2 of 10 rows, the first is row 4 \(counted from 0\); leave them out"):
        opened(save_array(tmp_path / "x.npy", rows), features=True)
    rows[:] = 1e39
    assert opened(save_array(tmp_path / "x.npy", rows), features=True).count == 10  # float64 is kept, so it is not too large


# FID statistics


def reference(path: Path) -> Samples | StoredStatistics:
    return open_reference(str(path), Location(), Reading())


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
def test_a_strangers_statistics_are_a_reference(dtype: str, tmp_path: Path) -> None:
    mean, covariance = np.arange(3).astype(dtype), (np.eye(3) * 2).astype(dtype)
    np.savez(tmp_path / "s.npz", mu=mean, sigma=covariance)
    found = reference(tmp_path / "s.npz")
    assert isinstance(found, StoredStatistics)
    assert found.source == "s.npz"
    assert found.statistics.mean.dtype == torch.float64
    assert found.statistics.mean.tolist() == [0, 1, 2]
    assert found.statistics.covariance.tolist() == (np.eye(3) * 2).tolist()
    with pytest.raises(UsageError, match=r"holds FID statistics, which are no samples; give it with --reference"):
        opened(tmp_path / "s.npz")


@pytest.mark.parametrize(
    ("mean", "covariance", "said"),
    [
        (np.zeros(2), np.array([[1.0, 0.5], [0.0, 1.0]]), "not symmetric"),
        (np.zeros(2), np.array([[1.0, 2.0], [2.0, 1.0]]), "negative|semi-definite"),
        (np.zeros(3), np.eye(2), r"mu \(3,\) and sigma \(2, 2\)"),
        (np.array([0.0, np.nan]), np.eye(2), "NaN"),
        (np.zeros(2), np.eye(2, dtype=int), "sigma of type int64"),
    ],
)
def test_statistics_that_are_none(mean: np.ndarray, covariance: np.ndarray, said: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", mu=mean, sigma=covariance)
    with pytest.raises(InvalidInputError, match=said):
        reference(tmp_path / "s.npz")


def test_other_references_are_samples(tmp_path: Path) -> None:
    assert isinstance(reference(save_array(tmp_path / "x.npz", PIXELS)), Samples)
    np.savez(tmp_path / "half.npz", mu=np.zeros(2))
    with pytest.raises(InvalidInputError, match="holds mu, but no arr_0"):
        reference(tmp_path / "half.npz")
    with zipfile.ZipFile(tmp_path / "x.npz", "a") as archive:
        archive.writestr("mu.npy", b"x")
    assert isinstance(reference(tmp_path / "x.npz"), Samples)
