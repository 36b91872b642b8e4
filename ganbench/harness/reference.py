"""What samples are scored against: the training part's features, computed once and kept by content."""

from __future__ import annotations

import fcntl
import functools
from pathlib import Path

import torch
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save as save_tensors

from ganbench.dataset import LoadedDataset, Location, load_dataset
from ganbench.extractor import Features, LoadedExtractor
from ganbench.files import digest, write_atomically
from ganbench.generator import quantisation_of
from ganbench.picture import POINTS_SHOWN, save_picture
from ganbench.record import Sampled
from ganbench.registry import find
from ganbench.rng import stream
from ganbench.score import Reference, extract_all


@functools.lru_cache(maxsize=2)
def cached_dataset(name: str, location: Location) -> LoadedDataset:
    """A data set, kept in this process for the jobs that follow."""
    return load_dataset(name, location)


@functools.lru_cache(maxsize=2)
def cached_extractor(name: str, weights: Path | None, device: str) -> LoadedExtractor:
    """An extractor, kept in this process for the jobs that follow."""
    loaded: LoadedExtractor = find("extractors", name).load().load(weights, device)
    return loaded


def reference_of(dataset: LoadedDataset, extractor: LoadedExtractor, cache: Path) -> Reference:
    """The training part as a reference: all of its items."""
    part = dataset.train
    facts = Sampled(source=f"{dataset.name}:train", count=len(part), hash=part.hash, quantisation=quantisation_of(part.items))
    return Reference(facts, _features(dataset, extractor, cache), dataset.name)


def picture_reference(dataset: LoadedDataset, folder: Path) -> Path:
    """A picture of real samples in `folder`, drawn once."""
    for path in (folder / "reference.png", folder / "reference.npy"):
        if path.exists():
            return path
    order = torch.randperm(len(dataset.train), generator=stream(0, "reference picture"))
    return save_picture(folder / "reference", dataset.train.items[order[:POINTS_SHOWN]])


def _features(dataset: LoadedDataset, extractor: LoadedExtractor, cache: Path) -> Features:
    """Features in a file named by the content of data and extractor; without weights there is nothing to save by keeping them."""
    if extractor.weights_hash is None:
        return extract_all(extractor, dataset.train.items)
    key = digest([dataset.train.hash, extractor.name, extractor.version, extractor.weights_hash])[:16]
    path = cache / f"features-{key}.safetensors"
    cache.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be at it: wait for its file instead of doing the same
        if path.exists():
            kept = load_tensors(path)
            return Features(kept["features"], kept.get("logits"))
        features = extract_all(extractor, dataset.train.items)
        tensors = {"features": features.features} | ({} if features.logits is None else {"logits": features.logits})
        write_atomically(path, save_tensors({name: value.contiguous() for name, value in tensors.items()}))
    return features
