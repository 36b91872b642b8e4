"""`ganbench list` and `ganbench doctor`."""

from __future__ import annotations

import enum
import importlib.util
import sys
from typing import Annotated, Any

import typer

from ganbench.cli.console import print_json
from ganbench.errors import UsageError


class Kind(enum.StrEnum):
    """What can be listed."""

    variants = "variants"
    datasets = "datasets"
    metrics = "metrics"
    extractors = "extractors"
    suites = "suites"


SHOWN = {
    "variants": ("family", "name", "year", "paper"),
    "datasets": ("name", "licence", "source"),
    "metrics": ("name", "better", "needs", "paper"),
    "extractors": ("name", "version", "paper"),
    "suites": ("name", "description", "datasets"),
}


def list_entries(
    kind: Annotated[Kind, typer.Argument(help="What to list.", metavar="variants|datasets|metrics|extractors|suites")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the variants as the page docs/variants.md: families, papers, departures.")
    ] = False,
) -> None:
    """List what can be run and scored."""
    if as_markdown:
        if kind != "variants" or as_json:
            raise UsageError("--markdown is a form of the list of variants alone; leave it out, or list variants with it.")
        from ganbench.catalogue import markdown

        typer.echo(markdown(), nl=False)
        return
    rows = _suites() if kind == "suites" else _entries(kind.value)
    if as_json:
        print_json(rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in SHOWN[kind.value]:
        table.add_column(column, no_wrap=column == "name")
    for row in rows:
        table.add_row(*(_shown(row.get(column, "")) for column in SHOWN[kind.value]))
    out = Console()
    out.print(table) if out.is_terminal else Console(width=200).print(table)


def _shown(fact: Any) -> str:
    if fact is None:
        return ""
    return ", ".join(fact) if isinstance(fact, list | tuple) else str(fact)


def _entries(kind: str) -> list[dict[str, Any]]:
    from ganbench import registry
    from ganbench.catalogue import catalogue, listed

    rows = []
    for entry in registry.entries(kind).values():
        facts: dict[str, Any] = {}
        if kind == "variants":
            about = listed(entry)
            facts = {"family": about.family, "paper": about.paper, "year": about.year}
        summary = entry.doc.splitlines()[0] if entry.doc else ""
        literals = {key: value for key, value in entry.facts.items() if isinstance(value, str | int | float | list | tuple)}
        rows.append({**facts, **literals, "summary": summary})
    if kind == "variants":
        place = {row.name: number for number, row in enumerate(catalogue())}
        rows.sort(key=lambda row: place[row["name"]])
    return rows


def _suites() -> list[dict[str, Any]]:
    from ganbench.harness.suite import load_suite, suites

    loaded = [load_suite(name) for name in suites()]
    return [
        {
            "name": suite.name,
            "description": suite.description,
            "datasets": ", ".join(suite.datasets),
            "variants": suite.variants,
            "seeds": suite.seed_list,
        }
        for suite in loaded
    ]


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Say what works on this machine, and what to do about what does not."""
    checks = [_python(), *_packages(), _torch()]
    if as_json:
        print_json(checks)
    else:
        for check in checks:
            typer.echo(
                f"{'ok  ' if check['ok'] else 'FIX '} {check['what']}: {check['found']}"
                + (f" - {check['fix']}" if check["fix"] else "")
            )
    if not all(check["ok"] for check in checks):
        raise typer.Exit(1)


def _python() -> dict[str, Any]:
    good = sys.version_info >= (3, 11)
    return _check("python", sys.version.split()[0], good, "install Python 3.11 or newer")


def _packages() -> list[dict[str, Any]]:
    from importlib.metadata import PackageNotFoundError, version

    checks = []
    for name in ("torch", "torchvision", "torch-fidelity", "scipy", "pandas", "matplotlib"):
        try:
            checks.append(
                _check(name, version(name), importlib.util.find_spec(name.replace("-", "_")) is not None, f"pip install {name}")
            )
        except PackageNotFoundError:
            checks.append(_check(name, "not installed", False, f"pip install {name}"))
    return checks


def _torch() -> dict[str, Any]:
    try:
        import torch
        import torchvision  # noqa: F401 - the import itself is the check: its operators must match torch
    except (ImportError, RuntimeError) as error:
        return _check("torch with torchvision", str(error), False, "pip install --upgrade torch torchvision, from one source")
    if torch.cuda.is_available():
        return _check("device", torch.cuda.get_device_name(0), True, "")
    return _check("device", "cpu (no CUDA device: small data only in good time)", True, "")


def _check(what: str, found: str, ok: bool, fix: str) -> dict[str, Any]:
    return {"what": what, "found": found, "ok": ok, "fix": "" if ok else fix}
