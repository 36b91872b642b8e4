"""Samples of each row beside real data: grids of images, or scatter plots of points on the axes of the real ones."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ganbench.errors import GanbenchError, InvalidInputError
from ganbench.leaderboard.attachments import Folder, attachment
from ganbench.leaderboard.summary import Row
from ganbench.record import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_IMAGE = 120_000  # bytes of one picture
LARGEST_PIXELS = 4096 * 4096
POINTS_DRAWN = 2500
SIDE_PIXELS = 440  # of a scatter plot: twice its size on the page
REAL = "real"  # the control whose samples are the data themselves

Keep = Callable[[bytes], str]  # a PNG to the address that a page finds it under
Limits = tuple[float, float, float, float]  # x low, x high, y low, y high


@dataclass(frozen=True)
class Picture:
    """One row's samples: a grid of images or a scatter plot, at an address ("" where `note` says why there is none)."""

    name: str
    control: bool
    uri: str
    note: str
    width: int = 0
    height: int = 0
    grid: bool = False


def data_uri(png: bytes) -> str:
    """The address of a PNG that a page holds itself."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def pictures(rows: Sequence[Row], folder: Folder, keep: Keep = data_uri) -> list[Picture]:
    """A picture a row, real data first; of several seeds the first one that ended well. Broken files become notes.

    Real data are those of the control `real`; where it has none, the ones that a record keeps as its `reference`. `keep` takes
    every PNG and returns its address.
    """
    real = real_points(rows, folder)
    return [draw_picture(source, folder, real, keep) for source in _sources(rows)]


def real_points(rows: Sequence[Row], folder: Folder) -> NDArray[np.float32] | None:
    """The real data's points (N, 2), whose axes every plot of the data set has; None for images."""
    real = (source for source in _sources(rows) if source.is_real)
    return next((points for source in real if (points := _points(source, folder)) is not None), None)


@dataclass(frozen=True)
class Source:
    """What a picture is made of: `record.files[kind]`, or nothing where no record has it."""

    name: str
    control: bool
    record: Record | None
    kind: str = "samples"
    note: str = ""
    is_real: bool = False


def _is_real(row: Row) -> bool:
    return row.control and row.variant.name == REAL


def _source(row: Row) -> Source:
    having = [record for record in row.records if "samples" in record.files]
    record = min(having, key=lambda record: (record.status != "ok", record.seed), default=None)
    if record is None or row.control:
        return Source(row.name, row.control, record, is_real=_is_real(row))
    return Source(row.name, False, record, note=f"Seed {record.seed}{'' if record.status == 'ok' else f', {record.status}'}")


def _sources(rows: Sequence[Row]) -> list[Source]:
    ordered = sorted(rows, key=lambda row: (not _is_real(row), row.control))
    sources = [_source(row) for row in ordered]
    if any(source.is_real and source.record for source in sources):
        return sources
    kept = [record for row in ordered for record in row.records if "reference" in record.files]
    return [*(Source("real data", True, record, "reference", is_real=True) for record in kept[:1]), *sources]


def draw_picture(source: Source, folder: Folder, real: NDArray[np.float32] | None, keep: Keep = data_uri) -> Picture:
    """The picture of a source; points are drawn over the `real` ones, on their axes. A file that cannot be read becomes a note."""
    if source.record is None:
        return Picture(source.name, source.control, "", "No samples were kept.")
    try:
        path = attachment(source.record, source.kind, folder)
        if path.suffix == ".npy":
            return _scatter_picture(source, read_points(path), real, keep)
        png, width, height = read_grid(path)
        return Picture(source.name, source.control, keep(png), source.note, width, height, grid=True)
    except GanbenchError as error:
        return Picture(source.name, source.control, "", str(error))


def _points(source: Source, folder: Folder) -> NDArray[np.float32] | None:
    if source.record is None:
        return None
    try:
        path = attachment(source.record, source.kind, folder)
        return read_points(path) if path.suffix == ".npy" else None
    except GanbenchError:
        return None  # the source's own picture says why


def read_points(path: Path) -> NDArray[np.float32]:
    """The finite points of an .npy file, (N, 2) float32. Raises InvalidInputError for any other array, and when none is finite."""
    try:
        points = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidInputError(f"{path.name} is not an array of points: {error}.") from None
    if points.ndim != 2 or points.shape[1] != 2 or points.dtype.kind != "f":
        raise InvalidInputError(f"{path.name} holds {points.dtype} {points.shape}, not points in the plane.")
    with np.errstate(over="ignore"):
        points = points.astype(np.float32)  # (N, 2)
    kept: NDArray[np.float32] = points[np.isfinite(points).all(1)]
    if not len(kept):
        raise InvalidInputError(f"{path.name} holds no finite point.")
    return kept


def read_grid(path: Path) -> tuple[bytes, int, int]:
    """A PNG image as one of at most 120 kB, and its width and height before that.

    It is decoded and written again, so that only pixels come through. Raises InvalidInputError when it is no such image.
    """
    try:
        with Image.open(path, formats=["PNG"]) as file:
            if file.width * file.height > LARGEST_PIXELS:
                raise ValueError(f"{file.width} x {file.height} pixels are too many for a page")
            image = file.convert("L" if file.mode in ("1", "L", "I;16", "I") else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InvalidInputError(f"{path.name} is not a PNG image that can be read: {error}.") from None
    width, height = image.size
    png = _png(image)
    while len(png) > LARGEST_IMAGE:
        image = image.resize((max(1, image.width * 4 // 5), max(1, image.height * 4 // 5)), Image.Resampling.LANCZOS)
        png = _png(image)
    return png, width, height


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _scatter_picture(source: Source, points: NDArray[np.float32], real: NDArray[np.float32] | None, keep: Keep) -> Picture:
    limits = axes_limits(points if real is None else real)
    x, y = points[:, 0], points[:, 1]
    outside = int(((x < limits[0]) | (x > limits[1]) | (y < limits[2]) | (y > limits[3])).sum())
    outside_note = f"{outside:,} of {len(points):,} points outside" if outside else ""
    png = scatter(points, None if source.is_real else real, limits)
    side = SIDE_PIXELS // 2
    note = ", ".join(filter(None, (source.note, outside_note, "" if real is not None else "on its own axes")))
    return Picture(source.name, source.control, keep(png), note, side, side)


def axes_limits(points: NDArray[np.float32]) -> Limits:
    """A square around points (N, 2), a tenth of its side wider at each end."""
    low, high = points.min(0).astype(float), points.max(0).astype(float)
    half = 0.6 * max(float((high - low).max()), 1e-6)
    x, y = (low + high) / 2
    return x - half, x + half, y - half, y + half


def scatter(points: NDArray[np.float32], real: NDArray[np.float32] | None, limits: Limits) -> bytes:
    """A PNG of at most 120 kB: the first 2,500 points (N, 2) in colour over as many real ones in grey, on a clear ground."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    png = b""
    for side in (SIDE_PIXELS, SIDE_PIXELS * 3 // 4, SIDE_PIXELS // 2, SIDE_PIXELS // 4):
        figure = Figure(figsize=(side / 100, side / 100), dpi=100)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1), frameon=False)
        axes.set(xlim=limits[:2], ylim=limits[2:], xticks=[], yticks=[])
        layers = [(points, "#3b82d0", 0.55)] if real is None else [(real, "#9a9a9a", 0.35), (points, "#3b82d0", 0.55)]
        for drawn, colour, alpha in layers:
            x, y = drawn[:POINTS_DRAWN].T
            axes.scatter(x, y, s=5 * side / SIDE_PIXELS, c=colour, alpha=alpha, linewidths=0)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", transparent=True, metadata={"Software": None})
        png = buffer.getvalue()
        if len(png) <= LARGEST_IMAGE:
            break
    return png
