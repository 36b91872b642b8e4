"""The folder of variants as a whole: short files that do not repeat one another."""

from itertools import combinations
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "ganbench" / "variants"
FILES = sorted(path for path in FOLDER.glob("*.py") if path.name != "__init__.py")
HANDFUL = 6


def own_lines(path: Path) -> list[str]:
    """The lines of code that are not imports, comments, brackets, or a call's `name=value,` that every variant has its own of."""
    lines, docstring, block = [], False, False
    for line in path.read_text().splitlines():
        text = line.strip()
        quotes = text.count('"""')
        if docstring or quotes:
            docstring ^= quotes == 1
        elif block or text.startswith(("import ", "from ", "if TYPE_CHECKING", "#")):
            block = (block or text.endswith("(")) and not text.endswith(")")
        elif len(text) > 5 and not text.startswith("return {") and not (text.endswith(",") and "=" in text):
            lines.append(text)
    return lines


def longest_shared(one: list[str], other: list[str]) -> int:
    """The length of the longest run of lines that stands in both."""
    best = 0
    ends = [0] * (len(other) + 1)
    for line in one:
        ends = [0] + [ends[place] + 1 if line == there else 0 for place, there in enumerate(other)]
        best = max(best, *ends)
    return best


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_variant_is_a_short_file(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 120


def test_two_variants_share_no_more_than_a_handful_of_lines() -> None:
    read = {path.name: own_lines(path) for path in FILES}
    shared = {(a, b): longest_shared(read[a], read[b]) for a, b in combinations(read, 2)}
    assert {pair: lines for pair, lines in shared.items() if lines >= HANDFUL} == {}


def test_a_shared_run_is_seen() -> None:
    assert longest_shared(list("xabcdy"), list("abcd")) == 4
    assert longest_shared(list("ab"), list("cd")) == 0
