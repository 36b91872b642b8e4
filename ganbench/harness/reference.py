"""What samples are scored against: features of real data, computed once and kept by content."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import torch

from ganbench.cache import FeatureCache
from ganbench.dataset import LoadedDataset, Location, Part, load_dataset
from ganbench.extractor import LoadedExtractor, Loading
from ganbench.find_extractor import find_extractor
from ganbench.picture import POINTS_SHOWN, save_picture
from ganbench.ranks import ALONE, Ranks, tell
from ganbench.rng import stream
from ganbench.score.side import Pass, Report, Side, read_side, silent
from ganbench.sources.samples import in_memory


@functools.lru_cache(maxsize=2)
def cached_dataset(name: str, location: Location) -> LoadedDataset:
    """A data set, kept in this process for the jobs that follow."""
    return load_dataset(name, location)


@functools.lru_cache(maxsize=2)
def cached_extractor(name: str, weights: Path | None, device: str) -> LoadedExtractor:
    """An extractor, kept in this process for the jobs that follow."""
    return find_extractor(name).load(Loading(weights, device))


def real_side(
    dataset: LoadedDataset,
    part: Part,
    extractors: Sequence[LoadedExtractor],
    cache: Path,
    ranks: Ranks = ALONE,
    report: Report = silent,
) -> Side:
    """A part of a data set after its pass: all of its items, with their classes. Its features are kept under `cache`.

    Without `extractors` there are only its facts, for scores that read no features of it. Of several `ranks`, which all hold the
    data set, this one leads, and each extracts a share of what is not kept.
    """

    def ask(extractors: list[str]) -> None:
        tell({"extract": extractors, "part": part.name})

    samples = in_memory(f"{dataset.name}:{part.name}", part.items, part.labels, fingerprint=part.hash)
    return read_side(samples, extractors, Pass(cache=FeatureCache(cache), report=report, ranks=ranks, ask=ask))


def picture_reference(dataset: LoadedDataset, folder: Path) -> Path:
    """A picture of real samples in `folder`, drawn once."""
    for path in (folder / "reference.png", folder / "reference.npy"):
        if path.exists():
            return path
    order = torch.randperm(len(dataset.train), generator=stream(0, "reference picture"))
    return save_picture(folder / "reference", dataset.train.items[order[:POINTS_SHOWN]])
