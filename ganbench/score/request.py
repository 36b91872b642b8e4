"""A whole `ganbench score`: open both sides, choose extractors and metrics, load all weights, pass over each side once, score.

All that can be known to be wrong is found before an image goes through a network: names, options, needs of metrics, weights files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ganbench.dataset import Location
from ganbench.errors import UsageError
from ganbench.extractor import LoadedExtractor, Loading
from ganbench.find_extractor import find_extractor
from ganbench.metric import Metric, PathSteps
from ganbench.ranks import tell, told
from ganbench.score.choose import Given, choose_metrics, find_metric, lacking
from ganbench.score.notes import same_content
from ganbench.score.resample import Resampling
from ganbench.score.score import Asked, Comparison, Scored, score
from ganbench.score.side import Pass, Side, keep_moments, path_steps, read_side, side_of_statistics
from ganbench.sources.open import open_reference, open_samples
from ganbench.sources.samples import Reading, Samples, StoredStatistics

PATH_STEPS = 10_000  # steps of a perceptual path length where the user does not say


@dataclass(frozen=True)
class Request:
    """What is to be scored and how, as the user names it.

    `metrics` are names, or `name@extractor` for one in the features of that extractor alone; None: the data set's own. `extractors`
    are names; a metric without one of its own is taken in the features of each. `weights` are files by the extractor's name, which
    may be "" for the only one.
    """

    samples: str
    reference: str | None = None
    held_out: str | None = None
    metrics: tuple[str, ...] | None = None
    extractors: tuple[str, ...] | None = None
    weights: dict[str, Path] = field(default_factory=dict)
    location: Location = field(default_factory=Location)
    reading: Reading = field(default_factory=Reading)
    how: Pass = field(default_factory=Pass)
    resampling: Resampling | None = None
    path_steps: int = PATH_STEPS


@dataclass(frozen=True)
class _Opened:
    """The inputs, of which no item is read yet."""

    samples: Samples
    reference: Samples | StoredStatistics | None
    held_out: Samples | None

    @property
    def real(self) -> Samples | None:
        """The reference where it is samples."""
        return self.reference if isinstance(self.reference, Samples) else None

    @property
    def home(self) -> Samples:
        """The side that knows the data set: the reference where it does, else the samples."""
        return self.real if self.real is not None and self.real.dataset_name is not None else self.samples

    @property
    def given(self) -> Given:
        return Given(
            modes=(self.real.modes if self.real else None) or self.samples.modes,
            dataset=self.home.dataset_name or self.home.source,
            reference=self.reference is not None,
            statistics=isinstance(self.reference, StoredStatistics),
            held_out=self.held_out is not None,
            labels=self.samples.labels is not None and self.real is not None and self.real.labels is not None,
            images=len(self.samples.shape) == 3,
            paths=self.samples.paths is not None,
        )


def run_request(request: Request) -> Scored | None:
    """The scores, with their protocol; None in a process that helps the one that leads (`Pass.ranks`).

    Raises UsageError, MissingDataError or InvalidInputError with the sentence for the user; no number comes from bad input.
    """
    several, leads = request.how.ranks.several, request.how.ranks.leads
    if request.how.cache and leads:
        request.how.cache.check()
    if not leads:
        told()  # that all is there: what is downloaded is downloaded once
    opened = _open(request)
    wanted = _wanted(request, opened)
    files = _weights(request.weights, list(wanted))
    asked = [Asked(_load(name, files.get(name), request), metrics) for name, metrics in wanted.items()]
    loaded = [each.extractor for each in asked]
    _check_shapes(opened, loaded)
    if several and leads:
        tell({"loaded": True})
    comparison = _read_all(request, opened, asked)
    if not leads:
        return None
    report = request.how.report
    scored = score(comparison, asked, request.resampling, lambda label: report(f"computing {label}", 0, 0))
    for side in (comparison.samples, comparison.reference):
        if side is not None:
            keep_moments(side, loaded, request.how)
    notes = [*scored.protocol.notes, *same_content(comparison.samples, comparison.reference, comparison.held_out)]
    for side in (comparison.samples, comparison.reference, comparison.held_out):
        notes += side.notes if side else ()
    return Scored(scored.scores, scored.protocol.model_copy(update={"notes": list(dict.fromkeys(notes))}))


def _open(request: Request) -> _Opened:
    reading, cache = request.reading, request.how.cache
    if cache is not None:
        reading = replace(reading, known=lambda outline: cache.source_hash(outline) is not None)
    samples = open_samples(request.samples, request.location, reading)
    real = replace(reading, count=None, default_part="train")
    reference = None if request.reference is None else open_reference(request.reference, request.location, real)
    held_out = None
    if request.held_out is not None:
        held_out = open_samples(request.held_out, request.location, replace(real, default_part="test"))
    elif isinstance(reference, Samples) and reference.source == f"{reference.dataset_name}:train":
        held_out = open_samples(f"{reference.dataset_name}:test", request.location, real)
    return _Opened(samples, reference, held_out)


def _wanted(request: Request, opened: _Opened) -> dict[str, list[Metric]]:
    """The metrics by the extractor in whose features they are taken, extractors in the order of their first metric."""
    home = opened.home.dataset
    usual, defaults = _defaults(opened)
    extractors = request.extractors or (home.extractor if home and not opened.samples.are_features else usual,)
    names = request.metrics or (home.metrics if home and not opened.samples.are_features else defaults)
    fitting = request.metrics is None  # the usual metrics are those of them that these inputs serve
    by_extractor: dict[str, list[str]] = {name: [] for name in extractors}
    for name in names:
        metric, _, own = name.partition("@")
        for extractor in (own,) if own else extractors:
            by_extractor.setdefault(extractor, []).append(metric)
    fitting = fitting or (len(extractors) > 1 and not any("@" in name for name in names))
    found = {}
    for extractor, asked in by_extractor.items():
        if asked:
            known = find_extractor(extractor)
            kept = [name for name in asked if not lacking(find_metric(name, extractor), known, opened.given)] if fitting else asked
            found[extractor] = choose_metrics(kept, known, opened.given)
    return found


def _defaults(opened: _Opened) -> tuple[str, tuple[str, ...]]:
    """The extractor and the metrics for samples of no data set."""
    with_features = ("fd", "kid") if not opened.given.statistics else ("fd",)
    if opened.samples.are_features:
        return "features", with_features
    if len(opened.samples.shape) == 1:
        return "points", with_features
    return "inception-v3-compat", (*with_features, "is")


def _weights(given: dict[str, Path], extractors: list[str]) -> dict[str, Path]:
    """The files by the extractor's name; one without a name is for the only extractor there is."""
    files = dict(given)
    if "" in files and len(extractors) == 1:
        files[extractors[0]] = files.pop("")
    for name, path in files.items():
        if name not in extractors:
            said = f"{path} does not say whose it is" if name == "" else f"{path} is for {name}"
            raise UsageError(f"--weights {said}, and the extractors are {', '.join(extractors)}; write EXTRACTOR={path}.")
    return files


def _load(name: str, weights: Path | None, request: Request) -> LoadedExtractor:
    loading = Loading(weights, request.reading.device, request.how.exact)
    return find_extractor(name).load(loading)


def _check_shapes(opened: _Opened, extractors: Sequence[LoadedExtractor]) -> None:
    """Raise UsageError where sides differ in the shape of their items and an extractor does not bring all images to one size."""
    ours = opened.samples
    for theirs in (opened.real, opened.held_out):
        if theirs is None or theirs.shape == ours.shape:
            continue
        if len(theirs.shape) != 3 or len(ours.shape) != 3 or any(extractor.side is None for extractor in extractors):
            raise UsageError(
                f"{ours.source} has samples of shape {ours.shape} and {theirs.source} of {theirs.shape}; "
                "compare samples of one shape."
            )


def _read_all(request: Request, opened: _Opened, asked: Sequence[Asked]) -> Comparison:
    """One pass over each side that a metric needs; steps in latent space come first, since they tell soonest what cannot be had."""
    how, extractors = request.how, [each.extractor for each in asked]
    needs = {need for each in asked for metric in each.metrics for need in metric.needs}
    paths: dict[str, PathSteps] = {}
    for each in asked:
        if how.ranks.leads and any("path" in metric.needs for metric in each.metrics):
            paths[each.extractor.name] = path_steps(opened.samples, each.extractor, request.path_steps, request.reading.seed, how)
    suffice = {each.extractor.name for each in asked if not request.resampling and all(m.from_moments for m in each.metrics)}
    samples = read_side(opened.samples, extractors, how, images="images" in needs, moments_suffice=suffice)
    reference: Side | None = None
    if isinstance(opened.reference, StoredStatistics):
        reference = side_of_statistics(opened.reference, [extractor.name for extractor in extractors])
    elif opened.reference is not None:
        reference = read_side(opened.reference, extractors, how, moments_suffice=suffice)
    held_out = None
    if "held-out" in needs and opened.held_out is not None:
        with_held_out = [each.extractor for each in asked if any("held-out" in metric.needs for metric in each.metrics)]
        held_out = read_side(opened.held_out, with_held_out, how)
    given = opened.given
    return Comparison(samples, reference, given.dataset, given.modes, held_out, paths)
