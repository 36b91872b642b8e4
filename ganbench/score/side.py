"""One pass over one side of a comparison: each item is read once, and goes once through each extractor.

What a cache knows is not computed, and where it knows all, nothing is read. Where several processes share the pass, each of them
reads all items and extracts the features of its share of the batches; the first one gets them all.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ganbench.cache import FeatureCache, feature_key
from ganbench.dataset import content_header
from ganbench.errors import InvalidInputError
from ganbench.extractor import Features, LoadedExtractor, Statistics
from ganbench.metric import PathSteps
from ganbench.moments import Moments, merge_moments, moments_of
from ganbench.ranks import ALONE, Ranks, collect, tell, together, told
from ganbench.record import Sampled
from ganbench.sources.samples import Samples, StoredStatistics

BATCH_SIZE = 256
EXACT_BATCH_SIZE = 64  # torch-fidelity's own

Report = Callable[[str, int, int], None]  # what is read, how many of how many items are done


def silent(what: str, done: int, total: int) -> None:
    """A report that nobody reads."""


@dataclass(frozen=True)
class Pass:
    """How a side is read: items in a batch, the cache (None: keep nothing), who is told of the progress, and whether features must
    be exact to the bit at this batch size, which then is part of what they depend on. `ranks` share the pass: all of them make it,
    and only the first, which leads, gets a side with features."""

    batch_size: int = BATCH_SIZE
    cache: FeatureCache | None = None
    report: Report = silent
    exact: bool = False
    ranks: Ranks = ALONE

    def key(self, items_hash: str, extractor: LoadedExtractor) -> str | None:
        """Where the features lie in the cache."""
        return feature_key(items_hash, extractor, self.batch_size if self.exact else None)


@dataclass(frozen=True)
class Side:
    """One side after its pass: the facts for the protocol, and its features by the extractor's name."""

    facts: Sampled
    features: dict[str, Features | Statistics]
    shape: tuple[int, ...] = ()  # of one item
    images: Tensor | None = None  # (N, C, H, W) uint8, where they were wanted
    jpeg: int = 0
    notes: tuple[str, ...] = ()


def side_of_statistics(stored: StoredStatistics, extractors: Sequence[str]) -> Side:
    """FID statistics as a reference, in the features of the extractors that the user names for them."""
    facts = Sampled(source=stored.source, count=0, hash=stored.hash)
    return Side(facts, dict.fromkeys(extractors, stored.statistics))


def read_side(samples: Samples, extractors: Sequence[LoadedExtractor], how: Pass, *, images: bool = False) -> Side:
    """The features of all samples under each extractor; with `images`, the samples themselves too.

    Raises InvalidInputError for fewer than 2 items, for features that are not finite (how many rows, and the first), for an
    extractor that loses rows, and for what only reading finds out: a damaged image.
    """
    if len(samples) < 2:
        raise InvalidInputError(f"There are {len(samples)} samples to score, and a score needs at least 2; give more.")
    if not how.ranks.leads:
        return _assist(samples, extractors, how)
    cache = how.cache
    with cache.lock(samples.fingerprint or samples.hash) if cache else contextlib.nullcontext():
        known = _known_hash(samples, cache)
        found = _kept(known, extractors, how) if known else {}
        missing = [extractor for extractor in extractors if extractor.name not in found]
        held = None
        if how.ranks.several:
            tell({"extract": [extractor.name for extractor in missing]})
        if missing or images or known is None:
            read = _read(samples, missing, how, images=images)
            found |= read.features
            _keep(samples, read, missing, how)
            known, held = read.hash, read.images
    facts = Sampled(source=samples.source, count=len(samples), hash=known, quantisation=samples.quantisation)
    ordered: dict[str, Features | Statistics] = {
        extractor.name: replace(found[extractor.name], labels=samples.labels) for extractor in extractors
    }
    return Side(facts, ordered, samples.shape, held, samples.jpeg, samples.notes)


def _assist(samples: Samples, extractors: Sequence[LoadedExtractor], how: Pass) -> Side:
    """The part of a process that does not lead in a pass: the features that the leader's cache lacks. The side has none."""
    wanted = told()["extract"]
    if wanted:
        _read(samples, [extractor for extractor in extractors if extractor.name in wanted], how, images=False)
    return Side(Sampled(source=samples.source, count=len(samples)), {}, samples.shape)


def keep_moments(side: Side, extractors: Sequence[LoadedExtractor], how: Pass) -> None:
    """Write the moments that metrics have asked for, where they cost more to compute than to read."""
    if how.cache is None or side.facts.hash is None:
        return
    for extractor in extractors:
        features, key = side.features[extractor.name], how.key(side.facts.hash, extractor)
        worth_it = isinstance(features, Features) and len(features) > features.width and features.known_moments is None
        if key and worth_it and "moments" in vars(features):
            assert isinstance(features, Features)
            how.cache.keep_moments(key, features.moments)


def path_steps(samples: Samples, extractor: LoadedExtractor, count: int, seed: int, how: Pass) -> PathSteps:
    """How far a generator's samples move in features along short steps between random latents."""
    if samples.paths is None:
        raise InvalidInputError(f"{samples.source} has no latents to take steps between; leave ppl out.")
    ends = samples.paths(count, seed)
    distances: list[Tensor] = []
    for one, other in ends.read(how.batch_size):
        here, there = (extractor.extract(batch).features.double() for batch in (one, other))  # (B, F) each
        distances.append((here - there).square().sum(dim=1))
        how.report(f"paths of {samples.source}", sum(map(len, distances)), ends.count)
    return PathSteps(torch.cat(distances), ends.epsilon, ends.interpolation)


@dataclass(frozen=True)
class _Read:
    hash: str
    features: dict[str, Features]
    images: Tensor | None


def _known_hash(samples: Samples, cache: FeatureCache | None) -> str | None:
    """The items' content hash where it is known without reading; a generator without fingerprint is drawn to know it."""
    if cache is None:
        return None
    if samples.fingerprint is None:
        return samples.hash
    return cache.source_hash(samples.fingerprint)


def _kept(items_hash: str, extractors: Sequence[LoadedExtractor], how: Pass) -> dict[str, Features]:
    found = {}
    for extractor in extractors:
        key = how.key(items_hash, extractor)
        if how.cache and key and (features := how.cache.features(key)) is not None:
            found[extractor.name] = features
    return found


def _keep(samples: Samples, read: _Read, extracted: Sequence[LoadedExtractor], how: Pass) -> None:
    if how.cache is None:
        return
    for extractor in extracted:
        if (key := how.key(read.hash, extractor)) is not None:
            how.cache.keep_features(key, read.features[extractor.name])
    if samples.fingerprint is not None:
        how.cache.keep_source(samples.fingerprint, read.hash)


@dataclass
class _Collected:
    """What one extractor has said so far, and in this process of several."""

    features: list[Tensor] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)

    def add(self, extractor: LoadedExtractor, batch: Tensor) -> None:
        said = extractor.extract(batch)
        if len(said) != len(batch):
            raise InvalidInputError(
                f"The extractor {extractor.name} gave {len(said)} rows of features for {len(batch)} items; mend it."
            )
        self.features.append(said.features)
        if said.logits is not None:
            self.logits.append(said.logits)

    def parts(self, name: str, summed_of: int) -> dict[str, Tensor]:
        """All of it, by names for `_join`; with its moments where `summed_of` samples in all are more than features. Nothing where
        there is nothing."""
        if not self.features:
            return {}
        found = {f"{name}/features": torch.cat(self.features)}
        if self.logits:
            found[f"{name}/logits"] = torch.cat(self.logits)
        if summed_of > self.features[0].shape[1]:
            summed = moments_of(found[f"{name}/features"])
            found |= {f"{name}/mean": summed.mean, f"{name}/scatter": summed.scatter}
        return found


def _join(name: str, shares: Sequence[dict[str, Tensor]], side: str) -> Features:
    """What an extractor said in every process, in their order."""
    found = {what: [share[f"{name}/{what}"] for share in shares if f"{name}/{what}" in share] for what in ("features", "logits")}
    joined = Features(torch.cat(found["features"]), torch.cat(found["logits"]) if found["logits"] else None)
    joined.check(side)
    sums = [
        Moments(len(share[f"{name}/features"]), share[f"{name}/mean"], share[f"{name}/scatter"])
        for share in shares
        if f"{name}/mean" in share
    ]
    return replace(joined, known_moments=merge_moments(sums).statistics) if sums else joined


def _read(samples: Samples, extractors: Sequence[LoadedExtractor], how: Pass, *, images: bool) -> _Read:
    """All items, and what extractors say of them. Of several processes, the others get nothing for their part."""
    ranks = how.ranks if extractors else ALONE
    collected = {extractor.name: _Collected() for extractor in extractors}
    mine = ranks.share(-(-len(samples) // how.batch_size))
    summed, kept, done = hashlib.sha256(), [], 0
    with together() if ranks.several else contextlib.nullcontext():
        for number, batch in enumerate(_batches(samples, how.batch_size)):
            if done == 0:
                summed.update(content_header(batch.dtype, (len(samples), *batch.shape[1:])))
            summed.update(batch.contiguous().numpy().data)
            if number in mine:
                for extractor in extractors:
                    collected[extractor.name].add(extractor, batch)
            if images:
                kept.append(batch)
            done += len(batch)
            how.report(samples.source, done, len(samples))
        shares = [_parts(collected, summed.hexdigest(), len(samples) if ranks.several else 0)]
        if ranks.several:
            shares = collect(shares[0])
    if any(not torch.equal(share["hash"], shares[0]["hash"]) for share in shares):
        raise InvalidInputError(
            f"The processes of this run read different items from {samples.source}; mend what draws them, or score it "
            "in one process."
        )
    side = f"samples in {samples.source}"
    features = {name: _join(name, shares, side) for name in collected} if shares else {}
    return _Read(summed.hexdigest(), features, torch.cat(kept) if images else None)


def _parts(collected: dict[str, _Collected], items_hash: str, summed_of: int) -> dict[str, Tensor]:
    found = {"hash": torch.tensor(list(bytes.fromhex(items_hash)), dtype=torch.uint8)}
    for name, each in collected.items():
        found |= each.parts(name, summed_of)
    return found


def _batches(samples: Samples, size: int) -> Iterator[Tensor]:
    """The samples in batches; those that are in memory already (their hash was asked for) are not read again."""
    return iter(samples.items.split(size)) if samples.held is not None or "items" in vars(samples) else samples.read(size)
