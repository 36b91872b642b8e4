"""What `test_data_parallel.py` runs in two processes: every case, whose result the first process writes as JSON to argv[1]."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from ganbench import registry
from ganbench.dataset import LoadedDataset, Location, Part, load_dataset
from ganbench.errors import UsageError
from ganbench.ranks import ALONE, Ranks, joined
from ganbench.train import Training
from ganbench.variant import Control, Space, Variant

VARIANTS = [name for name, entry in registry.entries("variants").items() if not isinstance(entry.load(), Control)]


def images(count: int = 64) -> LoadedDataset:
    """Pairs of random images of 8 x 8 pixels, of ten classes."""
    items = torch.randint(0, 256, (count, 1, 8, 8), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    return LoadedDataset("images", Part("train", items, torch.arange(count) % 10, 255 - items), Part("test", items[:8]), classes=10)


class Centred(nn.Module):
    """A layer of nobody's: it takes the batch's mean from its rows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - x.mean(0)


def tied() -> Variant:
    """A variant whose discriminator ties samples together by a layer that ganbench does not know."""
    nsgan = registry.find("variants", "nsgan").load()
    assert isinstance(nsgan, Variant)

    def networks(*given: object) -> dict[str, nn.Module]:
        built = nsgan.networks(*given)
        built["discriminator"] = nn.Sequential(Centred(), built["discriminator"])
        return built

    return dataclasses.replace(nsgan, name="tied", networks=networks)


@dataclasses.dataclass
class Case:
    """One training, in one process and in two."""

    name: str
    variant: Variant
    data: LoadedDataset
    steps: int
    seeds: list[int]
    dtype: torch.dtype = torch.float64
    batch_size: int | None = None

    def train(self, ranks: Ranks) -> Training:
        """The training, at its end."""
        space = Space(self.data.shape, self.data.classes, self.data.inputs)
        recipe = dataclasses.replace(self.variant.recipe_for(space), ema_decay=0.9)
        if self.batch_size:
            recipe = dataclasses.replace(recipe, batch_size=self.batch_size)
        training = Training(self.variant, recipe, self.data, self.seeds, self.steps, watch_every=2, dtype=self.dtype, ranks=ranks)
        training.advance(self.steps)
        return training

    def result(self, ranks: Ranks) -> dict[str, object]:
        """How far two processes are from one, over everything that a training keeps; or the sentence by which they are refused."""
        try:
            ours = self.train(ranks)
        except UsageError as error:
            return {"refused": str(error)}
        if not ranks.leads:
            return {}
        theirs = self.train(ALONE)
        assert ours.tensors().keys() == theirs.tensors().keys()
        off = {key: (value.double() - theirs.tensors()[key].double()).abs().max().item() for key, value in ours.tensors().items()}
        curves = {
            name: max(
                abs(a - b) for one, other in zip(rows, theirs.curves[name], strict=True) for a, b in zip(one, other, strict=True)
            )
            for name, rows in ours.curves.items()
            if name != "steps"
        }
        weights = max(value for key, value in off.items() if key.split("/")[0] in ours.networks)
        return {"off": max([*off.values(), *curves.values()]), "weights": weights}


def cases() -> Iterator[Case]:
    """Every variant on ring-8 or, where it refuses points, on images; and those that were asked for by themselves."""
    ring, pictures = load_dataset("ring-8", Location()), images()
    for name in VARIANTS:
        variant = registry.find("variants", name).load()
        data = ring if variant.refuses(Space(ring.shape, ring.classes, ring.inputs)) is None else pictures
        yield Case(name, variant, data, 2, [0, 3], batch_size=24 if name == "pacgan3" else 16)
    nsgan, wgan_gp, unrolled = (registry.find("variants", name).load() for name in ("nsgan", "wgan-gp", "unrolled"))
    for dtype in (torch.float64, torch.float32):
        kind = str(dtype).removeprefix("torch.")
        yield Case(f"gradient penalty, {kind}", wgan_gp, ring, 20, [0], dtype)
        yield Case(f"batch norm, {kind}", nsgan, pictures, 20, [0], dtype, 16)
    yield Case("batch norm ahead", unrolled, pictures, 2, [0, 3], batch_size=16)
    yield Case("tied", tied(), ring, 3, [0], batch_size=16)
    yield Case("uneven", nsgan, ring, 3, [0], batch_size=15)


def main(out: Path) -> None:
    """Run every case."""
    torch.set_num_threads(1)
    with joined() as ranks:
        results = {case.name: case.result(ranks) for case in cases()}
        if ranks.leads:
            out.write_text(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
