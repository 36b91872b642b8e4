"""`ganbench score`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ganbench.cli.console import err, given, names, print_json, progress
from ganbench.cli.devices import device_name
from ganbench.ranks import joined

if TYPE_CHECKING:
    from ganbench.cache import FeatureCache
    from ganbench.score.score import Scored

INPUTS = (
    "A data set (mnist:test), a folder, .zip, .tar or shards (a-{00..99}.tar) of images, .npz, .npy, a ganbench checkpoint, or a "
    "generator: .pt2, TorchScript, .onnx, weights with --model, or module:callable."
)
GENERATORS, EXTRACTION = "Samples from a generator", "Features and cache"


def score(
    samples: Annotated[str, typer.Argument(help=INPUTS, metavar="SAMPLES")],
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference", "-r", help="The same kinds, or FID statistics (.npz). A data set alone means its training part."
        ),
    ] = None,
    held_out: Annotated[
        str | None, typer.Option(help="Real data not trained on, for metrics of copying. Default: the data set's test part.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Metrics, separated by commas; NAME@EXTRACTOR for one. Default: the data set's own.")
    ] = None,
    n: Annotated[int | None, typer.Option(help="How many samples. Default: all, or the data set's usual number.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the samples' latents, or of their choice.")] = 0,
    data_root: Annotated[Path | None, typer.Option(help="Folder that holds the data sets.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Download a data set that is missing.")] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out image files that do not decode; a note counts them.")
    ] = False,
    ci: Annotated[bool, typer.Option("--ci", help="95 % intervals, by scoring random halves of the samples.")] = False,
    resamples: Annotated[int, typer.Option(min=10, help="How many halves --ci scores.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
    extractor: Annotated[
        str | None,
        typer.Option(
            help="Feature extractors, separated by commas, or package.module:callable. Default: the data set's own.",
            rich_help_panel=EXTRACTION,
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(help="File with the extractor's weights; EXTRACTOR=FILE where there are several.", rich_help_panel=EXTRACTION),
    ] = None,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Features equal to the bit to torch-fidelity's, at --batch-size.", rich_help_panel=EXTRACTION),
    ] = False,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Images in a batch. Default: 256, and 64 with --exact.", rich_help_panel=EXTRACTION),
    ] = None,
    features: Annotated[
        bool, typer.Option("--features", help="Arrays hold features (N, F) already.", rich_help_panel=EXTRACTION)
    ] = False,
    cache: Annotated[
        Path | None, typer.Option(help="Folder where features are kept by content.", rich_help_panel=EXTRACTION)
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep nothing.", rich_help_panel=EXTRACTION)] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, or auto.", rich_help_panel=EXTRACTION)] = "auto",
    latent_dim: Annotated[int | None, typer.Option(min=1, help="Size of a latent.", rich_help_panel=GENERATORS)] = None,
    latent: Annotated[
        Literal["normal", "uniform"], typer.Option(help="Law of the latents.", rich_help_panel=GENERATORS)
    ] = "normal",
    classes: Annotated[
        int | None, typer.Option(min=1, help="Classes; labels are the second input.", rich_help_panel=GENERATORS)
    ] = None,
    value_range: Annotated[
        str, typer.Option("--range", help="LOW,HIGH of floating-point images.", rich_help_panel=GENERATORS)
    ] = "-1,1",
    model: Annotated[str | None, typer.Option(help="module:factory of a state dict's network.", rich_help_panel=GENERATORS)] = None,
    variant_file: Annotated[
        Path | None, typer.Option(help="Python file of a checkpoint's variant, if you trust it.", rich_help_panel=GENERATORS)
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Unpickle SAMPLES or REF: runs whatever code they hold.", rich_help_panel=GENERATORS)
    ] = False,
    path_steps: Annotated[int, typer.Option(min=100, help="Steps in latent space for ppl.", rich_help_panel=GENERATORS)] = 10_000,
) -> None:
    """Score any samples against any reference."""
    from ganbench.dataset import Location
    from ganbench.score.request import Request, run_request
    from ganbench.score.resample import Resampling
    from ganbench.score.side import BATCH_SIZE, EXACT_BATCH_SIZE, Pass, silent
    from ganbench.sources.samples import GeneratorOptions, Reading

    extractors = names(extractor)
    generator = GeneratorOptions(latent_dim, latent, classes, _range(value_range), model, trust)
    with joined() as ranks, progress() if ranks.leads else contextlib.nullcontext(silent) as report:
        request = Request(
            samples=samples,
            reference=reference,
            held_out=held_out,
            metrics=given("--metrics", names(metrics)),
            extractors=given("--extractor", extractors),
            weights=_weights(weights or [], extractors),
            location=Location(root=data_root, download=download),
            reading=Reading(n, seed, "test", device_name(device, ranks), variant_file, features, skip_bad, generator, report),
            how=Pass(batch_size or (EXACT_BATCH_SIZE if exact else BATCH_SIZE), _cache(cache, no_cache), report, exact, ranks),
            resampling=Resampling(resamples, seed, report) if ci else None,
            path_steps=path_steps,
        )
        with contextlib.redirect_stdout(sys.stderr):  # what a user's own code prints must not mix with results
            scored = run_request(request)
    if scored is not None:
        _show(scored, as_json)


def _show(scored: Scored, as_json: bool) -> None:
    protocol = scored.protocol
    if as_json:
        scores = {name: each.model_dump(mode="json", exclude_none=True) for name, each in scored.scores.items()}
        print_json({"scores": scores, "protocol": protocol.model_dump(mode="json")})
        return
    for name, each in scored.scores.items():
        error = f" ± {each.error:.4g} ({each.error_kind})" if each.error is not None else ""
        interval = f" [{each.interval[0]:.6g}, {each.interval[1]:.6g}]" if each.interval is not None else ""
        typer.echo(f"{name:24} {each.value:.6g}{interval}{error}   {each.better} is better, protocol {protocol.key(name)}")
    kinds = {each.interval_kind for each in scored.scores.values() if each.interval_kind}
    for kind in kinds:
        typer.echo(f"[low, high]: {kind}")
    ours, theirs = protocol.samples, protocol.reference
    networks = ", ".join(str(facts["name"]) for facts in (protocol.extractor, *protocol.other_extractors.values()))
    against = f" against {theirs.count or 'FID statistics'} of {theirs.source}" if theirs.source != "none" else ""
    typer.echo(f"{ours.count} of {ours.source}{against} in features of {networks}")
    for note in protocol.notes:
        typer.echo(f"Note: {note}")


def _range(text: str) -> tuple[float, float]:
    import math

    from ganbench.errors import UsageError

    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low, high = math.nan, math.nan
    if not (low < high and math.isfinite(high - low) and math.isfinite(1 / (high - low))):
        raise UsageError(f"--range {text} is no range; give two numbers, the lower one first, such as -1,1.")
    return low, high


def _weights(given: list[str], extractors: list[str] | None) -> dict[str, Path]:
    """Files by the extractor's name; a file alone is that of the only extractor, by default Inception."""
    from ganbench.errors import UsageError
    from ganbench.files import expanded

    found: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or Path(text).exists():
            if len(given) > 1 or (extractors and len(extractors) > 1):
                raise UsageError(f"--weights {text} does not say whose; with several extractors write EXTRACTOR={text}.")
            name, path = extractors[0] if extractors else "", text
        if name in found:
            raise UsageError(f"--weights names {name or 'a file'} twice; give one file an extractor.")
        found[name] = expanded(path)
    return found


def _cache(folder: Path | None, without: bool) -> FeatureCache | None:
    from ganbench.cache import FeatureCache, default_folder
    from ganbench.errors import UsageError
    from ganbench.files import expanded

    if without and folder:
        raise UsageError(f"--cache {folder} and --no-cache exclude each other; give one of them.")
    return None if without else FeatureCache(expanded(folder or default_folder()))


def cache(
    folder: Annotated[
        Path | None, typer.Option("--cache", help="The folder. Default: $GANBENCH_CACHE or the user's cache.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove what is kept there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Show, or clear, the features that are kept by content."""
    from ganbench.cache import FeatureCache, default_folder
    from ganbench.files import expanded

    found = FeatureCache(expanded(folder or default_folder()))
    if clear:
        before = found.usage().files
        found.clear()
        err.print(f"Removed {before} files from {found.folder}.", highlight=False, soft_wrap=True, markup=False)
    usage = found.usage()
    if as_json:
        print_json({"folder": str(usage.folder), "files": usage.files, "bytes": usage.bytes})
    else:
        typer.echo(f"{usage.folder}: {usage.files} files, {usage.bytes / 2**20:.1f} MiB")
