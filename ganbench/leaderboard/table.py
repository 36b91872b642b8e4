"""Tables in the formats that people paste: Markdown, CSV, LaTeX, HTML and JSON, and a form for the terminal."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ganbench.errors import unknown_name
from ganbench.interval import INTERVAL
from ganbench.leaderboard.cost import cost
from ganbench.leaderboard.layout import Entry, Sheet, lay_out
from ganbench.leaderboard.numbers import clean
from ganbench.leaderboard.pareto import on_front
from ganbench.leaderboard.summary import Cell, Row, Table

if TYPE_CHECKING:
    from rich.console import Console

LATEX = {
    "\\": r"\textbackslash{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",  # \textquotedbl is not in the fonts of a plain document
    "±": r"$\pm$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "–": "--",
    "…": r"\ldots{}",
}
# Latin letters that a plain document of pdfLaTeX has no glyphs for, beside everything from U+0180 on.
UNSET = "«»ÐÞðþĄąĐđĘęĦħĮįĸĿŀŉŊŋŦŧŲųſ"


def render(tables: Sequence[Table], format: str, costs: bool = False) -> str:
    """The tables as one text that ends in a newline; `format` is md, csv, latex, html or json.

    CSV is long: one line a table, row and score. HTML is a fragment. CSV and JSON always hold what rows cost, the others with
    `costs`. Raises UsageError for another format.
    """
    drawn = {"md": to_markdown, "latex": to_latex, "html": to_html}
    plain = {"csv": to_csv, "json": to_json}
    if format not in drawn and format not in plain:
        raise unknown_name("table format", format, ["md", "csv", "latex", "html", "json"])
    text = drawn[format](tables, costs) if format in drawn else plain[format](tables)
    return text.encode("utf-8", "replace").decode()  # a lone surrogate, which JSON may hold, cannot be written


def to_markdown(tables: Sequence[Table], costs: bool = False) -> str:
    """Pipe tables under headings, the best mean of each column in bold."""
    return "\n\n".join(markdown_of(lay_out(table, costs)) for table in tables) + "\n"


def markdown_of(sheet: Sheet) -> str:
    """One sheet as a pipe table under its heading; no newline at the end."""
    from tabulate import tabulate

    def field(entry: Entry) -> str:
        return f"**{escape_markdown(entry.text)}**" if entry.best else escape_markdown(entry.text)

    body = tabulate(
        [[field(entry) for entry in entries] for entries in (*sheet.ranked, *sheet.controls)],
        headers=[escape_markdown(heading.text) for heading in sheet.headings],
        tablefmt="pipe",
        colalign=["right" if heading.numeric else "left" for heading in sheet.headings],
        disable_numparse=True,
    )
    caption = " ".join(escape_markdown(sentence) for sentence in sheet.sentences)
    return f"### {escape_markdown(sheet.heading)}\n\n{body}\n\n{caption}"


def escape_markdown(text: str) -> str:
    """The text so that Markdown shows it as it is, also where that allows HTML."""
    text = html.escape(text, quote=False)
    text = re.sub(r"([\\`*|\[\]~])", r"\\\1", text)
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)  # an underscore inside a word is only that


def to_latex(tables: Sequence[Table], costs: bool = False) -> str:
    """One `table` environment a table, for the booktabs package, the best mean of each column in bold."""
    return latex_of([lay_out(table, costs) for table in tables])


def latex_of(sheets: Sequence[Sheet]) -> str:
    """Sheets as `table` environments, under a comment that says what they need."""
    return (
        "% \\usepackage{booktabs}; where a table is wider than the page, set it in \\resizebox{\\textwidth}{!}{...}\n"
        + "\n".join(map(_latex, sheets))
    )


def _latex(sheet: Sheet) -> str:
    def line(entries: Sequence[Entry]) -> str:
        fields = (f"\\textbf{{{escape_latex(e.text)}}}" if e.best else escape_latex(e.text) for e in entries)
        return " & ".join(fields) + r" \\"

    controls = [r"\midrule", *map(line, sheet.controls)] if sheet.controls else []
    lines = [
        r"\begin{table}[t]",
        r"\centering",
        f"\\caption{{{escape_latex(' '.join((sheet.heading + '.', *sheet.sentences)))}}}",
        f"\\begin{{tabular}}{{{''.join('r' if heading.numeric else 'l' for heading in sheet.headings)}}}",
        r"\toprule",
        " & ".join(escape_latex(heading.text) for heading in sheet.headings) + r" \\",
        r"\midrule",
        *map(line, sheet.ranked),
        *controls,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escape_latex(text: str) -> str:
    """The text so that a plain document of pdfLaTeX shows it: what that has no glyph for by its number, U+03BB."""
    known = (LATEX.get(mark, mark) for mark in text)
    return "".join(f"U+{ord(mark):04X}" if len(mark) == 1 and (mark > "\u017f" or mark in UNSET) else mark for mark in known)


def to_html(tables: Sequence[Table], costs: bool = False) -> str:
    """A fragment without styles or scripts: a `figure` a table, every text escaped."""
    return html_of([lay_out(table, costs) for table in tables])


def html_of(sheets: Sequence[Sheet]) -> str:
    """Sheets as a fragment of HTML."""
    from ganbench.leaderboard.templates import environment

    return environment().get_template("tables.html").render(sheets=sheets)


def to_csv(tables: Sequence[Table]) -> str:
    """One line a table, row and score, numbers as they are; a row without any score has one line with no score."""
    return csv_of([line for table in tables for line in long_form(table)])


def csv_of(lines: Sequence[Mapping[str, Any]]) -> str:
    """Plain dictionaries of the same keys as CSV; nothing where there are none."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(lines[0]) if lines else [], lineterminator="\n")
    if lines:
        writer.writeheader()
        writer.writerows({k: clean(v) if isinstance(v, str) else v for k, v in line.items()} for line in lines)
    return text.getvalue()


def long_form(table: Table) -> Iterator[dict[str, Any]]:
    """One plain dictionary a row and score: names, the protocol's key and every number, None where there is none."""
    front = on_front(table)
    for row in table.rows:
        scored = [(column, cell) for column, cell in zip(table.columns, row.cells, strict=True) if cell.count]
        head = {"dataset": table.title, "setting": table.setting, "row": row.name, **_facts(row, front)}
        for column, cell in scored:
            yield {**head, "score": column.label, "better": column.better, "protocol_key": column.key, **_numbers(cell)}
        if not scored:
            yield {**head, "score": None, "better": None, "protocol_key": None, **_numbers(Cell())}


def _facts(row: Row, front: frozenset[str]) -> dict[str, Any]:
    return {
        "variant": row.variant.name,
        "control": row.control,
        "rank": row.rank,
        "best_rank": row.best_rank,
        "worst_rank": row.worst_rank,
        "like_best": row.like_best,
        "n_ok": row.count("ok"),
        "n_diverged": row.count("diverged"),
        "n_failed": row.count("failed"),
        "train_seconds_per_seed": row.train_seconds_per_seed,
        "images_per_second": row.images_per_second,
        "generator_parameters": row.generator_parameters,
        **asdict(cost(row)),
        "pareto_front": row.name in front and not row.control,
        "specification_hash": row.specification_hash,
    }


def _numbers(cell: Cell) -> dict[str, Any]:
    return {
        "n_scored": cell.count,
        "mean": cell.mean,
        "std": cell.std,
        "ci95_low": cell.low,
        "ci95_high": cell.high,
        "ci95_half_width": cell.half_width,
        "best": cell.best,
        "metric_error": cell.error,
        "metric_error_kind": cell.error_kind,
    }


def to_json(tables: Sequence[Table]) -> str:
    """One document: `tables`, each with its protocol, its columns and its rows with their scores; null where there is no number."""
    document = {"interval": INTERVAL, "tables": [_plain_table(table) for table in tables]}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _plain_table(table: Table) -> dict[str, Any]:
    names = [{"score": column.label, "protocol_key": column.key} for column in table.columns]
    front = on_front(table)
    return {
        "dataset": table.dataset.model_dump(),
        "title": table.title,
        "setting": table.setting,
        "protocol": None if table.protocol is None else table.protocol.model_dump(exclude={"metrics", "notes"}),
        "columns": [
            {**name, "better": column.better, "metric": dict(column.metric)}
            for name, column in zip(names, table.columns, strict=True)
        ],
        "rows": [
            {
                "row": row.name,
                **_facts(row, front),
                "specification": dict(row.specification),
                "scores": [{**name, **_numbers(cell)} for name, cell in zip(names, row.cells, strict=True)],
            }
            for row in table.rows
        ],
        "notes": list(table.notes),
    }


def show(tables: Sequence[Table], console: Console, costs: bool = False) -> None:
    """Print the tables: with rules and bold type on a terminal, as Markdown anywhere else."""
    show_sheets([lay_out(table, costs) for table in tables], console)


def show_sheets(sheets: Sequence[Sheet], console: Console) -> None:
    """Print sheets as `show` prints tables."""
    if not console.is_terminal:
        console.file.write("\n\n".join(map(markdown_of, sheets)) + "\n")
        return
    from rich.table import Table as Grid
    from rich.text import Text

    for sheet in sheets:
        grid = Grid(
            title=Text(sheet.heading), caption=Text(" ".join(sheet.sentences)), title_justify="left", caption_justify="left"
        )
        for heading in sheet.headings:
            grid.add_column(Text(heading.text), justify="right" if heading.numeric else "left")
        for place, entries in enumerate(sheet.ranked):
            last = place == len(sheet.ranked) - 1
            grid.add_row(*(Text(e.text, style="bold" if e.best else "") for e in entries), end_section=last)
        for entries in sheet.controls:
            grid.add_row(*(Text(e.text) for e in entries), style="dim")
        console.print(grid)
