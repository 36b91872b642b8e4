"""`ganbench score`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganbench.cli.console import err, names, print_json
from ganbench.cli.running import device_name

if TYPE_CHECKING:
    from ganbench.record import Sampled
    from ganbench.score import Scored
    from ganbench.sources import Samples

INPUTS = "A data set (mnist:test), a folder or .zip of images, .npz, .npy, or a ganbench checkpoint."


def score(
    samples: Annotated[str, typer.Argument(help=INPUTS, metavar="SAMPLES")],
    reference: Annotated[str, typer.Option("--reference", "-r", help="The same kinds. A data set alone means its training part.")],
    metrics: Annotated[str | None, typer.Option(help="Metrics, separated by commas. Default: the data set's own.")] = None,
    extractor: Annotated[str | None, typer.Option(help="Feature extractor. Default: the data set's own.")] = None,
    weights: Annotated[Path | None, typer.Option(help="File with the extractor's weights.")] = None,
    n: Annotated[int | None, typer.Option(help="How many samples. Default: all, or the data set's usual number.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the samples' latents, or of their choice.")] = 0,
    data_root: Annotated[Path | None, typer.Option(help="Folder that holds the data sets.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Download a data set that is missing.")] = False,
    variant_file: Annotated[Path | None, typer.Option(help="Python file of a checkpoint's variant, if you trust it.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, or auto.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Score any samples against any reference."""
    from ganbench.dataset import Location
    from ganbench.sources import open_samples

    location, place = Location(root=data_root, download=download), device_name(device)
    with err.status("reading samples"):
        ours = open_samples(samples, location, count=n, seed=seed, device=place, variant_file=variant_file)
        theirs = open_samples(reference, location, count=None, seed=seed, default_part="train")
    with err.status("extracting features"):
        scored = _score(ours, theirs, names(metrics), extractor, weights, place)
    notes = [*ours.notes, *theirs.notes]
    protocol = scored.protocol.model_copy(update={"notes": [*scored.protocol.notes, *notes]})
    if as_json:
        scores = {name: each.model_dump(exclude_none=True) for name, each in scored.scores.items()}
        print_json({"scores": scores, "protocol": protocol.model_dump(mode="json")})
        return
    for name, each in scored.scores.items():
        error = f" ± {each.error:.4g} ({each.error_kind})" if each.error is not None else ""
        typer.echo(f"{name:24} {each.value:.6g}{error}   {each.better} is better, protocol {protocol.key(name)}")
    typer.echo(f"{len(ours)} of {ours.source} against {len(theirs)} of {theirs.source} in features of {protocol.extractor['name']}")
    for note in protocol.notes:
        typer.echo(f"Note: {note}")


def _score(
    ours: Samples, theirs: Samples, metrics: list[str] | None, extractor: str | None, weights: Path | None, device: str
) -> Scored:
    from ganbench.errors import UsageError
    from ganbench.registry import find
    from ganbench.score import Reference, choose_metrics, extract_all
    from ganbench.score import score as score_items

    if ours.items.shape[1:] != theirs.items.shape[1:]:
        shapes = [tuple(side.items.shape[1:]) for side in (ours, theirs)]
        raise UsageError(
            f"{ours.source} has samples of shape {shapes[0]} and {theirs.source} of {shapes[1]}; compare samples of one shape."
        )
    is_points = ours.items.ndim == 2
    home = theirs.dataset or ours.dataset
    chosen = find("extractors", extractor or (home.extractor if home else "points" if is_points else "inception-v3-compat")).load()
    if metrics == []:
        raise UsageError("--metrics names none; give some, or leave the option out for the data set's own.")
    wanted = metrics or (list(home.metrics) if home else ["fd"] if is_points else ["fd", "kid", "is"])
    modes = theirs.modes or ours.modes
    dataset = theirs.dataset_name or theirs.source
    selected = choose_metrics(wanted, chosen, modes, dataset=dataset)
    loaded = chosen.load(weights, device)
    reference = Reference(_facts(theirs), extract_all(loaded, theirs.items), dataset)
    return score_items(ours.items, _facts(ours), reference, loaded, selected, modes)


def _facts(samples: Samples) -> Sampled:
    from ganbench.record import Sampled

    return Sampled(source=samples.source, count=len(samples), hash=samples.hash, quantisation=samples.quantisation)
