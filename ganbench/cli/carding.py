"""`ganbench card`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganbench.cli.console import err, named_path, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence


def card(
    records: Annotated[list[Path], typer.Argument(parser=named_path, help="Record files, or folders of them.")],
    variant: Annotated[str, typer.Option(help="The variant that the card is of.")],
    out: Annotated[Path, typer.Option(parser=named_path, metavar="PATH", help="Folder for README.md and the checkpoints.")],
    push: Annotated[
        str | None, typer.Option(metavar="REPO_ID", help="Upload them to this model repository, made where it is not there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write a Hugging Face model card of one variant, with the checkpoints that are kept beside its records."""
    from ganbench.files import write_atomically
    from ganbench.leaderboard import card as cards
    from ganbench.leaderboard.card_files import copy_checkpoints, located
    from ganbench.leaderboard.summary import summarise
    from ganbench.record import check_apart, record_files

    cards.hub()
    files = record_files(records)
    check_apart(out, records, files)
    places = located(files)
    rows = cards.rows_of(summarise(record for record, _ in places), variant)
    checkpoints = copy_checkpoints([row for _, row in rows], places, out)
    write_atomically(out / "README.md", cards.card(rows, checkpoints).encode("utf-8", "replace"))
    described = [str(Path(name).with_suffix(".json")) for name in checkpoints]
    written = ["README.md", *checkpoints, *(name for name in described if (out / name).is_file())]
    address = None if push is None else _push(push, out, written)
    if as_json:
        print_json({"out": str(out), "files": written, "pushed": address})
        return
    typer.echo(f"Card: {out / 'README.md'}, with {len(checkpoints)} checkpoints.")
    if address:
        typer.echo(f"Pushed to {address}")


def _push(repository: str, out: Path, files: Sequence[str]) -> str:
    """Upload the files to a model repository of the Hub; returns its address. Raises RunFailedError where that does not go."""
    from ganbench.errors import RunFailedError
    from ganbench.leaderboard.card import hub

    api = hub().HfApi()
    try:
        with err.status(f"uploading {len(files)} files"):
            address = api.create_repo(repository, exist_ok=True)
            api.upload_folder(
                repo_id=repository, folder_path=out, allow_patterns=list(files), commit_message="Model card by ganbench"
            )
    except Exception as error:  # the Hub has many: no token, no right, no network, no such name
        reason = " ".join(str(error).split())[:200]
        raise RunFailedError(
            f"{repository} was not pushed: {reason}; log in with `hf auth login`, or push {out} by hand."
        ) from None
    return str(address)
