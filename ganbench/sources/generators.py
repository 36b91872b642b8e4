"""Samples drawn from a generator, a batch at a time, from the latent stream of a seed; and short steps along latent paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ganbench.errors import InvalidInputError, UsageError
from ganbench.files import digest
from ganbench.generator import NotFiniteError, draw_latents, to_uint8
from ganbench.record import SAMPLING_BATCH
from ganbench.rng import stream
from ganbench.sources.samples import PathEnds
from ganbench.variant import Recipe

GENERATED = 10_000  # samples drawn from a generator where nothing says how many
EPSILON = 1e-4  # the length of a step of perceptual path length, as a share of its path (Karras et al. 2019)
SLACK = 0.01  # values may lie outside the stated range by this share of its width: rounding, not another range
LARGEST_LATENTS = 2**31  # numbers of all latents of one side, 8 GiB
LARGEST_BATCH = 2**26  # values of one batch of samples; larger images come in smaller batches


def check_latents(count: int, latent_size: int) -> None:
    """Raise UsageError for latents that no memory holds."""
    if count * latent_size > LARGEST_LATENTS:
        raise UsageError(
            f"{count:,} latents of {latent_size:,} numbers do not fit into memory; give a smaller --n or --latent-dim."
        )


@dataclass(frozen=True)
class Program:
    """A generator that can be run.

    `run(z, labels)` takes (B, latent_size) float32 and, with `classes`, (B,) int64, on the CPU, and gives `shape`d samples on the
    CPU: floating-point images in `value_range`, uint8 images, or floating-point points. Each batch has `batch` rows, the last one
    padded, so that how many samples are drawn changes none of them. `clamps`: values outside the range are cut, not refused.
    """

    name: str  # what errors call it
    run: Callable[[Tensor, Tensor | None], Tensor]
    shape: tuple[int, ...]  # of one sample: (C, H, W) or (D,)
    recipe: Recipe  # its latents' size and law
    classes: int | None = None
    value_range: tuple[float, float] = (-1.0, 1.0)
    batch: int = SAMPLING_BATCH
    pads: bool = True
    clamps: bool = False

    def labels(self, count: int) -> Tensor | None:
        """The classes (count,) in turn: as many of each as there can be."""
        return None if self.classes is None else torch.arange(count) % self.classes

    def samples(self, count: int, seed: int) -> Callable[[int], Iterator[Tensor]]:
        """`Samples.read` of `count` samples from the latent stream of `seed`. Raises UsageError for more than fit."""
        check_latents(count, self.recipe.latent_size)

        def read(batch_size: int) -> Iterator[Tensor]:
            latents = draw_latents(count, self.recipe, stream(seed, "sample"))
            return rebatched(map(self._finished, self._run_all(latents)), batch_size)

        return read

    def paths(self, count: int, seed: int) -> PathEnds:
        """`count` steps of length `EPSILON` at random places of the paths between random latents."""
        law: Literal["slerp", "lerp"] = "slerp" if self.recipe.latent_law == "normal" else "lerp"

        def read(batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
            first, second = (draw_latents(count, self.recipe, stream(seed, "path", end), torch.float64) for end in (0, 1))
            place = torch.rand(count, 1, generator=stream(seed, "path place"), dtype=torch.float64)
            ends = (interpolate(first, second, place + step, law).float() for step in (0.0, EPSILON))
            one, other = (rebatched(map(self._in_levels, self._run_all(end)), batch_size) for end in ends)
            return zip(one, other, strict=True)

        return PathEnds(count, EPSILON, law, read)

    @torch.no_grad()
    def _run_all(self, latents: Tensor) -> Iterator[Tensor]:
        labels = self.labels(len(latents))
        for start in range(0, len(latents), self.batch):
            z = latents[start : start + self.batch]
            y = None if labels is None else labels[start : start + self.batch]
            rows, missing = len(z), self.batch - len(z) if self.pads else 0
            if missing:
                z = torch.cat([z, z[-1:].expand(missing, -1)])
                y = None if y is None else torch.cat([y, y[-1:].expand(missing)])
            raw = self.run(z, y)
            if raw.shape != (len(z), *self.shape):
                raise InvalidInputError(
                    f"{self.name} gives {tuple(raw.shape)} for {len(z)} latents, where ({len(z)}, "
                    f"{', '.join(map(str, self.shape))}) is expected; mend the generator."
                )
            yield self._checked(raw[:rows], start)

    def _checked(self, raw: Tensor, start: int) -> Tensor:
        """The samples themselves, where they are of a known type, finite and in the stated range."""
        if raw.dtype == torch.uint8 and len(self.shape) == 3:
            return raw
        if not raw.is_floating_point():
            raise InvalidInputError(
                f"{self.name} gives {str(raw.dtype).removeprefix('torch.')} where images are uint8 or floating-point, and points "
                "floating-point; mend the generator."
            )
        raw = raw.float()
        bad = (~raw.isfinite()).flatten(1).any(dim=1).nonzero().flatten().tolist()
        if bad:
            raise NotFiniteError(
                f"{self.name} gives NaN or infinite values in {len(bad)} of {len(raw)} samples, first in sample {start + bad[0]} "
                "(from 0); it diverged, or it is run on latents of another size or law than it was trained on."
            )
        if len(self.shape) == 3 and not self.clamps:
            self._check_range(raw)
        return raw

    def _check_range(self, raw: Tensor) -> None:
        low, high = self.value_range
        slack = SLACK * (high - low)
        outside = int(((raw < low - slack) | (raw > high + slack)).sum())
        if outside:
            raise InvalidInputError(
                f"{self.name} gives images from {raw.min():.4g} to {raw.max():.4g}, with {outside:,} of {raw.numel():,} values "
                f"outside the range {low:g},{high:g}; say with --range in which range its images are."
            )

    def _finished(self, raw: Tensor) -> Tensor:
        if raw.dtype == torch.uint8 or len(self.shape) == 1:
            return raw
        low, high = self.value_range
        return to_uint8(raw if (low, high) == (-1, 1) else (raw - low) * (2 / (high - low)) - 1)

    def _in_levels(self, raw: Tensor) -> Tensor:
        """Images as floats from 0 to 255, not rounded, and points as they are: a step is far smaller than one level."""
        low, high = self.value_range
        return raw.float() if raw.dtype == torch.uint8 or len(self.shape) == 1 else (raw - low) * (255 / (high - low))


def fingerprint(content: str | None, program: Program, count: int, seed: int, device: str) -> str | None:
    """What all samples of a generator depend on; None where what it is made of is not known."""
    if content is None:
        return None
    facts = [content, program.recipe.latent_size, program.recipe.latent_law, program.classes, list(program.value_range)]
    return digest([*facts, program.batch, count, seed, torch.device(device).type, str(torch.__version__)])


def rebatched(batches: Iterator[Tensor], batch_size: int) -> Iterator[Tensor]:
    """The same rows in batches of another size."""
    held: list[Tensor] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += len(batch)
        if rows >= batch_size:
            whole = torch.cat(held)
            *full, rest = whole.split(batch_size)
            if len(rest) == batch_size:
                full, rest = [*full, rest], whole[:0]
            yield from full
            held, rows = [rest], len(rest)
    if rows:
        yield torch.cat(held)


def interpolate(first: Tensor, second: Tensor, place: Tensor, law: Literal["slerp", "lerp"]) -> Tensor:
    """The points at `place` (N, 1) in [0, 1] of the paths from `first` to `second` (N, L): straight lines, or arcs (Shoemake 1985).

    An arc takes the angle between the two, whose lengths it keeps at its ends; a normal latent stays as far from zero as they are.
    """
    straight = first + (second - first) * place
    if law == "lerp":
        return straight
    cosine = torch.cosine_similarity(first, second, dim=1)[:, None]
    angle = cosine.clamp(-1, 1).acos()
    sine = angle.sin()
    arc = (((1 - place) * angle).sin() * first + (place * angle).sin() * second) / sine
    return torch.where(sine < 1e-6, straight, arc)  # on one line with zero there is no arc
