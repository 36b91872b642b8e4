"""The LaTeX tables in print: they compile as they are, and the page shows the numbers that the sheet holds."""

import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from made_records import made_record

from ganbench.leaderboard.layout import lay_out
from ganbench.leaderboard.summary import Table, summarise
from ganbench.leaderboard.table import render
from ganbench.record import load_records

RESULTS = Path(__file__).parents[1] / "results"
COMPILERS = ("pdflatex", "tectonic")
DOCUMENT = r"""\documentclass{article}
\usepackage[paperwidth=90cm,paperheight=90cm,margin=1cm]{geometry}
\usepackage{booktabs}
\begin{document}
%s\end{document}
"""

compiler = next(filter(shutil.which, COMPILERS), None)
pytestmark = pytest.mark.skipif(
    compiler is None or shutil.which("pdftotext") is None,
    reason="needs pdflatex or tectonic, and pdftotext: apt-get install texlive-latex-recommended poppler-utils",
)


def printed(text: str, folder: Path) -> list[str]:
    """The lines of print of the compiled document without their spaces, which a reader of a PDF has to guess."""
    (folder / "t.tex").write_text(DOCUMENT % text, encoding="utf-8")
    options = ["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"] if compiler == "pdflatex" else []
    ran = subprocess.run([compiler, *options, "t.tex"], cwd=folder, capture_output=True, timeout=120)
    assert ran.returncode == 0, ran.stdout.decode(errors="replace")[-2000:]
    found = subprocess.run(["pdftotext", "-layout", "t.pdf", "-"], cwd=folder, capture_output=True, check=True).stdout.decode()
    return [squeezed(unicodedata.normalize("NFKC", line)) for line in found.splitlines()]  # ligatures as their letters


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def told(table: Table, costs: bool = False) -> list[str]:
    """Every row of the table as one line of its fields, without spaces."""
    sheet = lay_out(table, costs)
    return [squeezed("".join(entry.text for entry in entries)) for entries in (*sheet.ranked, *sheet.controls)]


@pytest.mark.parametrize("suite", ["mode-collapse", "all-points", "board-images"])
def test_the_numbers_of_the_committed_records_stand_in_print(suite: str, tmp_path: Path) -> None:
    tables = summarise(load_records([RESULTS / suite]))
    lines = printed(render(tables, "latex"), tmp_path)
    rows = [row for table in tables for row in told(table)]
    assert len(rows) >= 14
    assert [row for row in rows if row not in lines] == []
    for table in tables:
        for column in table.columns:
            assert column.key in "".join(lines)


def test_cost_columns_stand_in_print(tmp_path: Path) -> None:
    tables = summarise(load_records([RESULTS / "mode-collapse"]))
    lines = printed(render(tables, "latex", costs=True), tmp_path)
    assert [row for table in tables for row in told(table, costs=True) if row not in lines] == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        # The font's tilde and circumflex are accents that stand alone, and its only double quote is a closing one.
        (r"\input{/etc/passwd} 50% & $x$ #~^ <s> |a|", "\\input{/etc/passwd} 50% & $x$ #\u0303\u02c6 <s> |a|"),
        ('"quoted"', "”quoted”"),
        ("λ-gan 😀 Đ", "U+03BB-gan U+1F600 U+0110"),
    ],
)
def test_any_name_compiles_and_is_shown(name: str, shown: str, tmp_path: Path) -> None:
    assert squeezed(shown) in "".join(printed(render(summarise([made_record(name)]), "latex"), tmp_path))


def test_every_letter_that_is_printed_as_it_is_has_a_glyph(tmp_path: Path) -> None:
    name = "".join(chr(code) for code in range(0xA1, 0x180) if code != 0xAD)  # a soft hyphen prints nothing
    assert "U+0110" in "".join(printed(render(summarise([made_record(name)]), "latex"), tmp_path))
