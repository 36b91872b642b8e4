"""One pass over one side of a comparison: each item is read once, and goes once through each extractor.

What a cache knows is not computed, and where it knows all, nothing is read. Where several processes share the pass, each of them
reads all items and extracts the features of its share of the batches; the first one gets them all.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ganbench.cache import FeatureCache, feature_key
from ganbench.dataset import content_header
from ganbench.errors import InvalidInputError
from ganbench.extractor import Features, LoadedExtractor, Statistics
from ganbench.metric import PathSteps
from ganbench.ranks import ALONE, Ranks, collect, tell, together, told
from ganbench.record import Sampled
from ganbench.score.collect import Collected, join_shares
from ganbench.score.failure import caught, raise_first, told_of
from ganbench.sources.samples import Samples, StoredStatistics

BATCH_SIZE = 256
EXACT_BATCH_SIZE = 64  # torch-fidelity's own
MOST_BYTES = 2**29  # 65,536 images in Inception's features

Report = Callable[[str, int, int], None]  # what is read, how many of how many items are done


def silent(what: str, done: int, total: int) -> None:
    """A report that nobody reads."""


def ask_for(extractors: list[str]) -> None:
    """Tell the other processes of a pass which extractors it is for: they hold the same samples."""
    tell({"extract": extractors})


@dataclass(frozen=True)
class Pass:
    """How a side is read: items in a batch, the cache (None: keep nothing), who is told of the progress, and whether features must
    be exact to the bit at this batch size, which then is part of what they depend on. `ranks` share the pass: all of them make it,
    and only the first, which leads, gets a side with features; it says by `ask` which extractors read the samples. `most_bytes` of
    an extractor's features are kept where metrics need no more than their moments: larger ones are merged into moments batch by
    batch."""

    batch_size: int = BATCH_SIZE
    cache: FeatureCache | None = None
    report: Report = silent
    exact: bool = False
    ranks: Ranks = ALONE
    ask: Callable[[list[str]], None] = ask_for
    most_bytes: int = MOST_BYTES

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


def read_side(
    samples: Samples,
    extractors: Sequence[LoadedExtractor],
    how: Pass,
    *,
    images: bool = False,
    moments_suffice: Collection[str] = (),
) -> Side:
    """The features of all samples under each extractor; with `images`, the samples themselves too.

    Of extractors in `moments_suffice`, by name, features that take more than `how.most_bytes` are not kept: there are `Statistics`.
    Raises InvalidInputError for fewer than 2 items, for features that are not finite (how many rows, and the first), for an
    extractor that loses rows, and for what only reading finds out: a damaged image.
    """
    if len(samples) < 2:
        raise InvalidInputError(f"There are {len(samples)} samples to score, and a score needs at least 2; give more.")
    if not how.ranks.leads:
        return assist(samples, extractors, told()["extract"], how, moments_suffice)
    cache = how.cache
    with cache.lock(samples.fingerprint or samples.hash) if cache else contextlib.nullcontext():
        known = _known_hash(samples, cache)
        found = _kept(known, extractors, how, moments_suffice) if known else {}
        missing = [extractor for extractor in extractors if extractor.name not in found]
        held = None
        if how.ranks.several:
            how.ask([extractor.name for extractor in missing])
        if missing or images or known is None:
            read = _read(samples, missing, how, moments_suffice, images=images)
            found |= read.features
            _keep(samples, read, missing, how)
            known, held = read.hash, read.images
    facts = Sampled(source=samples.source, count=len(samples), hash=known, quantisation=samples.quantisation)
    ordered = {extractor.name: _labelled(found[extractor.name], samples.labels) for extractor in extractors}
    return Side(facts, ordered, samples.shape, held, samples.jpeg, samples.notes)


def assist(
    samples: Samples,
    extractors: Sequence[LoadedExtractor],
    wanted: Collection[str],
    how: Pass,
    moments_suffice: Collection[str] = (),
) -> Side:
    """The part of a process that does not lead in a pass: the `wanted` extractors read its share. The side has no features."""
    if wanted:
        _read(samples, [extractor for extractor in extractors if extractor.name in wanted], how, moments_suffice, images=False)
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
    features: dict[str, Features | Statistics]
    images: Tensor | None


def _labelled(side: Features | Statistics, labels: Tensor | None) -> Features | Statistics:
    return replace(side, labels=labels) if isinstance(side, Features) else side


def _known_hash(samples: Samples, cache: FeatureCache | None) -> str | None:
    """The items' content hash where it is known without reading; a generator without fingerprint is drawn to know it."""
    if cache is None:
        return None
    if samples.fingerprint is None:
        return samples.hash
    return cache.source_hash(samples.fingerprint)


def _kept(
    items_hash: str, extractors: Sequence[LoadedExtractor], how: Pass, moments_suffice: Collection[str]
) -> dict[str, Features | Statistics]:
    found: dict[str, Features | Statistics] = {}
    for extractor in extractors:
        key = how.key(items_hash, extractor)
        if how.cache is None or key is None:
            continue
        size = how.cache.features_size(key)
        few = extractor.name in moments_suffice and not 0 < size <= how.most_bytes
        kept = (how.cache.moments(key) if few else None) or (how.cache.features(key) if size else None)
        if kept is not None:
            found[extractor.name] = kept
    return found


def _keep(samples: Samples, read: _Read, extracted: Sequence[LoadedExtractor], how: Pass) -> None:
    if how.cache is None:
        return
    for extractor in extracted:
        said = read.features[extractor.name]
        if (key := how.key(read.hash, extractor)) is None:
            continue
        if isinstance(said, Features):
            how.cache.keep_features(key, said)
        else:
            how.cache.keep_moments(key, said)
    for known_by in (samples.fingerprint, samples.outline):
        if known_by is not None:
            how.cache.keep_source(known_by, read.hash)


def _read(
    samples: Samples, extractors: Sequence[LoadedExtractor], how: Pass, moments_suffice: Collection[str], *, images: bool
) -> _Read:
    """All items, and what extractors say of them. Of several processes, the others get nothing for their part."""
    ranks, size = how.ranks if extractors else ALONE, how.batch_size
    mine = ranks.share(-(-len(samples) // size))  # of the batches
    here = range(mine.start * size, min(mine.stop * size, len(samples)))
    collected = {
        each.name: Collected(each, len(samples), here, how.most_bytes if each.name in moments_suffice else None)
        for each in extractors
    }
    summed, kept = hashlib.sha256(), []

    def read() -> None:
        done = 0
        for number, batch in enumerate(_batches(samples, size)):
            if done == 0:
                summed.update(content_header(batch.dtype, (len(samples), *batch.shape[1:])))
            summed.update(batch.contiguous().numpy().data)
            if number in mine:
                for each in collected.values():
                    each.add(batch)
            if images:
                kept.append(batch)
            done += len(batch)
            how.report(samples.source, done, len(samples))

    if ranks.several:
        with together():
            failure = caught(read)
            shares = collect(_share(collected, summed.hexdigest()) if failure is None else told_of(failure))
        if ranks.leads:
            raise_first(shares, failure)
        features = _joined(shares, list(collected), samples.source)
    else:
        read()
        features = {name: each.join(f"samples in {samples.source}") for name, each in collected.items()}
    return _Read(summed.hexdigest(), features, torch.cat(kept) if images else None)


def _share(collected: dict[str, Collected], items_hash: str) -> dict[str, Tensor]:
    """This process's part of a pass, for `_joined`."""
    found = {"hash": torch.tensor(list(bytes.fromhex(items_hash)), dtype=torch.uint8)}
    for name, each in collected.items():
        found |= {f"{name}/{what}": value for what, value in each.share().items()}
    return found


def _joined(shares: Sequence[dict[str, Tensor]], names: Sequence[str], source: str) -> dict[str, Features | Statistics]:
    """What each extractor said in all processes; nothing where this one has no shares, for it does not lead."""
    if any(not torch.equal(share["hash"], shares[0]["hash"]) for share in shares):
        raise InvalidInputError(
            f"The processes of this run read different items from {source}; mend what draws them, or score it in one process."
        )
    found: dict[str, Features | Statistics] = {}
    for name in names if shares else ():
        start = f"{name}/"
        said = [{key.removeprefix(start): value for key, value in share.items() if key.startswith(start)} for share in shares]
        found[name] = join_shares(said, f"samples in {source}")
    return found


def _batches(samples: Samples, size: int) -> Iterator[Tensor]:
    """The samples in batches; those that are in memory already (their hash was asked for) are not read again."""
    return iter(samples.items.split(size)) if samples.held is not None or "items" in vars(samples) else samples.read(size)
