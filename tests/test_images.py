"""How image files become tensors, and what is said of files that do not."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from small_data import image_bytes, random_images, write_files

from ganbench.errors import GanbenchError, InvalidInputError, MissingDataError, UsageError
from ganbench.images.listing import list_folder
from ganbench.images.scan import read_images
from ganbench.images.table import table_of
from ganbench.images.zip import list_zip


def read(path: Path) -> np.ndarray:
    """All images of a folder or zip, as (N, C, H, W)."""
    return read_images(list_zip(path) if path.suffix == ".zip" else list_folder(path)).numpy()


def read_bytes(*contents: bytes) -> np.ndarray:
    names = [f"{k}.png" for k in range(len(contents))]
    return read_images(table_of(Numbered(contents), names, np.arange(len(contents))[:, None])).numpy()


@dataclass(frozen=True)
class Numbered:
    """Files in memory, told by their numbers."""

    contents: tuple[bytes, ...]
    open_files = ()

    def read(self, where: Sequence[int], name: str) -> bytes:
        return self.contents[where[0]]

    def shown(self, where: Sequence[int], name: str) -> str:
        return f"number {where[0]}"


def complaint(function: Callable[[], np.ndarray]) -> str | None:
    """What an error that a user can cause says; None where there is none."""
    try:
        function()
    except GanbenchError as error:
        return str(error)
    return None


def saved(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA"])
@settings(deadline=None)
@given(pixels=arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_lossless_colour_is_read_exactly(kind: str, pixels: np.ndarray) -> None:
    assert np.array_equal(read_bytes(image_bytes(pixels, kind))[0], pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF", "WEBP"])
def test_grey_and_colour_of_many_formats(kind: str) -> None:
    grey = np.full((6, 6), 200, np.uint8)
    assert np.abs(read_bytes(image_bytes(grey, kind)).astype(int) - 200).max() <= 1  # WebP goes through YUV
    colour = np.full((6, 6, 3), (10, 10, 10), np.uint8)
    assert np.abs(read_bytes(image_bytes(colour, kind)).astype(int) - 10).max() <= 1


def test_grey_stays_grey_until_one_image_has_colour() -> None:
    grey, colour = random_images(3, channels=1), random_images(1)[0]
    files = [image_bytes(pixels) for pixels in grey]
    assert np.array_equal(read_bytes(*files), grey[:, None])
    mixed = read_bytes(*files[:2], image_bytes(colour), files[2])
    assert np.array_equal(mixed[[0, 1, 3]], np.repeat(grey[:, None], 3, axis=1))
    assert np.array_equal(mixed[2], colour.transpose(2, 0, 1))


def test_black_and_white() -> None:
    pixels = random_images(1, channels=1)[0] > 127
    assert np.array_equal(read_bytes(saved(Image.fromarray(pixels)))[0, 0], pixels * np.uint8(255))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_grey_is_divided_by_257_and_floored(kind: str) -> None:
    levels = np.array([[0, 256, 257, 513], [514, 32_896, 65_534, 65_535]], np.uint16)
    assert read_bytes(saved(Image.fromarray(levels), kind))[0, 0].tolist() == [[0, 0, 1, 1], [2, 128, 254, 255]]


@pytest.mark.parametrize(("mode", "kind"), [("F", "TIFF"), ("I", "TIFF")])
def test_pixels_without_a_known_range_are_refused(mode: str, kind: str) -> None:
    with pytest.raises(InvalidInputError, match="number 0 has 32-bit pixels"):
        read_bytes(saved(Image.new(mode, (3, 3)), kind))


def test_transparency_is_composited_on_white() -> None:
    """c a / 255 + 255 (1 - a / 255), to within the one level that an integer division may differ by."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 5, 4), np.uint8)
    alpha = pixels[..., 3:] / 255
    expected = (pixels[..., :3] * alpha + 255 * (1 - alpha)).transpose(2, 0, 1)
    assert np.abs(read_bytes(image_bytes(pixels))[0] - expected).max() <= 1
    grey = read_bytes(image_bytes(pixels[..., 2:]))  # mode LA
    assert grey.shape == (1, 1, 5, 5)
    assert np.abs(grey[0, 0] - expected[2]).max() <= 1


def test_palettes_become_colours() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 200, 30, 7])
    image.putdata([0, 1])
    assert read_bytes(saved(image))[0].tolist() == [[[0, 200]], [[0, 30]], [[0, 7]]]
    image.info["transparency"] = 0
    assert read_bytes(saved(image))[0].tolist() == [[[255, 200]], [[255, 30]], [[255, 7]]]


def test_jpeg_is_what_pillow_decodes() -> None:
    content = image_bytes(random_images(1, side=16)[0], "JPEG")
    assert np.array_equal(read_bytes(content)[0], np.asarray(Image.open(io.BytesIO(content))).transpose(2, 0, 1))


@pytest.mark.parametrize("name", ["images", "images.zip"])
def test_nested_files_come_sorted_and_side_files_are_passed_over(name: str, tmp_path: Path) -> None:
    pixels = random_images(4)
    names = ["b.png", "a/2.PNG", "a/10.png", "a/deep/er/x.bmp"]
    files = {name: image_bytes(pixels[k], "BMP" if name.endswith("bmp") else "PNG") for k, name in enumerate(names)}
    beside = ["a/labels.csv", "notes.txt", ".DS_Store", "a/.hidden.png", ".git/x.png", "__MACOSX/b.png", "LICENSE", "Thumbs.db"]
    found = read(write_files(tmp_path / name, {**dict.fromkeys(beside, b"not an image"), **files}))
    assert np.array_equal(found, pixels[[2, 1, 3, 0]].transpose(0, 3, 1, 2))


@pytest.mark.parametrize("name", ["images", "images.zip"])
@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds no images"),
        ({"readme.txt": b"hello"}, "holds no images"),
        ({"a.png": image_bytes(random_images(1)[0]), "model.pkl": b"x"}, "model.pkl.* is neither an image"),
        ({"a.png": image_bytes(random_images(1)[0]), "b": b"x"}, "b.* is neither an image"),
        ({"a.png": b"hello"}, "a.png.* cannot be read .it is no image of a known format"),
        ({"a.png": b""}, "a.png.* cannot be read"),
        ({"a.png": image_bytes(random_images(1)[0])[:60]}, "a.png.* cannot be read"),
        ({"a.jpg": image_bytes(random_images(1, side=64)[0], "JPEG")[:-900]}, r"a.jpg.* cannot be read .*truncated"),
        (
            {"a.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"},
            "a.png.* cannot be read .it is no image of a known format",
        ),
    ],
)
def test_bad_content_is_refused(name: str, files: dict[str, bytes], said: str, tmp_path: Path) -> None:
    path = write_files(tmp_path / name, files)
    with pytest.raises(InvalidInputError, match=said) as raised:
        read(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("odd", [0, 2, 4])
def test_the_odd_size_is_named_whichever_it_is(odd: int, tmp_path: Path) -> None:
    files = {f"{k}.png": image_bytes(np.zeros((4, 7) if k == odd else (8, 6), np.uint8)) for k in range(5)}
    with pytest.raises(InvalidInputError, match=rf"{odd}\.png is 7 x 4 pixels, but most images are 6 x 8; resize"):
        read(write_files(tmp_path / "images", files))


def test_a_decompression_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(Image.new("1", (3000, 3000)))
    for limit in (3000 * 3000 - 1, 100):  # Pillow warns at the limit and fails at twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(InvalidInputError, match=f"number 0 would unpack to more than {limit:,} pixels"):
            read_bytes(content)


@settings(deadline=None)
@given(cut=st.integers(0, 300), at=st.integers(0, 299), value=st.integers(0, 255))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "JPEG2000"])
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damage_is_refused_or_harmless(kind: str, cut: int, at: int, value: int) -> None:
    """Never another exception: one byte changed, and the end cut off."""
    content = bytearray(image_bytes(random_images(1)[0], kind))
    content[at % len(content)] = value
    for damaged in (bytes(content), bytes(content[: cut % len(content)])):
        said = complaint(lambda damaged=damaged: read_bytes(damaged))
        assert said is None or "number 0" in said


def test_places_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path, kind in ((tmp_path / "none", MissingDataError), (tmp_path / "file", UsageError)):
        with pytest.raises(kind, match=path.name):
            list_folder(path)
    for path, kind in ((tmp_path / "none", MissingDataError), (tmp_path, UsageError)):
        with pytest.raises(kind, match=path.name):
            list_zip(path)


def test_links(tmp_path: Path) -> None:
    """A linked folder is read, a link back up is not followed again, and a link to nothing is an error."""
    pixels = random_images(2)
    write_files(tmp_path / "away", {"1.png": image_bytes(pixels[1])})
    folder = write_files(tmp_path / "images", {"a/0.png": image_bytes(pixels[0])})
    (folder / "b").symlink_to(tmp_path / "away")
    (folder / "a/up").symlink_to(folder)
    assert np.array_equal(read(folder), pixels.transpose(0, 3, 1, 2))
    (folder / "a/gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(InvalidInputError, match=r"gone\.png cannot be read"):
        read(folder)


@pytest.mark.parametrize("name", ["/a.png", "../a.png", "b/../../a.png", "..\\a.png", "C:\\a.png"])
def test_zip_entries_that_point_outside(name: str, tmp_path: Path) -> None:
    path = write_files(tmp_path / "x.zip", {name: image_bytes(random_images(1)[0])})
    with pytest.raises(InvalidInputError, match="outside the archive"):
        read(path)


def test_a_zip_that_is_cut_or_altered(tmp_path: Path) -> None:
    whole = write_files(tmp_path / "x.zip", {f"{k}.png": image_bytes(pixels) for k, pixels in enumerate(random_images(3))})
    content = whole.read_bytes()
    path = tmp_path / "bad.zip"
    for damaged in (content[:-5], content[:300], b"", b"hello", content[:90] + bytes([content[90] ^ 255]) + content[91:]):
        path.write_bytes(damaged)
        with pytest.raises(InvalidInputError, match=r"bad\.zip"):
            read(path)


@settings(deadline=None)
@given(at=st.integers(0, 10_000), value=st.integers(0, 255))
def test_one_byte_of_a_zip_changed(at: int, value: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.bmp", image_bytes(np.zeros((4, 4), np.uint8), "BMP"))
    content = bytearray(path.read_bytes())
    content[at % len(content)] = value
    path.write_bytes(content)
    said = complaint(lambda: read(path))
    assert said is None or "changed.zip" in said


def test_a_zip_entry_made_to_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.bmp", bytes(10_000_000))
    assert path.stat().st_size < 20_000
    monkeypatch.setattr("ganbench.images.listing.LARGEST_FILE", 1_000_000)
    with pytest.raises(InvalidInputError, match=r"a\.bmp in .* unpacks to 10,000,000 bytes"):
        read(path)


def test_a_zip_with_a_password(tmp_path: Path) -> None:
    path = write_files(tmp_path / "x.zip", {"a.png": image_bytes(random_images(1)[0])})
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    content[6] |= 1  # the bit that says encrypted, in the local header and in the directory
    content[directory + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"a\.png in .* cannot be unpacked .*password"):
        read(path)
