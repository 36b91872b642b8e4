"""Which metrics may be asked for: each is found, and what it needs is looked for before any work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ganbench import registry
from ganbench.dataset import ClassModes, Modes, PointModes
from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Extractor
from ganbench.metric import Metric, Need


@dataclass(frozen=True)
class Given:
    """What metrics can be given: the modes of the data (called `dataset` in errors), and which kinds of evidence are at hand."""

    modes: Modes | None = None
    dataset: str = "this data set"
    reference: bool = True
    statistics: bool = False  # the reference is FID statistics, without features
    held_out: bool = False
    labels: bool = False  # of both sides
    images: bool = False
    paths: bool = False


def choose_metrics(names: Sequence[str], extractor: Extractor, given: Given) -> list[Metric]:
    """The metrics that `names` ask for, each once, in their order: registered names, Python files, or "fid" for fd with Inception.

    Raises UsageError for a name that is not known, and for a metric that needs what is not given.
    """
    chosen: dict[str, Metric] = {}
    for name in names:
        metric = find_metric(name, extractor.name)
        lack = lacking(metric, extractor, given)
        if lack:
            raise UsageError(f"The metric {metric.name} {lack}.")
        chosen[metric.name] = metric
    if not chosen:
        raise UsageError(f"No metric is asked for; name some of {', '.join(registry.entries('metrics'))}.")
    return list(chosen.values())


def find_metric(name: str, extractor: str) -> Metric:
    """The metric of that name, or of that file. "fid" is fd in Inception's features, and an error in other features."""
    for entry in registry.entries("metrics").values():
        home = entry.facts.get("home", "inception-v3-compat")
        if name == entry.facts.get("field_name") != entry.name:
            if extractor != home:
                raise UsageError(
                    f"{name} is {entry.name} in the features of {home}, and the extractor is {extractor}; "
                    f"ask for {entry.name}, which is reported as {entry.name}-{extractor}, or choose the extractor {home}."
                )
            name = entry.name
    metric = registry.find("metrics", name).load()
    if not isinstance(metric, Metric):
        raise InvalidInputError(f"{name} holds a {type(metric).__name__}, not a Metric; end the file with METRIC = Metric(...).")
    return metric


def lacking(metric: Metric, extractor: Extractor, given: Given) -> str | None:
    """What a metric lacks, to stand after its name in a sentence; None where it can be computed."""
    for need in metric.needs:
        if lack := _lack(need, extractor, given):
            return lack
    return None


def _lack(need: Need, extractor: Extractor, given: Given) -> str | None:
    modes, dataset = given.modes, given.dataset
    match need:
        case "reference" | "reference-features" if not given.reference:
            return "compares samples with real ones; name them with --reference"
        case "reference-features" if given.statistics:
            return "compares features, which FID statistics do not hold; give the reference's images, or leave the metric out"
        case "held-out" if not given.held_out:
            return "needs real data that the generator was not trained on; name them with --held-out"
        case "labels" if not given.labels:
            return "needs the classes of both sides (folders, arr_1 in a .npz, .cls of all samples in shards); leave it out"
        case "images" if not given.images:
            return "reads images, and these samples are not images; leave it out"
        case "path" if not given.paths:
            return "takes steps in a generator's latent space; name a checkpoint or another generator as SAMPLES, or leave it out"
        case "logits" if extractor.logits == "none":
            return (
                f"reads class logits, which the extractor {extractor.name} does not give; leave it out, or choose another extractor"
            )
        case "logits" if extractor.logits == "channel" and isinstance(modes, ClassModes) and modes.channels > 1:
            return f"reads one set of class logits an image, and {extractor.name} gives one a channel of {dataset}; leave it out"
        case "modes" if modes is None:
            return f"counts known modes, and {dataset} has none; leave it out"
        case "modes" if isinstance(modes, ClassModes) and extractor.logits == "none":
            return (
                f"tells the modes of {dataset} apart by class logits, which the extractor {extractor.name} does not give; "
                "leave it out, or choose another extractor"
            )
        case "point-modes" if not isinstance(modes, PointModes):
            return f"is for points of known Gaussian modes, and {dataset} has none; leave it out"
    return None
