"""A ganbench checkpoint's generator as samples."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ganbench import registry
from ganbench.generator import load_generator
from ganbench.sources.generators import GENERATED, Program, fingerprint
from ganbench.sources.samples import Reading, Samples


def from_checkpoint(path: Path, reading: Reading) -> Samples:
    """`reading.count` samples of a checkpoint's generator, or as many as its data set is scored with; equal to its own draws.

    `reading.variant_file` is the Python file of its variant where that is the user's own. Raises as `load_generator`.
    """
    generator = load_generator(path, reading.device, reading.variant_file)
    network, place = generator.network.eval(), next(generator.network.parameters())

    def run(z: Tensor, labels: Tensor | None) -> Tensor:
        z = z.to(place.device, place.dtype)
        output: Tensor = network(z) if labels is None else network(z, labels.to(place.device))
        return output.cpu()

    program = Program(str(path), run, generator.space.shape, generator.recipe, generator.classes, pads=False, clamps=True)
    known = registry.entries("datasets").get(generator.dataset_name.partition(":")[0])
    usual = known.facts.get("samples", GENERATED) if known else GENERATED
    count = usual if reading.count is None else reading.count
    return Samples(
        f"{generator.variant_name}:{path.name}",
        count,
        generator.space.shape,
        program.samples(count, reading.seed),
        fingerprint=fingerprint(generator.hash, program, count, reading.seed, reading.device),
        labels=program.labels(count),
        dataset_name=generator.dataset_name,
        notes=(f"drawn by seed {reading.seed} from the checkpoint with sha256 {generator.hash}",),
        paths=program.paths,
    )
