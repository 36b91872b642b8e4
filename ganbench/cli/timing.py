"""`ganbench time`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganbench.cli.console import command_line, err, given, named_path, names, one_line, print_json, progress, show_times
from ganbench.cli.tables import Format
from ganbench.errors import RunFailedError, UsageError, unknown_name

if TYPE_CHECKING:
    from ganbench.harness.plan import Setting
    from ganbench.harness.timing import Timed, Wanted

Base = Annotated[
    str | None, typer.Option(metavar="VARIANT", help="Compare every step with this variant's, with as many seeds on the same data.")
]
MOST_SEEDS = 100_000  # more is a slip of the hand


def time(
    variants: Annotated[
        str | None,
        typer.Option(help="Names or Python files, separated by commas. Default: those that the data set's suite trains."),
    ] = None,
    datasets: Annotated[str, typer.Option(help="Data sets, separated by commas.")] = "digits,ring-8",
    seeds: Annotated[str, typer.Option(help="Numbers of stacked seeds, separated by commas.")] = "1,4",
    metrics: Annotated[str | None, typer.Option(help="Metrics, separated by commas. Default: each data set's own.")] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Rounds of each. Default: 3 to 20, for about a second.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(parser=named_path, metavar="PATH", help="Output folder.")] = Path("runs/time"),
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, or auto.")] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads. Default: 1 on a CPU, one a core beside a GPU.", show_default=False)
    ] = None,
    compile_steps: Annotated[bool, typer.Option("--compile", help="Compile each variant's gradients: minutes once.")] = False,
    tf32: Annotated[bool, typer.Option("--tf32", help="On a GPU: train in tf32, faster and rounded to 10 bits.")] = False,
    bf16: Annotated[bool, typer.Option("--bf16", help="Train in bfloat16, rounded to 8 bits; fast on a GPU.")] = False,
    weights: Annotated[Path | None, typer.Option(help="File with the extractor's weights.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder that holds the data sets.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Download a data set that is missing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Time again what has a record.")] = False,
    base: Base = None,
    format: Annotated[
        Format | None, typer.Option("--format", "-f", help="How to print the table. Default: text.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout: the records.")] = False,
) -> None:
    """Time variants and metrics on this machine: training, sampling and scoring, one record each."""
    from ganbench.cli.devices import device_name
    from ganbench.dataset import Location
    from ganbench.execution import Execution
    from ganbench.files import writable_folder
    from ganbench.harness.claim import claim
    from ganbench.harness.plan import Setting
    from ganbench.harness.timing import Wanted

    if (count := os.environ.get("WORLD_SIZE", "1")) != "1":
        raise UsageError(f"One process is timed, and WORLD_SIZE is {count}; start ganbench time without torchrun, or unset it.")
    if as_json and format not in (None, Format.json):
        raise UsageError(f"--json and --format {format} exclude each other; give one of them.")
    wanted = Wanted(
        given("--datasets", names(datasets)) or (),
        given("--variants", names(variants)),
        _counts(seeds),
        given("--metrics", names(metrics)),
        rounds,
        threads,
        overwrite,
    )
    setting = Setting(
        out=out.resolve(),
        location=Location(root=data_root.resolve() if data_root else None, download=download),
        weights=weights.resolve() if weights else None,
        device=device_name(device),
        command=command_line(),
        execution=Execution(compile=compile_steps, tf32=tf32, bf16=bf16),
    )
    if tf32 and not setting.device.startswith("cuda"):
        raise UsageError(f"--tf32 is of CUDA devices, and this is timed on the {setting.device}; leave it out.")
    if not writable_folder(setting.out):
        raise UsageError(f"--out {out} is no folder that can be written; name another.")
    with claim(setting.out):
        timed = _time(wanted, setting, base)
    _show(timed, out, base, Format.json if as_json else format)


def _time(wanted: Wanted, setting: Setting, base: str | None) -> Timed:
    """Time what is wanted and has no record yet. Raises UsageError for a `base` that is not among it."""
    from ganbench.harness.time_variants import VariantTask
    from ganbench.harness.timing import prepare_times, time_all

    with err.status("loading data and weights"):
        tasks, left = prepare_times(wanted, setting)
    timed_names = sorted({task.job.name for task in tasks if isinstance(task, VariantTask)})
    if base is not None and base not in timed_names:
        raise unknown_name("variant among those that are timed", base, timed_names)
    if len(left) < len(tasks):
        err.print(f"{len(tasks) - len(left)} of {len(tasks)} have a record; --overwrite times them again.", highlight=False)
    with progress() as report:
        return time_all(tasks, left, setting, report)


def _show(timed: Timed, out: Path, base: str | None, format: Format | None) -> None:
    """The records as JSON, or as a table.

    Raises RunFailedError where a task failed, InvalidInputError for a record from before that is not valid.
    """
    from ganbench.leaderboard.speed import render_times
    from ganbench.leaderboard.validate_times import check_times

    check_times(timed.records)
    for label, reason in timed.failures.items():
        err.print(one_line(f"{label} failed: {reason}"), style="red", highlight=False, soft_wrap=True, markup=False)
    if format is Format.json:
        records = [record.model_dump(mode="json") for record in timed.records]
        failed = [{"task": label, "message": reason} for label, reason in timed.failures.items()]
        print_json({"out": str(out), "failed": failed, "records": records})
    elif format in (None, Format.text):
        show_times(timed.records, base)
        typer.echo(f"Records: {out / 'times'}")
    else:
        typer.echo(render_times(timed.records, str(format), base), nl=False)
    if timed.failures:
        raise RunFailedError(
            f"{len(timed.failures)} could not be timed, the first {next(iter(timed.failures))}; mend or leave it out."
        )


def _counts(text: str) -> tuple[int, ...]:
    try:
        counts = tuple(int(part) for part in text.split(","))
    except ValueError:
        counts = ()
    if not counts or min(counts) < 1 or max(counts) > MOST_SEEDS:
        raise UsageError(f"--seeds {text} are no numbers of stacked seeds; write --seeds 1,4.")
    return counts
