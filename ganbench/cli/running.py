"""`ganbench run` and `ganbench demo`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganbench.cli import executors
from ganbench.cli.console import command_line, counted, err, named_path, names, print_json, show_tables
from ganbench.cli.devices import device_for
from ganbench.errors import UsageError

if TYPE_CHECKING:
    from ganbench.harness.executor import Executor
    from ganbench.harness.harness import Finished, Prepared
    from ganbench.harness.plan import Setting
    from ganbench.harness.suite import Suite

Out = Annotated[
    Path | None, typer.Option(parser=named_path, metavar="PATH", help="Output folder. Default: runs/SUITE.", show_default=False)
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Jobs at once; 0 runs in this process. Default: one a core or a GPU; a cluster's choice.", show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def demo(
    out: Annotated[Path, typer.Option(parser=named_path, metavar="PATH", help="Output folder.")] = Path("results/demo"),
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Train, score and compare the variants on small embedded data; print the table, write the report."""
    run("demo", out=out, workers=workers, as_json=as_json)


def run(
    suite: Annotated[str, typer.Argument(help="A shipped suite's name (ganbench list suites) or a TOML file.", metavar="SUITE")],
    variants: Annotated[str | None, typer.Option(help="Only these: names or Python files, separated by commas.")] = None,
    datasets: Annotated[str | None, typer.Option(help="Only these data sets, separated by commas.")] = None,
    seeds: Annotated[str | None, typer.Option(help="A number of seeds, or a list such as 0,3,7.")] = None,
    steps: Annotated[int | None, typer.Option(help="Generator steps of every variant.")] = None,
    samples: Annotated[int | None, typer.Option(help="Samples drawn to score each seed.")] = None,
    metrics: Annotated[str | None, typer.Option(help="Only these metrics, separated by commas.")] = None,
    extractor: Annotated[str | None, typer.Option(help="Feature extractor. Default: the data set's own.")] = None,
    weights: Annotated[Path | None, typer.Option(help="File with the extractor's weights.")] = None,
    eval_every: Annotated[int | None, typer.Option(help="Score and picture samples every so many steps while training.")] = None,
    eval_samples: Annotated[int | None, typer.Option(help="Samples for scores while training.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder that holds the data sets.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Download a data set that is missing.")] = False,
    out: Out = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, or auto.")] = "auto",
    workers: Workers = None,
    checkpoint_seconds: Annotated[float, typer.Option(min=0, help="Seconds between saved states while training.")] = 30.0,
    compile_steps: Annotated[
        bool, typer.Option("--compile", help="Compile each variant's gradients: minutes once, faster steps.")
    ] = False,
    tf32: Annotated[bool, typer.Option("--tf32", help="On a GPU: train in tf32, faster and rounded to 10 bits.")] = False,
    bf16: Annotated[bool, typer.Option("--bf16", help="Train in bfloat16, rounded to 8 bits; fast on a GPU.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Run again what was made with other settings.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and an estimate, and stop.")] = False,
    executor: executors.NameOption = "local",
    address: executors.Address = None,
    partition: executors.Partition = None,
    minutes: executors.Minutes = None,
    cluster: executors.ClusterOption = None,
    cpus: executors.Cpus = None,
    gpus: executors.Gpus = None,
    retries: executors.Retries = None,
    as_json: Json = False,
) -> None:
    """Run a suite: train what is not done yet, score it, print the table, write the report."""
    from ganbench.dataset import Location
    from ganbench.execution import Execution
    from ganbench.harness.plan import Setting
    from ganbench.harness.suite import load_suite

    changes: dict[str, Any] = {
        "variants": names(variants),
        "seeds": _seeds(seeds),
        "steps": steps,
        "samples": samples,
        "metrics": names(metrics),
        "extractor": extractor,
        "eval_every": eval_every,
        "eval_samples": eval_samples,
    }
    asked = executors.Asked(executor, workers, address, partition, minutes, cluster, cpus, gpus, retries)
    with executors.processes(asked) as ranks:
        wanted = _changed(load_suite(suite), {key: value for key, value in changes.items() if value is not None}, names(datasets))
        setting = Setting(
            out=(out or Path("runs") / wanted.name).resolve(),
            location=Location(root=data_root.resolve() if data_root else None, download=download),
            weights=weights.resolve() if weights else None,
            device=device_for(asked, device, ranks),
            command=command_line(),
            checkpoint_seconds=checkpoint_seconds,
            execution=Execution(compile=compile_steps, tf32=tf32, bf16=bf16),
            ranks=ranks,
        )
        _check_execution(setting)
        if ranks.leads:
            failed = _lead(wanted, setting, asked, overwrite, dry_run, as_json)
        else:
            failed = _follow(wanted, setting, dry_run)
    if failed:
        raise typer.Exit(1)


def _lead(suite: Suite, setting: Setting, asked: executors.Asked, overwrite: bool, dry_run: bool, as_json: bool) -> bool:
    """Run what is left, and show it: whether a job failed."""
    from ganbench.execution import is_small
    from ganbench.harness.harness import prepare, run_suite
    from ganbench.harness.leader import check_jobs
    from ganbench.harness.lockstep import finish

    with err.status("loading data and weights"):
        prepared = prepare(suite, setting, overwrite)
    check_jobs(prepared.left, setting.ranks)
    small = all(is_small(prepared.datasets[job.dataset].shape) for job in prepared.left)
    chosen = executors.choose_executor(asked, len(prepared.left), setting.device, setting.ranks, small=small)
    if dry_run:
        _show_plan(prepared, setting, chosen, as_json)
        return False
    finished = run_suite(prepared, setting, chosen, err)
    finish()
    _show_results(finished, setting, as_json)
    return bool(finished.failures)


def _follow(suite: Suite, setting: Setting, dry_run: bool) -> bool:
    """Train along with the leader of several processes, who tells what failed: False."""
    import torch

    from ganbench.harness.leader import Leader
    from ganbench.harness.lockstep import follow
    from ganbench.harness.plan import plan
    from ganbench.harness.reference import cached_dataset

    if dry_run:
        return False
    torch.set_num_threads(Leader(setting.ranks).threads)
    with contextlib.redirect_stdout(sys.stderr):  # what a variant prints must not mix with the leader's results
        follow(
            lambda: {
                job.label: job for job in plan(suite, {name: cached_dataset(name, setting.location) for name in suite.datasets})
            },
            setting,
        )
    return False


def _check_execution(setting: Setting) -> None:
    execution = setting.execution
    if execution.tf32 and not setting.device.startswith("cuda"):
        raise UsageError(f"--tf32 is of CUDA devices, and this run is on the {setting.device}; leave it out.")
    if execution.compile and setting.ranks.several:
        raise UsageError(f"--compile is of one process, and {setting.ranks.count} share this run; leave it out.")


def _changed(suite: Suite, changes: dict[str, Any], datasets: list[str] | None) -> Suite:
    """The suite with what the command line says; that wins over whatever the file says for a data set or a variant."""
    from ganbench.errors import unknown_name
    from ganbench.harness.suite import parse_suite

    content = suite.model_dump(exclude_none=True)
    if datasets is not None:
        for name in datasets:
            if name not in content["datasets"]:
                raise unknown_name(f"data set of the suite {suite.name}", name, list(content["datasets"]))
        content["datasets"] = {name: content["datasets"][name] for name in datasets}
    content.update(changes)
    for plan in content["datasets"].values():
        for key in changes:
            plan.pop(key, None)
    if "steps" in changes:
        plans = content["datasets"].values()
        overrides = [content["overrides"], *(plan["overrides"] for plan in plans)]
        for override in [*(plan["recipe"] for plan in plans), *(each for group in overrides for each in group.values())]:
            override.pop("steps", None)
    return parse_suite(content, "The command line")


def _seeds(text: str | None) -> int | list[int] | None:
    if text is None:
        return None
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--seeds {text} is neither a number nor a list of numbers; write --seeds 4 or --seeds 0,3,7.") from None
    return numbers[0] if len(numbers) == 1 else numbers


def _show_plan(prepared: Prepared, setting: Setting, executor: Executor, as_json: bool) -> None:
    import torch

    from ganbench.harness.harness import estimate_seconds

    torch.set_num_threads(executor.threads)
    left = {job.label: job for job in prepared.left}
    rows: list[dict[str, Any]] = []
    with err.status("timing a few steps of each job"):
        for job in prepared.jobs:
            now = left.get(job.label)
            seconds = estimate_seconds(now, setting, prepared.datasets[job.dataset]) if now else 0.0
            rows.append(
                {
                    "dataset": job.dataset,
                    "variant": job.name,
                    "seeds": list(job.seeds),
                    "to_run": list(now.seeds) if now else [],
                    "steps": job.steps,
                    "train_seconds_estimate": seconds,
                }
            )
    total = sum(row["train_seconds_estimate"] or 0.0 for row in rows) / (executor.at_once or 1)
    if as_json:
        print_json(
            {
                "out": str(setting.out),
                "workers": executor.at_once,
                "threads": executor.threads,
                "seconds_estimate": total,
                "jobs": rows,
            }
        )
        return
    for row in rows:
        seconds = row["train_seconds_estimate"]
        estimate = "done" if not row["to_run"] else "not timed" if seconds is None else f"about {seconds:.0f} s of training"
        seeds = f"{len(row['to_run'])} of {len(row['seeds'])} seeds"
        typer.echo(f"{row['dataset']}/{row['variant']}: {seeds}, {row['steps']} steps, {estimate}")
    threads = counted(executor.threads, "thread")
    typer.echo(f"About {total:.0f} s of training {executor.place}, with {threads} a job, into {setting.out}")


def _show_results(finished: Finished, setting: Setting, as_json: bool) -> None:
    from ganbench.leaderboard.report import write_report
    from ganbench.leaderboard.summary import summarise

    report = write_report(finished.records, setting.out)
    if as_json:
        failed = [{"job": failure.job.label, "message": failure.message} for failure in finished.failures]
        records = [record.model_dump(mode="json", by_alias=True) for record in finished.records]
        print_json({"out": str(setting.out), "report": str(report), "failed": failed, "records": records})
        return
    show_tables(summarise(finished.records))
    typer.echo(f"Report: {report}")
