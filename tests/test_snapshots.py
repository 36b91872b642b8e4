"""Samples as training went on, on the report's page."""

from pathlib import Path

import torch
from made_records import made_record

from ganbench.leaderboard.snapshots import snapshots
from ganbench.leaderboard.summary import summarise
from ganbench.picture import save_picture


def test_at_most_six_steps_with_the_first_and_the_last(tmp_path: Path) -> None:
    files = {}
    for step in range(0, 1100, 100):
        path = save_picture(tmp_path / f"step-{step}", torch.full((64, 1, 8, 8), step % 256, dtype=torch.uint8))
        files[f"samples at step {step}"] = path.name
    record = made_record(files=files)
    rows = summarise([record])[0].rows
    (row,) = snapshots(rows, tmp_path)
    assert [picture.name for picture in row.pictures] == [f"step {step:,}" for step in (0, 200, 400, 600, 800, 1000)]
    assert all(picture.uri.startswith("data:image/png") for picture in row.pictures)


def test_a_picture_that_is_gone_becomes_a_note(tmp_path: Path) -> None:
    record = made_record(files={"samples at step 5": "gone.png"})
    (row,) = snapshots(summarise([record])[0].rows, tmp_path)
    assert row.pictures[0].uri == ""
    assert "gone.png" in row.pictures[0].note


def test_runs_that_were_not_looked_at_have_none(tmp_path: Path) -> None:
    assert snapshots(summarise([made_record()])[0].rows, tmp_path) == []
