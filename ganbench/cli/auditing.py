"""`ganbench audit`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganbench.cli.console import err, named_path, names, print_json
from ganbench.cli.devices import device_name

if TYPE_CHECKING:
    from ganbench.audit.pool import Report


def audit(
    dataset: Annotated[str, typer.Option(help="A data set: its parts are pooled, and split again for each repeat.")] = "digits",
    extractor: Annotated[str | None, typer.Option(help="Feature extractor. Default: the data set's own.")] = None,
    weights: Annotated[Path | None, typer.Option(help="File with the extractor's weights.")] = None,
    metrics: Annotated[str | None, typer.Option(help="Metrics, separated by commas. Default: all that apply.")] = None,
    damages: Annotated[str | None, typer.Option(help="Damages, separated by commas. Default: all that apply.")] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="N, the samples scored; six times as many items are used. Default: at most 1,000.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Splits at each level of each damage.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the splits and of the damage.")] = 0,
    data_root: Annotated[Path | None, typer.Option(help="Folder that holds the data sets.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Download a data set that is missing.")] = False,
    out: Annotated[
        Path, typer.Option(parser=named_path, metavar="PATH", help="Output folder: audit.json, audit.md, audit.png, audit.svg.")
    ] = Path("runs/audit"),
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, or auto.")] = "auto",
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes. Default: one a core.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Show what each metric can and cannot see, on real data with controlled damage."""
    from rich.console import Console

    from ganbench.audit.audit import Wanted
    from ganbench.audit.audit import audit as run_audit
    from ganbench.audit.figure import save_figure
    from ganbench.audit.table import show, to_markdown
    from ganbench.dataset import Location, find_dataset, load_dataset
    from ganbench.errors import UsageError
    from ganbench.extractor import Loading
    from ganbench.files import writable_folder, write_atomically
    from ganbench.find_extractor import find_extractor

    if not writable_folder(out):
        raise UsageError(f"--out {out} is no folder that can be written; name another.")
    home, _ = find_dataset(dataset)
    chosen = find_extractor(extractor or home.extractor)
    loading = Loading(weights, device_name(device))
    wanted = Wanted(names(metrics), names(damages), samples, repeats, seed, workers or _cores())
    with err.status("loading data"):
        loaded = load_dataset(dataset, Location(root=data_root, download=download))
    with _progress() as report, contextlib.redirect_stdout(sys.stderr):  # an extractor of the user's own may print
        found = run_audit(loaded, chosen, loading, wanted, report)
    write_atomically(out / "audit.json", found.model_dump_json(by_alias=True, indent=1) + "\n")
    write_atomically(out / "audit.md", to_markdown(found))
    save_figure(found, out)
    if as_json:
        print_json(found.model_dump(mode="json", by_alias=True))
        return
    show(found, Console())
    typer.echo(f"Files: {', '.join(str(out / f'audit.{form}') for form in ('json', 'md', 'png', 'svg'))}")


@contextlib.contextmanager
def _progress() -> Iterator[Report]:
    """A bar on stderr that follows one piece of work after another."""
    from rich.progress import Progress

    with Progress(console=err, transient=True) as progress:
        bar = progress.add_task("real data")

        def report(what: str, done: int, total: int) -> None:
            progress.update(bar, description=what, completed=done, total=total)

        yield report


def _cores() -> int:
    import joblib

    return int(joblib.cpu_count())
