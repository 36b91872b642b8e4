"""What a site says across data sets: every comparison that `ganbench rank` could make of its records, or why it cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ganbench.errors import UsageError
from ganbench.leaderboard import across as method
from ganbench.leaderboard.across import Across, across
from ganbench.leaderboard.across_text import READING, findings
from ganbench.leaderboard.grouping import group
from ganbench.leaderboard.numbers import clean
from ganbench.leaderboard.section import by_dataset, runs_of
from ganbench.leaderboard.site.board import Board
from ganbench.leaderboard.site.diagram import Diagram, diagram
from ganbench.leaderboard.site.names import slug
from ganbench.leaderboard.summary import Table, summarise

ONE = "All records of this board are of one data set; ranks across data sets need two."


@dataclass(frozen=True)
class LeftOut:
    """Variants that were left out of a comparison, all for the same reason."""

    reason: str
    variants: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """One comparison. `found` is None where it cannot be made, and `said` is then one sentence; `slug` names its downloads."""

    title: str
    slug: str
    found: Across | None
    said: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()
    diagram: Diagram | None = None


@dataclass(frozen=True)
class Scope:
    """Some records of a board by data set, and what to call them."""

    title: str
    datasets: tuple[tuple[Table, ...], ...]


def comparisons(board: Board) -> list[Comparison]:
    """The comparison of all data sets by their primary scores, by each metric that several have, and of each suite on several.

    One that says what an earlier one said is left out, as is one of a metric or a suite that cannot be made.
    """
    whole = Scope("", tuple(tuple(tables) for tables in by_dataset(board.tables)))
    if len(whole.datasets) < 2:
        return [Comparison("All data sets", "all", None, (ONE,))]
    found = [_compared("By each data set's primary score", whole, "all")]
    for metric in _metrics(whole):
        having = tuple(tables for tables in whole.datasets if any(metric in _names(table) for table in tables))
        where = "all data sets" if having == whole.datasets else f"the {len(having)} data sets that have it"
        found.append(_compared(f"By {clean(metric)}, on {where}", Scope(metric, having), f"by-{metric}", metric))
    for scope in _suites(board):
        found.append(_compared(f"Suite {clean(scope.title)}, by each data set's primary score", scope, f"suite-{scope.title}"))
    return _distinct(found)


def method_in_words() -> list[str]:
    """How data sets are compared, in paragraphs of the code that does it."""
    return [*(" ".join(paragraph.split()) for paragraph in (method.__doc__ or "").split("\n\n")[1:]), " ".join(READING)]


def addresses(board: Board) -> dict[str, str]:
    """The page of every row's and variant's name, from the site's root."""
    pages = {page.name: f"variants/{page.slug}.html" for page in board.variants}
    return {row.name: pages[row.variant.name] for table in board.tables for row in table.rows} | pages


def _suites(board: Board) -> list[Scope]:
    """The suites that ran on several data sets, where the board has records of others too."""
    names = sorted({record.suite for record in board.records})
    found = []
    for name in names if len(names) > 1 else ():
        datasets = tuple(tables for members in by_dataset(board.tables) if (tables := tuple(_of_suite(members, name))))
        if len(datasets) > 1:
            found.append(Scope(name, datasets))
    return found


def _of_suite(tables: Sequence[Table], suite: str) -> Sequence[Table]:
    """The tables of one suite's records of a data set; those that there are where it has no others, for ranking takes its time."""
    records = runs_of(row for table in tables for row in table.rows)
    own = [record for record in records if record.suite == suite]
    return tables if len(own) == len(records) else summarise(own)


def _names(table: Table) -> list[str]:
    """The names of a table's metrics, which `ganbench rank --metric` takes."""
    return list(dict.fromkeys(str(column.metric.get("name", column.label)) for column in table.columns))


def _metrics(scope: Scope) -> list[str]:
    """The names of metrics that two data sets or more have, in the order of tables."""
    every = [name for tables in scope.datasets for name in dict.fromkeys(n for table in tables for n in _names(table))]
    return [name for name in dict.fromkeys(every) if every.count(name) > 1]


def _compared(title: str, scope: Scope, name: str, metric: str | None = None) -> Comparison:
    tables = [table for members in scope.datasets for table in members]
    try:
        found = across(tables, metric)
    except UsageError as error:
        return Comparison(title, slug(name), None, (clean(str(error)),))
    return Comparison(
        title=title,
        slug=slug(name),
        found=found,
        said=tuple(findings(found)),
        left_out=_left_out(found, tables),
        diagram=None if found.test is None else diagram(found),
    )


def _left_out(found: Across, tables: Sequence[Table]) -> tuple[LeftOut, ...]:
    """Who was left out, by variant: a variant of several rows on a data set has none there that stands for it."""
    keys = {board.protocol_key for board in found.boards}
    compared = [table for table in tables if keys & {column.key for column in table.columns}]
    rows = [(table.title, row) for table in compared for row in table.rows if not row.control]
    variants = {row.name: row.variant.name for _, row in rows}
    placed = {variants[each.variant] for each in found.placings}
    reasons = {}
    for name in sorted({variants[name] for name in found.left_out} - placed):
        count = {
            board.dataset: sum(row.variant.name == name for title, row in rows if title == board.dataset) for board in found.boards
        }
        reasons[name] = _reason(count)
    return tuple(LeftOut(reason, tuple(names)) for reason, names in group(reasons, lambda name: reasons[name]).items())


def _reason(count: Mapping[str, int]) -> str:
    absent, several = [each for each in count if not count[each]], [each for each in count if count[each] > 1]
    said = [f"not on {', '.join(absent)}"] if absent else []
    said += [f"several rows on {', '.join(several)}"] if several else []
    return clean("; ".join(said) or "its rows have different names")


def _distinct(found: Sequence[Comparison]) -> list[Comparison]:
    """The first comparison, and those after it that can be made and say something of their own."""
    kept = [found[0]]
    for each in found[1:]:
        if each.found is not None and all(each.found != other.found for other in kept):
            kept.append(each)
    return kept
