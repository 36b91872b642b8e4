"""Samples on the page: the pictures themselves, and what stands there when a file is missing or broken."""

import base64
import re

import numpy as np
import pytest
from made_records import made_record
from page_reader import Page, page
from PIL import Image

from ganbench.leaderboard.report import write_report
from ganbench.leaderboard.samples import LARGEST_IMAGE


def points_record(folder, variant, points, **changes):
    np.save(folder / f"{variant}.npy", np.asarray(points, np.float32))
    return made_record(variant, 0, {"modes": 8.0}, dataset="ring", files={"samples": f"{variant}.npy"}, **changes)


def test_grid_of_each_variant_is_on_the_page_pixel_for_pixel_real_data_first(tmp_path):
    rng = np.random.default_rng(0)
    grids = {name: rng.integers(0, 256, (56, 56, 3), np.uint8) for name in ("gan", "real")}
    for name, grid in grids.items():
        Image.fromarray(grid).save(tmp_path / f"{name}.png")
    files = {name: {"samples": f"{name}.png"} for name in grids}
    found = page(
        [made_record("gan", files=files["gan"]), made_record("real", control=True, files=files["real"])], tmp_path
    ).images()
    assert list(found) == ["Samples of real", "Samples of gan"]
    for name, grid in grids.items():
        assert np.array_equal(np.asarray(found[f"Samples of {name}"].convert("RGB")), grid)


def test_large_grid_is_made_smaller(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (600, 600, 3), np.uint8)).save(tmp_path / "noise.png")
    path = write_report([made_record("gan", files={"samples": "noise.png"})], tmp_path)
    (image,) = Page(path.read_text()).images().values()
    assert image.width < 600
    assert path.stat().st_size < 100_000 + LARGEST_IMAGE * 4 / 3


def test_seed_that_ended_well_is_shown_rather_than_one_that_diverged(tmp_path):
    for seed, colour in ((0, 10), (1, 200)):
        Image.new("L", (8, 8), colour).save(tmp_path / f"{seed}.png")
    diverged = made_record("gan", 0, {}, status="diverged", files={"samples": "0.png"})
    records = [diverged, made_record("gan", 1, files={"samples": "1.png"})]
    found = page(records, tmp_path)
    assert found.images()["Samples of gan"].getpixel((0, 0)) == 200
    assert "Seed 1" in found.text


def test_scatter_plots_stand_on_the_axes_of_the_real_data(tmp_path):
    corners = [[-1, -1], [1, 1]]  # the axes are then -1.2 to 1.2
    records = [
        points_record(tmp_path, "real", corners, control=True),
        points_record(tmp_path, "gan", [[0, 0]] * 3 + [[50, 0]]),
    ]
    found = page(records, tmp_path)
    assert "1 of 4 points outside" in found.text
    image = found.images()["Samples of gan"].convert("RGBA")
    side = image.width
    near, far = 0.2 / 2.4 * side, 2.2 / 2.4 * side  # where -1 and 1 lie
    spots = {"middle": (side / 2, side / 2), "upper right": (far, near), "lower left": (near, far), "empty": (near, near)}
    pixels = {name: image.getpixel((round(x), round(y))) for name, (x, y) in spots.items()}
    assert pixels["empty"][3] == 0
    assert all(pixels[name][3] > 0 for name in ("middle", "upper right", "lower left"))
    assert pixels["middle"][2] > pixels["middle"][0]  # samples in blue
    assert pixels["upper right"][2] == pixels["upper right"][0]  # real data in grey


def test_scatter_plot_of_many_points_is_small(tmp_path):
    points = np.random.default_rng(0).uniform(-1, 1, (20000, 2))
    (image,) = [attrs["src"] for tag, attrs in page([points_record(tmp_path, "gan", points)], tmp_path).tags if tag == "img"]
    assert len(base64.b64decode(image.partition(",")[2])) <= 120_000


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("gone.png", None, "There is no file gone.png"),
        ("text.png", b"no image", "text.png is not a PNG image"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "cut.png is not a PNG image"),
        ("text.npy", b"no array", "text.npy is not an array of points"),
        ("empty.npy", b"", "empty.npy is not an array of points"),
        ("../outside.png", None, "lies outside the output folder"),
        ("/etc/hostname", None, "lies outside the output folder"),
        ("nul\0.png", None, "cannot be opened"),
    ],
)
def test_samples_that_are_missing_or_broken_become_a_sentence(tmp_path, name, content, sentence):
    folder = tmp_path / "out"
    folder.mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "outside.png")
    if content is not None:
        (folder / name).write_bytes(content)
    found = page([made_record("gan", files={"samples": name})], folder)
    assert sentence in found.text
    assert found.images() == {}


@pytest.mark.parametrize("array", [np.zeros((4, 3)), np.zeros((4, 2), int), np.full((4, 2), np.nan), np.zeros((0, 2))])
def test_array_that_holds_no_points_becomes_a_sentence(tmp_path, array):
    np.save(tmp_path / "array.npy", array)
    text = page([made_record("gan", files={"samples": "array.npy"})], tmp_path).text
    assert re.search(r"array\.npy holds .*(no finite point|not points in the plane)", text)


def test_reference_stands_in_where_there_is_no_real_control(tmp_path):
    np.save(tmp_path / "reference.npy", np.asarray([[-1, -1], [1, 1]], np.float32))
    record = points_record(tmp_path, "gan", [[0, 0], [50, 0]])
    record = record.model_copy(update={"files": record.files | {"reference": "reference.npy"}})
    found = page([record], tmp_path)
    assert list(found.images()) == ["Samples of real data", "Samples of gan"]
    assert "1 of 2 points outside" in found.text
    control = points_record(tmp_path, "real", [[-1, -1], [1, 1]], control=True)
    assert list(page([record, control], tmp_path).images()) == ["Samples of real", "Samples of gan"]


def test_points_without_real_data_stand_on_axes_of_their_own(tmp_path):
    assert "on its own axes" in page([points_record(tmp_path, "gan", [[0, 0], [50, 0]])], tmp_path).text
