"""What a reader of scores must know of their protocol: sentences for what biases a number or keeps it from being compared."""

from __future__ import annotations

from collections.abc import Sequence

from ganbench.extractor import LoadedExtractor
from ganbench.score.side import Side

USUAL_FID_COUNT = 10_000  # the fewest samples that the FID of papers is taken on (Heusel et al. 2017)


def same_content(samples: Side, reference: Side | None, held_out: Side | None) -> list[str]:
    """A note for each two sides that are the same items, for then a number between them says nothing."""
    sides = {"samples": samples, "reference": reference, "held-out data": held_out}
    named = [(name, side.facts.hash) for name, side in sides.items() if side is not None and side.facts.hash is not None]
    return [
        f"the {one} and the {other} are the same items: what compares the two says nothing of a generator."
        for index, (one, ours) in enumerate(named)
        for other, theirs in named[index + 1 :]
        if ours == theirs
    ]


def protocol_notes(
    samples: Side, reference: Side | None, labels: Sequence[str], extractors: Sequence[LoadedExtractor]
) -> list[str]:
    """The notes that both sides, their counts and their images call for."""
    notes, count = [], samples.facts.count
    if "fid" in labels and count < USUAL_FID_COUNT:
        notes.append(
            f"fid: fewer than {USUAL_FID_COUNT:,} samples ({count:,}), so it is biased upwards and compares with no paper's."
        )
    if reference is not None and reference.facts.count not in (0, count):
        notes.append(
            f"the sides differ in number ({count:,} samples, {reference.facts.count:,} in the reference): compare only with scores "
            "of these two numbers."
        )
    for name, side in (("samples", samples), ("reference", reference)):
        if side is not None and side.jpeg:
            notes.append(
                f"{side.jpeg:,} of the {side.facts.count:,} images of the {name} were stored with loss (JPEG): a Frechet distance "
                "sees its traces, so compare only with sets stored alike."
            )
    shapes = {side.shape[1:] for side in (samples, reference) if side is not None and len(side.shape) == 3}
    for extractor in extractors:
        for height, width in sorted(shapes):
            if extractor.side and min(height, width) < extractor.side:
                notes.append(
                    f"images of {width} x {height} pixels are enlarged to {extractor.side} x {extractor.side} for "
                    f"{extractor.name}: compare only with images of that size."
                )
    return notes
