"""Samples as training went on: the fixed latents of one seed at the steps at which the run was looked at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ganbench.leaderboard.attachments import Folder
from ganbench.leaderboard.samples import Keep, Picture, Source, data_uri, draw_picture, real_points
from ganbench.leaderboard.summary import Row

SHOWN = 6  # steps of one row, the first and the last among them
KIND = re.compile(r"samples at step (\d+)")


@dataclass(frozen=True)
class Snapshots:
    """One row's pictures by step; `note` says whose they are."""

    name: str
    note: str
    pictures: tuple[Picture, ...]


def snapshots(rows: Sequence[Row], folder: Folder, keep: Keep = data_uri) -> list[Snapshots]:
    """For every row that was looked at while it trained: its first seed that ended well, at up to six steps."""
    real = real_points(rows, folder)
    found = []
    for row in rows:
        looked = [(record, steps) for record in row.records if (steps := _steps(record.files))]
        if looked:
            record, steps = min(looked, key=lambda each: (each[0].status != "ok", each[0].seed))
            sources = [Source(f"step {step:,}", False, record, steps[step]) for step in _spread(sorted(steps))]
            found.append(
                Snapshots(
                    row.name,
                    f"Seed {record.seed}, the same latents at each step.",
                    tuple(draw_picture(s, folder, real, keep) for s in sources),
                )
            )
    return found


def _steps(files: dict[str, str]) -> dict[int, str]:
    return {int(match[1]): kind for kind in files if (match := KIND.fullmatch(kind))}


def _spread(steps: list[int]) -> list[int]:
    if len(steps) <= SHOWN:
        return steps
    return [steps[round(place * (len(steps) - 1) / (SHOWN - 1))] for place in range(SHOWN)]
