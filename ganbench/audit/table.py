"""An audit as text: the smallest damage that each metric tells, its rho, and its blind spots in sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ganbench.audit.result import Audit, AuditedDamage, Response

if TYPE_CHECKING:
    from rich.console import Console

MISSES, REWARDS, GAP, SOME = "–", "▲", "gap", "*"


def to_markdown(audit: Audit) -> str:
    """The whole audit as Markdown, ending in a newline."""
    from tabulate import tabulate

    headers = ["metric", *(damage.name for damage in audit.damages)]
    align = ["left", *("right" for _ in audit.damages)]
    tables = {
        title: tabulate(rows, headers=headers, tablefmt="pipe", colalign=align, disable_numparse=True)
        for title, rows in _tables(audit).items()
    }
    parts = [f"# {heading(audit)}", *(part for title, text in tables.items() for part in (f"## {title}", text))]
    parts += ["\n".join(f"- {line}" for line in legend(audit)), "## Blind spots", "\n".join(f"- {x}" for x in blind_spots(audit))]
    if audit.skipped:
        parts += ["## Left out", "\n".join(f"- {name}: {reason}" for name, reason in audit.skipped.items())]
    return "\n\n".join(parts) + "\n"


def show(audit: Audit, console: Console) -> None:
    """Print the audit: with rules on a terminal, as Markdown anywhere else."""
    if not console.is_terminal:
        console.file.write(to_markdown(audit))
        return
    from rich.table import Table
    from rich.text import Text

    for title, rows in _tables(audit).items():
        grid = Table(title=Text(f"{title}: {heading(audit)}"), title_justify="left", pad_edge=False)
        for name in ("metric", *(damage.name for damage in audit.damages)):
            grid.add_column(Text(name), justify="left" if name == "metric" else "right", no_wrap=name == "metric", overflow="fold")
        for row in rows:
            grid.add_row(*(Text(cell, style="bold red" if cell.startswith(REWARDS) else "") for cell in row))
        console.print(grid)
    left_out = [f"Left out: {reason}" for reason in audit.skipped.values()]
    for line in (*legend(audit), "Blind spots", *blind_spots(audit), *left_out):
        console.print(Text(line))


def heading(audit: Audit) -> str:
    """What was audited, in one line."""
    return (
        f"{audit.samples:,} samples of {audit.dataset} against {2 * audit.samples:,} in features of {audit.extractor['name']}, "
        f"{audit.repeats} repeats"
    )


def legend(audit: Audit) -> list[str]:
    """What the cells mean, and the levels of each damage."""
    return [
        audit.rule,
        f"Cells: the weakest level that is told; {MISSES}: never told; (x): told at x, but not at the strongest level; {REWARDS}x: "
        f"told as better at x, and then the level from which it is told as worse, if any; {GAP}: no values; "
        f"{SOME}: no values at some level.",
        "Spearman's rho is between the rank of the level, undamaged included, and the worsening. To a metric without bias the "
        "number of samples (fewer) is no damage, and it should not tell it.",
        *(f"{each.name} ({each.unit}): {', '.join(f'{level:g}' for level in each.levels)}" for each in audit.damages),
    ]


def blind_spots(audit: Audit) -> list[str]:
    """One sentence a metric: what it misses, what it rewards, and whether it moves with the number of samples alone."""
    lines = []
    for metric in audit.metrics:
        pairs = [(damage, audit.response(metric.name, damage.name)) for damage in audit.damages]
        harms = [(damage, response) for damage, response in pairs if damage.kind != "size"]
        said = {
            "misses": [damage.name for damage, response in harms if response.verdict == "misses"],
            "tells only in part": [damage.name for damage, response in harms if response.verdict == "partly"],
            "rewards": [_rewarded(damage, response) for damage, response in harms if response.verdict == "rewards"],
            "gives no value under": [damage.name for damage, response in harms if response.verdict == "gap"],
            "moves with the number of samples alone": [
                _moved(damage, response)
                for damage, response in pairs
                if damage.kind == "size" and {"worse", "better"} & set(response.told)
            ],
        }
        sentence = "; ".join(f"{verb} {', '.join(things)}" for verb, things in said.items() if things)
        lines.append(f"{metric.name}: {sentence or 'tells all of them'}.")
    return lines


def _rewarded(damage: AuditedDamage, response: Response) -> str:
    levels = ", ".join(f"{level:g}" for level in response.rewarded_at)
    return f"{damage.name} (at {levels} {damage.unit})"


def _moved(damage: AuditedDamage, response: Response) -> str:
    verdicts = dict(zip(damage.levels, response.told, strict=True))
    sides = {side: ", ".join(f"{level:g}" for level, told in verdicts.items() if told == side) for side in ("worse", "better")}
    return f"({'; '.join(f'{side} at {damage.unit} {levels}' for side, levels in sides.items() if levels)})"


def cell(response: Response, damage: AuditedDamage) -> str:
    """A response in a few characters; `legend` says what they mean."""
    if response.verdict == "gap":
        return GAP
    return _cell(response, damage) + (SOME if "gap" in response.told else "")


def _cell(response: Response, damage: AuditedDamage) -> str:
    if response.verdict == "rewards":
        worse = "" if response.told_from is None else f" {response.told_from:g}"
        return f"{REWARDS}{response.rewarded_at[0]:g}{worse}"
    if response.told_from is not None:
        return f"{response.told_from:g}"
    first = next((level for level, told in zip(damage.levels, response.told, strict=True) if told == "worse"), None)
    return MISSES if first is None else f"({first:g})"


def rho(response: Response) -> str:
    """Spearman's rho with two decimals, or a dash where it is not defined."""
    if response.rho is None:
        return MISSES
    text = f"{response.rho:.2f}"
    return "0.00" if text == "-0.00" else text


def _tables(audit: Audit) -> dict[str, list[list[str]]]:
    def rows(text: Callable[[Response, AuditedDamage], str]) -> list[list[str]]:
        return [
            [metric.name, *(text(audit.response(metric.name, damage.name), damage) for damage in audit.damages)]
            for metric in audit.metrics
        ]

    return {
        "The smallest damage told": rows(cell),
        "Spearman's rho with the damage": rows(lambda response, _: rho(response)),
    }
