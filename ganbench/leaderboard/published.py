"""Scores as their sources print them, beside ours: never a row of a table, compared only where a suite aims at the source's own.

A file of published tables is TOML: `[[table]]` with source, place, dataset, protocol, the `suites` of ganbench that aim at it,
`ours` (the published row's name to our variant's), and `scores`.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from ganbench.errors import InvalidInputError, MissingDataError
from ganbench.interval import finite, mean, spread
from ganbench.leaderboard.grouping import distinct, group, is_scored, row_identity
from ganbench.record import Model, Record

STANDARD_ERROR = "standard error"

Number = Annotated[Decimal, Field(gt=-1e300, lt=1e300)]  # finite as a float too


class PublishedScore(Model):
    """One printed number with its decimals: 0.70 is no 0.7. `error_kind` says what its ± is, and is never guessed."""

    variant: str
    score: str
    value: Number
    error: Annotated[Number, Field(ge=0)] | None = None
    error_kind: str | None = None


class PublishedTable(Model):
    """One printed table, under one protocol."""

    source: str
    place: str
    dataset: str
    protocol: str
    suites: list[str] = Field(default_factory=list)
    ours: dict[str, str] = Field(default_factory=dict)
    scores: list[PublishedScore]


@dataclass(frozen=True)
class Comparison:
    """One published number beside the mean of one row of ours: a variant under one specification, of `steps`, on `samples`.

    `our_mean` is None where no seed ended well. `our_error` is the standard error of our mean, std / sqrt(seeds) with ddof 1; None
    for one seed. `difference_in_errors` is (ours - published) over the root of both squared standard errors; None where one of them
    is not known, and where neither varies. `lost` counts our seeds that diverged or failed, which the mean leaves out.
    """

    table: PublishedTable
    published: PublishedScore
    variant: str
    steps: int | None
    samples: int | None
    our_mean: float | None
    our_error: float | None
    seeds: int
    lost: int
    difference_in_errors: float | None


def load_published(path: Path) -> list[PublishedTable]:
    """The tables of a file. Raises MissingDataError where there is none, InvalidInputError that names what is wrong in it."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except FileNotFoundError:
        raise MissingDataError(
            f"There is no file {path}; give one of published tables, such as baselines/published.toml."
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{path} is not TOML that can be read: {str(error)[:200]}; mend it.") from None
    tables = document.get("table")
    if not isinstance(tables, list) or not tables:
        raise InvalidInputError(f"{path} holds no [[table]]; add the published tables to it.")
    return [_checked(path, number, table) for number, table in enumerate(tables, 1)]


def _checked(path: Path, number: int, table: Any) -> PublishedTable:
    try:
        return PublishedTable.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidInputError(f"{path}, table {number}: {place}: {first['msg']}; mend it.") from None


def compare(records: Iterable[Record], tables: Iterable[PublishedTable]) -> list[Comparison]:
    """Every published number that some records aim at, in the order of the tables.

    Records count for a table when its `suites` name theirs, on its data set, and their variant is among its `ours`. Each
    specification is compared by itself. Raises as `grouping.distinct` and `grouping.is_scored`.
    """
    known = distinct(records)
    for record in known:
        is_scored(record)
    found = []
    for table in tables:
        aiming = [record for record in known if record.suite in table.suites and record.dataset.name == table.dataset]
        for published in table.scores:
            seeds = [record for record in aiming if record.variant.name == table.ours.get(published.variant)]
            found += [_beside(table, published, row) for row in group(seeds, row_identity).values()]
    return found


def within(comparisons: Iterable[Comparison], errors: float) -> tuple[int, int]:
    """How many differences are at most so many joint standard errors, of how many that are known."""
    sizes = [abs(each.difference_in_errors) for each in comparisons if each.difference_in_errors is not None]
    return sum(size <= errors for size in sizes), len(sizes)


def plain(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain values, for JSON."""
    facts = asdict(comparison)
    return {
        "source": comparison.table.source,
        "place": comparison.table.place,
        "dataset": comparison.table.dataset,
        "protocol": comparison.table.protocol,
        **{name: value for name, value in facts.items() if name not in ("table", "published")},
        "published": {name: float(fact) if isinstance(fact, Decimal) else fact for name, fact in comparison.published},
    }


HEADINGS = ("Variant", "Steps", "Samples", "Score", "Ours ± standard error", "Seeds", "Published", "Difference / joint error")


def render(comparisons: Iterable[Comparison]) -> str:
    """A pipe table a published one: our mean and standard error, the published number with its ±, and how far they lie apart."""
    from tabulate import tabulate

    parts = []
    for _, members in group(comparisons, lambda each: f"{each.table.source}, {each.table.place}, {each.table.dataset}").items():
        table = members[0].table
        sides = ("left", "right", "right", "left", *["right"] * 4)
        kinds = _kinds([each.published for each in members])
        body = tabulate(list(map(_fields, members)), headers=HEADINGS, tablefmt="pipe", disable_numparse=True, colalign=sides)
        parts.append(
            f"### {table.dataset}: {table.source}, {table.place}\n\n{body}\n\nPublished under: {table.protocol}; ± is: {kinds}."
        )
    return "\n\n".join(parts)


@dataclass(frozen=True)
class Printed:
    """A published table as a page shows it: a line a published row, and `beside`, a line a comparison with ours."""

    table: PublishedTable
    kinds: str
    scores: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    beside: tuple[tuple[str, ...], ...]


def printed(table: PublishedTable, records: Sequence[Record]) -> Printed:
    """A published table, and what of some records aims at it. Raises as `compare`."""
    scores = tuple(dict.fromkeys(each.score for each in table.scores))
    lines = []
    for variant, members in group(table.scores, lambda each: each.variant).items():
        values = {each.score: _as_printed(each) for each in members}
        lines.append((variant, *(values.get(score, "–") for score in scores)))
    aiming = [record for record in records if record.suite in table.suites]
    return Printed(table, _kinds(table.scores), scores, tuple(lines), tuple(map(_fields, compare(aiming, [table]))))


def _kinds(scores: Iterable[PublishedScore]) -> str:
    return ", ".join(sorted({each.error_kind or "not stated" for each in scores}))


def _fields(each: Comparison) -> tuple[str, ...]:
    """One comparison under HEADINGS."""
    return (
        each.variant,
        "" if each.steps is None else f"{each.steps:,}",
        "" if each.samples is None else f"{each.samples:,}",
        each.published.score,
        _with_error(each.our_mean, each.our_error),
        f"{each.seeds}{f' + {each.lost} lost' if each.lost else ''}",
        f"{each.published.variant}: {_as_printed(each.published)}",
        "" if each.difference_in_errors is None else f"{each.difference_in_errors:+.1f}",
    )


def _with_error(value: float | None, error: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if error is None else f"{value:.4g} ± {error:.2g}"


def _as_printed(score: PublishedScore) -> str:
    return f"{score.value}" if score.error is None else f"{score.value} ± {score.error}"


def _beside(table: PublishedTable, published: PublishedScore, seeds: list[Record]) -> Comparison:
    """The comparison with the seeds of one row."""
    values = [r.scores[published.score].value for r in seeds if r.status == "ok" and published.score in r.scores]
    our_mean, std = mean(values), spread(values)[0]
    our_error = None if std is None else std / math.sqrt(len(values))
    difference = None
    if our_mean is not None and our_error is not None and published.error is not None and published.error_kind == STANDARD_ERROR:
        joint = math.hypot(our_error, float(published.error))
        difference = finite((our_mean - float(published.value)) / joint) if joint > 0 else None
    first, lost = seeds[0], sum(record.status != "ok" for record in seeds)
    steps, samples = (value if isinstance(value := first.specification.get(key), int) else None for key in ("steps", "samples"))
    return Comparison(table, published, first.variant.name, steps, samples, our_mean, our_error, len(values), lost, difference)
