"""The committed records: those whose checkpoint is kept can be checked, and are."""

from pathlib import Path

import pytest

from ganbench.harness.plan import Setting
from ganbench.harness.verify import rescore
from ganbench.record import load_record, record_files

RESULTS = Path(__file__).parents[1] / "results"


def kept(path: Path) -> bool:
    checkpoint = load_record(path).files.get("checkpoint")
    root = next(folder.parent for folder in path.parents if folder.name == "records")
    return checkpoint is not None and (root / checkpoint).is_file()


CHECKED = [
    path
    for path in record_files(sorted(RESULTS.glob("board-*")))
    if "checkpoints" in {each.name for each in path.parents[3].iterdir()} and kept(path)
]


def test_some_checkpoints_are_kept() -> None:
    assert len(CHECKED) >= 10


@pytest.mark.parametrize("path", CHECKED, ids=lambda path: "-".join(path.relative_to(RESULTS).with_suffix("").parts[2:]))
def test_a_kept_checkpoint_scores_what_its_record_says(path: Path, tmp_path: Path) -> None:
    failed = [check for check in rescore(load_record(path), path, Setting(out=tmp_path)) if not check.passed]
    assert not failed
