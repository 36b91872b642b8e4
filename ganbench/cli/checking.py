"""`ganbench validate`, `ganbench verify` and `ganbench compare`."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ganbench.cli.console import command_line, err, named_path, one_line, print_json
from ganbench.errors import InvalidInputError, UsageError


def validate(
    paths: Annotated[list[Path], typer.Argument(parser=named_path, help="Record files, or folders of them.", metavar="PATH...")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check that records, of runs and of speed, are what they claim to be: for contributors and CI. Exit code 4 if one is not."""
    from ganbench.leaderboard.validate import validate as check
    from ganbench.times import all_files

    runs, times = all_files(paths)
    count, problems = check([*runs, *times])
    if as_json:
        found = [{"path": str(problem.path), "problem": problem.sentence} for problem in problems]
        print_json({"records": count, "valid": not problems, "problems": found})
    for problem in problems:
        err.print(one_line(problem.told), highlight=False, soft_wrap=True, markup=False)
    if problems:
        wrong = len({problem.path for problem in problems})
        err.print(f"{wrong} of {count} records are not valid.", highlight=False)
        raise typer.Exit(InvalidInputError.exit_code)
    if not as_json:
        typer.echo(f"{count} {'record is' if count == 1 else 'records are'} valid.")


def verify(
    record: Annotated[Path, typer.Argument(parser=named_path, help="A record's file.")],
    retrain: Annotated[bool, typer.Option("--retrain", help="Train it again from the record alone, and compare.")] = False,
    data_root: Annotated[Path | None, typer.Option(help="Folder that holds the data sets.")] = None,
    weights: Annotated[Path | None, typer.Option(help="File with the extractor's weights.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, or auto.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Score a record's checkpoint again and compare, part by part. Exit code 4 where a part does not hold."""
    from ganbench.cli.devices import device_name
    from ganbench.dataset import Location
    from ganbench.harness import verify as verifying
    from ganbench.harness.plan import Setting
    from ganbench.record import load_record

    known = load_record(record)
    location = Location(root=data_root.resolve() if data_root else None)
    file = weights.resolve() if weights else None
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(Path(folder), location, file, device_name(device), command_line())
        if retrain:
            checks = verifying.retrain(known, record, setting, err)
        else:
            with err.status("scoring its checkpoint"):
                checks = verifying.rescore(known, record, setting)
    held = all(check.passed for check in checks)
    if as_json:
        print_json({"verified": held, "retrained": retrain, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            typer.echo(f"{'holds' if check.passed else 'FAILS'}  {check.part}: {check.found}")
        again = "trained again" if retrain else "its checkpoint scored again"
        what = "drawn and scored again" if known.variant.control else again
        typer.echo(f"{record}: {what}, {'verified' if held else 'not verified'}.")
    if not held:
        raise typer.Exit(InvalidInputError.exit_code)


def compare(
    records: Annotated[list[Path], typer.Argument(parser=named_path, help="Record files, or folders of them.")],
    published: Annotated[Path, typer.Option(help="A TOML file of published tables, such as baselines/published.toml.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Set records beside the published numbers that their suite aims at, with the difference in standard errors."""
    from ganbench.leaderboard.published import compare as beside
    from ganbench.leaderboard.published import load_published, plain, render, within
    from ganbench.leaderboard.validate_scores import check_scores
    from ganbench.record import load_records

    tables = load_published(published)
    ours = load_records(records)
    check_scores(ours)
    found = beside(ours, tables)
    if not found:
        suites = ", ".join(sorted({suite for table in tables for suite in table.suites})) or "none"
        raise UsageError(
            f"None of the records is of a suite that a published table in {published} names ({suites}); run one first."
        )
    close, known = within(found, 2)
    if as_json:
        print_json({"comparisons": [plain(each) for each in found], "within_2_standard_errors": close, "comparable": known})
        return
    typer.echo(render(found))
    typer.echo(f"\n{close} of {known} differences are at most 2 joint standard errors.")
