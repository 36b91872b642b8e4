"""The critical-difference diagram (Demšar 2006, figure 1): mean ranks on a line, bars over those that are not told apart."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from ganbench.errors import UsageError
from ganbench.files import write_atomically
from ganbench.leaderboard.across import Across
from ganbench.leaderboard.numbers import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMS = (".svg", ".png", ".pdf")
ROW, BAR = 0.22, 0.11  # inches a name and a bar


def check_form(path: Path) -> None:
    """Raise UsageError where a figure cannot be written as the path's ending says."""
    if path.suffix not in FORMS:
        raise UsageError(f"--figure {path} ends in none of {', '.join(FORMS)}; name a file that does.")


def save_diagram(found: Across, path: Path) -> None:
    """Write the diagram, atomically. Raises UsageError where there was no test, or for an ending that is not known."""
    import matplotlib

    check_form(path)
    if found.test is None:
        raise UsageError(f"--figure {path} needs a test, and there is none. {' '.join(found.notes)}")
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "ganbench", "svg.fonttype": "none"}):  # equal records give equal bytes
        metadata = (
            {"Software": None} if path.suffix == ".png" else {"CreationDate": None} if path.suffix == ".pdf" else {"Date": None}
        )
        draw(found).savefig(buffer, format=path.suffix[1:], dpi=150, metadata=metadata)
    write_atomically(path, buffer.getvalue())


def draw(found: Across) -> Figure:
    """The figure: the best rank on the left, the better half of the names on the left side, the critical difference above."""
    from matplotlib.figure import Figure

    assert found.test is not None  # the caller has looked
    count, bars = len(found.placings), len(found.test.groups)
    half = -(-count // 2)
    top, depth = 0.75, 0.15 + BAR * bars + ROW * half
    figure = Figure(figsize=(7.5, top + depth + 0.1))
    axes = figure.add_axes((0.3, 0.0, 0.4, 1.0))
    axes.axis("off")
    axes.set(xlim=(1, max(count, 2)), ylim=(-depth - 0.1, top))
    axes.plot([1, count], [0, 0], color="black", linewidth=1, clip_on=False)
    step = max(1, count // 10)
    for rank in range(1, count + 1, step):
        axes.plot([rank, rank], [0, 0.07], color="black", linewidth=1, clip_on=False)
        axes.text(rank, 0.1, str(rank), ha="center", fontsize=8)
    _difference(axes, found.test.critical_difference, count)
    ranks = {each.variant: each.mean_rank for each in found.placings}
    for place, members in enumerate(found.test.groups):
        height = -0.09 - BAR * place
        ends = [ranks[members[0]] - 0.015 * count, ranks[members[-1]] + 0.015 * count]
        axes.plot(ends, [height, height], color="black", linewidth=3.5, solid_capstyle="butt", clip_on=False)
    for place, each in enumerate(found.placings):
        left = place < half
        row = place if left else count - 1 - place
        height, edge = -0.2 - BAR * bars - ROW * row, 1 - 0.04 * count if left else count + 0.04 * count
        axes.plot([each.mean_rank, each.mean_rank, edge], [0, height, height], color="#555555", linewidth=0.8, clip_on=False)
        told = f"{clean(each.variant)} ({each.mean_rank:.2f})"
        shift = -0.01 * count if left else 0.01 * count
        axes.text(edge + shift, height, told, ha="right" if left else "left", va="center", fontsize=8, parse_math=False)
    return figure


def _difference(axes: Axes, difference: float, count: int) -> None:
    """The critical difference as a measure over the line, from the best rank on; only in words where it is longer than that."""
    if difference <= count - 1:
        axes.plot([1, 1 + difference], [0.42, 0.42], color="black", linewidth=1, clip_on=False)
        for end in (1, 1 + difference):
            axes.plot([end, end], [0.38, 0.46], color="black", linewidth=1, clip_on=False)
    axes.text(1, 0.52, f"critical difference {difference:.2f}", fontsize=8)
