"""`ganbench publish`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganbench.cli.console import named_path, print_json, progress

USUAL = Path("baselines/published.toml")  # where a checkout of ganbench has it


def publish(
    records: Annotated[list[Path], typer.Argument(parser=named_path, help="Record files, or folders of them.")],
    out: Annotated[
        Path,
        typer.Option(parser=named_path, metavar="PATH", help="Folder of the site: new, empty, or one that publish made before."),
    ],
    published: Annotated[
        Path | None,
        typer.Option(help=f"A TOML file of published tables. Default: {USUAL}, where it is there.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write records as a static site: a page for each data set, variant and run, one of speed, and tables to download."""
    from ganbench.leaderboard.published import load_published
    from ganbench.leaderboard.site.publish import publish as write_site
    from ganbench.leaderboard.validate_times import check_times
    from ganbench.record import check_apart, load_record, output_folder
    from ganbench.times import all_files, load_each_once

    given = published or (USUAL if USUAL.exists() else None)
    tables = load_published(given) if given else []
    with progress() as report:
        files, timed = all_files(records)
        check_apart(out, records, files)
        known, folders = [], {}
        for done, file in enumerate(files, 1):
            known.append(load_record(file))
            folders[known[-1].fingerprint] = output_folder(file)
            report("reading records", done, len(files))
        times = load_each_once(timed)
        check_times(times)
        site = write_site(known, folders, out, tables, report, times)
    if as_json:
        print_json({"out": str(out), "index": str(site.index), "files": list(site.files), "removed": list(site.removed)})
        return
    of_speed = f" and {len(times):,} time records" if times else ""
    typer.echo(f"{site.index}: {len(known):,} records{of_speed}, {len(site.files):,} files.")
