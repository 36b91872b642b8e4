"""A model card of one variant for the Hugging Face Hub: README.md with its scores as a `model-index`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any

from ganbench.errors import MissingDataError, UsageError, unknown_name
from ganbench.interval import INTERVAL
from ganbench.leaderboard.layout import ARROWS, MISSING, describe
from ganbench.leaderboard.numbers import clean, value_and_half
from ganbench.leaderboard.summary import Cell, Column, Row, Table
from ganbench.leaderboard.table import escape_markdown

TASKS = {"image-to-image": "image-to-image"}  # by family; everything else makes images of nothing but noise, or of a class


def hub() -> Any:
    """The package huggingface_hub. Raises MissingDataError with the fix where it is not installed."""
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError:
        raise MissingDataError("A model card needs huggingface_hub, which is not installed; pip install 'ganbench[hub]'.") from None


def rows_of(tables: Sequence[Table], variant: str) -> list[tuple[Table, Row]]:
    """The variant's rows with their tables, several where it has several specifications. Raises UsageError where there are none."""
    trained = [(table, row) for table in tables for row in table.rows if not row.control]
    found = [(table, row) for table, row in trained if row.variant.name == variant]
    if not trained:
        raise UsageError("The records hold no trained variant, and a card is of one; give records of its runs.")
    if not found:
        raise unknown_name("trained variant in the records", variant, sorted({row.variant.name for _, row in trained}))
    return found


def card(rows: Sequence[tuple[Table, Row]], checkpoints: Sequence[str]) -> str:
    """The text of the card: YAML with a result for each score that has a value, then the same in words and how to make it again.

    Every text of a record is escaped, in YAML by its writer. `checkpoints` are the files beside the card, relative to it.
    """
    package, name = hub(), clean(rows[0][1].variant.name)
    results = [_result(package, table, row, column, cell) for table, row in rows for column, cell in _scored(table, row)]
    data = package.ModelCardData(model_name=name, library_name="ganbench", tags=["gan", "ganbench"], eval_results=results or None)
    return f"---\n{data.to_yaml()}\n---\n\n{_body(rows, checkpoints)}"


def _scored(table: Table, row: Row) -> Iterator[tuple[Column, Cell]]:
    return ((column, cell) for column, cell in zip(table.columns, row.cells, strict=True) if cell.mean is not None)


def _result(package: Any, table: Table, row: Row, column: Column, cell: Cell) -> Any:
    """One score as the Hub stores it: the mean is its value; the interval, the seeds and the protocol are its arguments."""
    facts = table.dataset
    images = len(facts.shape) > 1
    return package.EvalResult(
        task_type=TASKS.get(row.variant.family, "unconditional-image-generation") if images else "other",
        dataset_type=clean(facts.name),
        dataset_name=clean(f"{table.title}: {row.name}" if row.name != row.variant.name else table.title),
        dataset_config=f"specification {row.specification_hash[:12]}",
        dataset_revision=clean(facts.train_hash),
        metric_type=clean(str(column.metric.get("name", column.label))),
        metric_name=clean(column.label),
        metric_value=cell.mean,
        metric_config=f"protocol {column.key}",
        metric_args={
            "better": column.better,
            "seeds": cell.count,
            "seeds_lost": row.count("diverged") + row.count("failed"),
            "ci95_half_width": cell.half_width,
            "ci95_low": cell.low,
            "ci95_high": cell.high,
        },
    )


def _body(rows: Sequence[tuple[Table, Row]], checkpoints: Sequence[str]) -> str:
    variant = rows[0][1].variant
    parts = [f"# {_shown(variant.name)}"]
    if variant.paper:
        parts.append(f"A generator of the variant {_shown(variant.name)}: {_shown(variant.paper)}. Trained and scored by ganbench.")
    parts += [_section(table, row) for table, row in rows]
    parts.append(f"↓: lower is better, ↑: higher is better. {INTERVAL} Numbers compare only where the protocol's key is the same.")
    files = [f"- `{name}`" for name in checkpoints]
    parts.append("## Checkpoints\n\n" + ("\n".join(files) if files else "None were kept beside the records."))
    if files:
        parts.append("Each is read by `ganbench score FILE --reference DATASET`; its `.json` says what to build, and its sha256.")
    commands = sorted({clean(record.command) for _, row in rows for record in row.records})
    parts.append("## How it was made\n\n" + "\n".join(f"    {command}" for command in commands))
    return "\n\n".join(parts) + "\n"


def _section(table: Table, row: Row) -> str:
    from tabulate import tabulate

    lines = [
        (
            f"{_shown(column.label)} {ARROWS[column.better]}",
            " ± ".join(part for part in value_and_half(cell.mean, cell.half_width) if part) or MISSING,
            str(cell.count),
            column.key,
        )
        for column, cell in _scored(table, row)
    ]
    title = f"## {_shown(table.title)}" + (f": {_shown(row.name)}" if row.name != row.variant.name else "")
    if not lines:
        return f"{title}\n\nNo seed has a score: {_shown(row.seeds)}."
    body = tabulate(
        lines, headers=["Score", "Mean ± 95 %", "Seeds", "Protocol"], tablefmt="pipe", disable_numparse=True,
        colalign=["left", "right", "right", "left"],
    )  # fmt: skip
    told = ""
    if table.protocol is not None:
        samples, reference = table.protocol.samples, table.protocol.reference
        told = (
            f"{samples.count:,} samples of each seed against {reference.count:,} of {_shown(reference.source)}, in features of "
            f"{_shown(describe(table.protocol.extractor))}. "
        )
    return f"{title}\n\n{body}\n\n{told}Seeds: {_shown(row.seeds)}."


def _shown(text: str) -> str:
    return escape_markdown(clean(text))
