"""`ganbench show`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganbench.cli.console import err, named_path, print_json
from ganbench.errors import GanbenchError, MissingDataError

if TYPE_CHECKING:
    from ganbench.variant import Variant

CLASSES = 10  # of the spaces whose parameters are counted: a conditional variant's depend on them
USUAL = (Path("results"), Path("runs"))
SHAPES = ((2,), (1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64))


def show(
    name: Annotated[str, typer.Argument(help="A variant's name, or the path of a Python file with one.", metavar="VARIANT")],
    records: Annotated[
        list[Path] | None,
        typer.Option(
            parser=named_path,
            metavar="PATH",
            help="Record files, or folders of them, to read its scores from; repeat for more. Default: results, else runs, here.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show a variant: what it is, its recipe, its parameters, and how it scored in records."""
    from ganbench import registry
    from ganbench.catalogue import listed

    entry = registry.find("variants", name)
    about = asdict(listed(entry))
    facts: dict[str, Any] = {key: about[key] for key in ("name", "family", "paper", "year", "departures", "doc")}
    facts |= {"recipes": {}, "parameters": {}, "refused": {}} if entry.symbol == "CONTROL" else _built(entry.load())
    facts["scores"] = _scores(entry.name, records) if records else _scores_here(entry.name)
    if as_json:
        print_json(facts)
        return
    typer.echo(f"{facts['name']}  ({', '.join(part for part in (facts['family'], facts['paper']) if part)})\n\n{facts['doc']}")
    for kind, recipe in facts["recipes"].items():
        typer.echo(f"\nRecipe for {kind}: " + ", ".join(f"{key} {value}" for key, value in recipe.items()))
    if facts["parameters"]:
        typer.echo("\nParameters:")
    for shape, counts in facts["parameters"].items():
        typer.echo(f"  {shape}: " + ", ".join(f"{network} {count:,}" for network, count in counts.items()))
    for shape, reason in facts["refused"].items():
        typer.echo(f"  {shape}: none. {reason}")
    if not facts["scores"]:
        typer.echo("\nScores: none here; --records PATH reads them from records.")
    for score in facts["scores"]:
        around = "" if score["half_width"] is None else f" ± {score['half_width']:.3g} (95 % interval of the mean)"
        number = "no score" if score["mean"] is None else f"{score['metric']} {score['mean']:.4g}{around}"
        lost = "".join(f" + {score[status]} {status}" for status in ("diverged", "failed") if score[status])
        typer.echo(f"\n{score['dataset']}: {number}, {score['seeds']}{lost} seeds, {score['suite']}")


def _built(variant: Variant) -> dict[str, Any]:
    """Recipes by kind of data, and parameter counts of each network by shape, or why the variant refuses it."""
    from ganbench.variant import Space

    recipes: dict[str, Any] = {}
    parameters: dict[str, dict[str, int]] = {}
    refused: dict[str, str] = {}
    for shape in SHAPES:
        space = Space(shape, CLASSES, None if len(shape) == 1 else shape)
        label = "x".join(map(str, shape)) if len(shape) > 1 else f"points of {shape[0]}"
        if reason := variant.refuses(space):
            refused[label] = reason
            continue
        recipe = variant.recipe_for(space)
        recipes.setdefault("points" if space.is_points else "images", asdict(recipe))
        networks = variant.networks(space, recipe)
        parameters[label] = {key: sum(p.numel() for p in network.parameters()) for key, network in networks.items()}
    return {"recipes": recipes, "parameters": parameters, "refused": refused}


def _scores_here(name: str) -> list[dict[str, Any]]:
    """As `_scores`, of the first folder with any where records usually lie; one that cannot be read is told and left out."""
    for folder in (folder for folder in USUAL if folder.is_dir()):
        try:
            if found := _scores(name, [folder]):
                return found
        except MissingDataError:
            continue  # no records
        except GanbenchError as error:
            err.print(f"No scores from {folder}: {error}", highlight=False, soft_wrap=True, markup=False)
    return []


def _scores(name: str, paths: list[Path]) -> list[dict[str, Any]]:
    """The variant's cells in the tables of the records, with the seeds that were lost; a row without a score has one of its own."""
    from ganbench.leaderboard.summary import summarise
    from ganbench.record import load_records

    found: list[dict[str, Any]] = []
    for table in summarise(load_records(paths)):
        title = f"{table.title}{f' ({table.setting})' if table.setting else ''}"
        for row in (row for row in table.rows if row.variant.name == name):
            cells = [(column.label, cell) for column, cell in zip(table.columns, row.cells, strict=True) if cell.mean is not None]
            suites = ", ".join(dict.fromkeys(record.suite for record in row.records))
            facts = {"suite": suites, "diverged": row.count("diverged"), "failed": row.count("failed")}
            found += [
                {"dataset": title, "metric": label, "mean": cell.mean, "half_width": cell.half_width, "seeds": cell.count, **facts}
                for label, cell in cells
            ]
            if not cells:
                found.append({"dataset": title, "metric": None, "mean": None, "half_width": None, "seeds": 0, **facts})
    return found
