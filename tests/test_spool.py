"""Small images are decoded while they are open for their headers: pixels, fingerprints and errors are as without that."""

from __future__ import annotations

import errno
import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_data import image_bytes, random_images, write_files

from ganbench.cache import FeatureCache
from ganbench.dataset import Location
from ganbench.errors import InvalidInputError
from ganbench.images import processes
from ganbench.images.listing import list_folder
from ganbench.images.pixels import ImageFile, decode, header_and_pixels, read_header
from ganbench.images.scan import Scanned, scan
from ganbench.images.spool import Spool
from ganbench.score.request import Request, run_request
from ganbench.score.side import Pass
from ganbench.sources.open import open_samples
from ganbench.sources.samples import Reading, Samples

PIXELS = random_images(150)
FILES = {f"{'ab'[k % 2]}/{k:03}.png": image_bytes(pixels) for k, pixels in enumerate(PIXELS)}
GREY = random_images(150)[..., 0]


def opened(path: Path, count: int | None = None, **options: bool) -> Samples:
    return open_samples(str(path), Location(), Reading(count, **options))


def scans(folder: Path) -> tuple[Scanned, Scanned]:
    """A folder's images scanned with a spool and without."""
    files = list_folder(folder)
    return scan(files, keep_pixels=True), scan(files)


def pixels_of(scanned: Scanned, batch_size: int = 40) -> torch.Tensor:
    return torch.cat(list(scanned.batches(batch_size)))


@pytest.fixture(params=["threads", "processes"])
def workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads or two processes read images."""
    monkeypatch.setattr("ganbench.images.scan.worker_count", lambda: 2)
    if request.param == "processes":
        monkeypatch.setattr(processes, "FEWEST", 1)


def test_pixels_and_fingerprint_are_those_without(workers: None, tmp_path: Path) -> None:
    kept, plain = scans(write_files(tmp_path / "images", FILES))
    assert kept.spool is not None
    assert plain.spool is None
    assert (kept.fingerprint, kept.shape, kept.lossy) == (plain.fingerprint, plain.shape, plain.lossy)
    order = [int(name[2:5]) for name in sorted(FILES)]
    for batch_size in (1, 40, 64, 150, 1000):
        assert torch.equal(pixels_of(kept, batch_size), torch.from_numpy(PIXELS[order].transpose(0, 3, 1, 2).copy()))
    assert torch.equal(pixels_of(plain), pixels_of(kept))


@pytest.mark.parametrize("kind", ["images", "images.zip", "images.tgz"])
def test_files_are_opened_once(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []

    def noting(file: ImageFile) -> object:
        names.append(file.name)
        return header_and_pixels(file)

    monkeypatch.setattr("ganbench.images.scan.header_and_pixels", noting)
    monkeypatch.setattr("ganbench.images.scan.decode", lambda file: pytest.fail("opened again"))
    samples = opened(write_files(tmp_path / kind, FILES), 100)
    assert len(samples.items) == 100
    assert len(set(names)) == len(names) == 100


def test_what_changes_after_the_scan_is_not_read(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "images", FILES)
    samples = opened(folder)
    for path in folder.rglob("*.png"):
        path.write_bytes(b"")
    assert len(samples.items) == 150


def test_a_damaged_image_is_named_when_it_is_read(workers: None, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "images", {**FILES, "b/075.png": FILES["b/075.png"][:-60], "b/149.png": b""})
    with pytest.raises(InvalidInputError, match=r"149\.png cannot be read"):  # it has no header
        opened(folder)
    (folder / "b/149.png").unlink()
    samples = opened(folder)
    with pytest.raises(InvalidInputError, match=r"075\.png cannot be read .*; copy it again or take it out"):
        _ = samples.items
    good = opened(folder, skip_bad=True)
    assert len(good.items) == 148
    assert any("1 of the 149 images" in note for note in good.notes)


def test_an_image_of_another_size_is_named(workers: None, tmp_path: Path) -> None:
    for odd in ("a/000.png", "b/101.png"):  # the first one, like which the spool is made, and a later one
        folder = write_files(tmp_path / odd[0], {**FILES, odd: image_bytes(random_images(1, side=9)[0])})
        with pytest.raises(InvalidInputError, match=rf"{odd} is 9 x 9 pixels, but most images are 8 x 8"):
            scan(list_folder(folder), keep_pixels=True)


@pytest.mark.parametrize(("grey", "held"), [("b/149.png", True), ("a/000.png", False)])
def test_grey_among_colours(grey: str, held: bool, workers: None, tmp_path: Path) -> None:
    kept, plain = scans(write_files(tmp_path / "images", {**FILES, grey: image_bytes(GREY[0])}))
    assert (kept.spool is not None) == held  # whether the first image tells of grey ones
    assert kept.shape == (3, 8, 8)
    assert kept.fingerprint == plain.fingerprint
    assert torch.equal(pixels_of(kept), pixels_of(plain))


def test_grey_images_stay_grey(tmp_path: Path) -> None:
    kept, _ = scans(write_files(tmp_path / "images", {f"{k:03}.png": image_bytes(pixels) for k, pixels in enumerate(GREY)}))
    assert kept.spool is not None
    assert torch.equal(pixels_of(kept), torch.from_numpy(GREY[:, None]))


@pytest.mark.parametrize("bound", ["MOST_BYTES", "LARGEST_IMAGE"])
def test_too_many_or_too_large_images(bound: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, everything = 3 * 8 * 8, 150 * 3 * 8 * 8
    exact = everything if bound == "MOST_BYTES" else image
    folder = write_files(tmp_path / "images", FILES)
    monkeypatch.setattr(f"ganbench.images.spool.{bound}", exact)
    kept, plain = scans(folder)
    assert kept.spool is not None
    monkeypatch.setattr(f"ganbench.images.spool.{bound}", exact - 1)
    refused, _ = scans(folder)
    assert refused.spool is None
    assert refused.fingerprint == kept.fingerprint
    assert torch.equal(pixels_of(refused), pixels_of(plain))


class FullDisk(io.BytesIO):
    """A file on a disk with room for so many bytes."""

    room = 20_000

    def write(self, content: object) -> int:
        if self.tell() + memoryview(content).nbytes > self.room:  # type: ignore[arg-type]
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content)  # type: ignore[arg-type]


def no_place() -> io.BytesIO:
    raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")


@pytest.mark.parametrize("temporary", [FullDisk, no_place])
def test_a_full_disk_costs_nothing_but_time(temporary: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_files(tmp_path / "images", FILES)
    monkeypatch.setattr(tempfile, "TemporaryFile", temporary)
    kept, plain = scans(folder)
    assert kept.spool is None
    assert kept.fingerprint == plain.fingerprint
    assert torch.equal(pixels_of(kept), pixels_of(plain))


def test_a_disk_that_loses_pixels_is_an_error() -> None:
    spool = Spool(10, (3, 8, 8))
    spool.add(np.zeros((10, 3, 8, 8), np.uint8))
    spool.held.file.truncate(1000)
    with pytest.raises(InvalidInputError, match=r"Temporary files in .* cannot be read again"):
        spool.read(0, 10)


def test_nothing_is_decoded_where_features_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [write_files(tmp_path / name, FILES) for name in ("ours", "theirs")]
    (folders[1] / "a/000.png").write_bytes(image_bytes(255 - PIXELS[0]))
    how = Pass(cache=FeatureCache(tmp_path / "cache"))
    request = Request(*map(str, folders), metrics=("fd",), extractors=("digits-cnn",), how=how)
    first = run_request(request)
    with monkeypatch.context() as patched:
        for name in ("decode", "header_and_pixels"):
            patched.setattr(f"ganbench.images.scan.{name}", lambda file: pytest.fail("decoded"))
        again = run_request(request)
    assert first is not None
    assert again is not None
    assert again.scores == first.scores
    (folders[0] / "b/149.png").write_bytes(image_bytes(255 - PIXELS[149]))  # which the outline does not tell
    changed = run_request(request)
    assert changed is not None
    assert changed.scores != first.scores


STORED = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "WEBP": ("L", "RGB", "RGBA"),
}


@pytest.mark.parametrize(("form", "mode"), [(form, mode) for form, modes in STORED.items() for mode in modes])
def test_pixels_are_those_of_numpys_own_way(form: str, mode: str) -> None:
    """Without transparency as Pillow's conversion and `numpy.asarray` give them, 16 bits as the rule says."""
    image = (
        Image.fromarray(np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000)
        if mode == "I;16"
        else (Image.fromarray(random_images(1)[0][:6]).convert(mode))
    )
    if mode in ("LA", "RGBA"):
        image.putalpha(255)
    stored = io.BytesIO()
    image.save(stored, form)
    file = ImageFile("x", "x", stored.getvalue)
    with Image.open(stored) as read:
        wanted = "L" if read.mode in ("1", "L", "LA") else "RGB"
        slow = np.asarray(read).astype(np.int64) // 257 if mode == "I;16" else np.asarray(read.convert(wanted))
    expected = slow[None] if slow.ndim == 2 else slow.transpose(2, 0, 1)
    header, pixels = header_and_pixels(file)
    assert pixels is not None
    assert np.array_equal(pixels, expected)
    assert np.array_equal(decode(file), expected)
    assert header == read_header(file)
