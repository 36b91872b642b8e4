"""`ganbench show`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganbench.cli.console import err, named_path, print_json
from ganbench.errors import GanbenchError, MissingDataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganbench.leaderboard.summary import Row
    from ganbench.variant import Control, Space, Variant

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
    from ganbench.variant import Control

    entry = registry.find("variants", name)
    loaded = entry.load()
    # A user's file may build its variant from another one, so that its facts do not stand in the file.
    about = asdict(listed(replace(entry, facts={"family": loaded.family, "paper": loaded.paper})))
    facts: dict[str, Any] = {key: about[key] for key in ("name", "family", "paper", "year", "departures", "doc")}
    facts |= {"recipes": {}, "parameters": {}, "refused": {}} if isinstance(loaded, Control) else _built(loaded)
    facts["scores"] = _scores(loaded, records) if records else _scores_here(loaded)
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
        seeds = "seed" if score["seeds"] == 1 and not lost else "seeds"
        typer.echo(f"\n{score['dataset']}: {number}, {score['seeds']}{lost} {seeds}, {score['suite']}{_told(score)}")


def _told(score: dict[str, Any]) -> str:
    """How a score's runs were trained: their steps, and what of the recipe was another than the one that is shown."""
    settings = score["settings"]
    return f" ({', '.join(f'{key} {value}' for key, value in settings.items())})" if settings else ""


def _built(variant: Variant) -> dict[str, Any]:
    """Recipes by kind of data, and parameter counts of each network by shape, or why the variant refuses it."""
    recipes: dict[str, dict[str, Any]] = {}
    parameters: dict[str, dict[str, int]] = {}
    refused: dict[str, str] = {}
    for shape in SHAPES:
        space = _space(shape)
        label = "x".join(map(str, shape)) if len(shape) > 1 else f"points of {shape[0]}"
        if reason := variant.refuses(space):
            refused[label] = reason
            continue
        try:
            recipe = variant.recipe_for(space)
            networks = variant.networks(space, recipe)
            parameters[label] = {key: sum(p.numel() for p in network.parameters()) for key, network in networks.items()}
        except GanbenchError as error:
            refused[label] = str(error)
            continue
        except Exception as error:  # a user's own code: whatever it raises is told
            refused[label] = f"It cannot be built: {type(error).__name__}: {error}."
            continue
        recipes[label] = asdict(recipe)
    return {"recipes": _by_kind(recipes), "parameters": parameters, "refused": refused}


def _space(shape: Sequence[int]) -> Space:
    from ganbench.variant import Space

    return Space(tuple(shape), CLASSES, None if len(shape) == 1 else tuple(shape))


def _by_kind(recipes: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each recipe once: of points, of images, or of the sizes of images that it is for where those have several."""
    kinds: dict[str, dict[str, Any]] = {}
    images = {label: recipe for label, recipe in recipes.items() if not label.startswith("points")}
    for label, recipe in recipes.items():
        if label not in images:
            kinds["points"] = recipe
            continue
        alike = [label for label, other in images.items() if other == recipe]
        kinds["images" if len(alike) == len(images) else f"images of {', '.join(alike)}"] = recipe
    return kinds


def _scores_here(variant: Variant | Control) -> list[dict[str, Any]]:
    """As `_scores`, of the first folder with any where records usually lie; one that cannot be read is told and left out."""
    for folder in (folder for folder in USUAL if folder.is_dir()):
        try:
            if found := _scores(variant, [folder]):
                return found
        except MissingDataError:
            continue  # no records
        except GanbenchError as error:
            err.print(f"No scores from {folder}: {error}", highlight=False, soft_wrap=True, markup=False)
    return []


def _scores(variant: Variant | Control, paths: list[Path]) -> list[dict[str, Any]]:
    """The variant's cells in the tables of the records, with the seeds that were lost; a row without a score has one of its own."""
    from ganbench.leaderboard.summary import summarise
    from ganbench.record import load_records

    found: list[dict[str, Any]] = []
    for table in summarise(load_records(paths)):
        title = f"{table.title}{f' ({table.setting})' if table.setting else ''}"
        for row in (row for row in table.rows if row.variant.name == variant.name):
            cells = [(column.label, cell) for column, cell in zip(table.columns, row.cells, strict=True) if cell.mean is not None]
            suites = ", ".join(dict.fromkeys(record.suite for record in row.records))
            facts = {
                "suite": suites,
                "diverged": row.count("diverged"),
                "failed": row.count("failed"),
                "settings": _settings(variant, row),
            }
            found += [
                {"dataset": title, "metric": label, "mean": cell.mean, "half_width": cell.half_width, "seeds": cell.count, **facts}
                for label, cell in cells
            ]
            if not cells:
                found.append({"dataset": title, "metric": None, "mean": None, "half_width": None, "seeds": 0, **facts})
    return found


def _settings(variant: Variant | Control, row: Row) -> dict[str, Any]:
    """A trained row's steps, and the fields of its recipe that are not the variant's own for such data."""
    from ganbench.variant import Control

    trained = row.specification.get("recipe")
    if isinstance(variant, Control) or not isinstance(trained, dict):
        return {}
    own = asdict(variant.recipe_for(_space(row.records[0].dataset.shape)))
    changed = {key: value for key, value in trained.items() if key not in own or value != _plain(own[key])}
    return {"steps": row.specification.get("steps")} | changed


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
