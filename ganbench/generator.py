"""A trained generator: samples out of it, and the checkpoint that it travels in.

A checkpoint is `seed-0.safetensors` (weights, no code) with `seed-0.json` beside it (what to build and the weights' sha256).
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from ganbench.errors import InvalidInputError, MissingDataError, UsageError
from ganbench.execution import arithmetic
from ganbench.files import digest, write_atomically
from ganbench.record import SAMPLING_BATCH
from ganbench.registry import find
from ganbench.rng import seeded_globally, stream
from ganbench.variant import Recipe, Space, Variant

FORMAT = 1


class NotFiniteError(InvalidInputError):
    """A generator's samples are NaN or infinite: it diverged."""


def to_uint8(images: Tensor) -> Tensor:
    """[-1, 1] to 0..255: `127.5 x + 128`, clamped, floored (the rule of StyleGAN3). Same shape, uint8. Fixed bounds, once."""
    return (images * 127.5 + 128).clamp(0, 255).to(torch.uint8)


def scaled(items: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 images 0..255 to [-1, 1] by `x / 127.5 - 1`; points as they are. Same shape, in `dtype`."""
    return items.to(dtype).div_(127.5).sub_(1) if items.dtype == torch.uint8 else items.to(dtype)


def quantisation_of(are_images: bool) -> str:
    """How items came to be what they are, for the protocol: one rule for all images, so that stored and generated ones compare."""
    return "uint8: stored as they are, generated floor(127.5 x + 128)" if are_images else "none"


def draw_latents(count: int, recipe: Recipe, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Tensor:
    """`count` latents of the recipe's law: (count, latent_size), on the generator's device."""
    z = torch.empty(count, recipe.latent_size, dtype=dtype, device=generator.device)
    return z.normal_(generator=generator) if recipe.latent_law == "normal" else z.uniform_(-1, 1, generator=generator)


def draw_labels(count: int, classes: int) -> Tensor:
    """The class labels (count,) int64 that a conditional generator is asked for: the classes in turn, as many of each as can be."""
    return torch.arange(count) % classes


@torch.no_grad()
def draw_samples(
    network: nn.Module,
    space: Space,
    recipe: Recipe,
    count: int,
    seed: int,
    purpose: str = "sample",
    given: Tensor | None = None,
) -> Tensor:
    """`count` samples of a generator in evaluation mode: (count, C, H, W) uint8, or (count, D) float32 for points, on the CPU.

    The latents come from the stream `(seed, purpose)`, drawn on the CPU, whatever the network's device. A conditional
    generator gets `given` labels (count,), those of `draw_labels`; a translator `given` images (count, C, H, W) uint8.
    """
    network.eval()
    place = next(network.parameters())
    latents = draw_latents(count, recipe, stream(seed, purpose))
    batches = []
    for start in range(0, count, SAMPLING_BATCH):
        inputs = [latents[start : start + SAMPLING_BATCH].to(place.device, place.dtype)]
        if given is not None:
            inputs.append(condition(given[start : start + SAMPLING_BATCH].to(place.device), place.dtype))
        with arithmetic(tf32=False):  # whatever another thread trains in; batch by batch, so that its steps come between
            batches.append(network(*inputs))
    samples = torch.cat(batches).float()
    if not samples.isfinite().all():
        raise NotFiniteError("The generator gives NaN or infinite samples; it diverged, train it with other settings.")
    if samples.shape != (count, *space.shape):
        shape = tuple(samples.shape[1:])
        raise InvalidInputError(f"The generator gives samples of shape {shape}, not {space.shape}; mend its networks.")
    return (samples if space.is_points else to_uint8(samples)).cpu()


def condition(given: Tensor, dtype: torch.dtype) -> Tensor:
    """What a generator takes beside z: class labels (B,) as they are, images (B, C, H, W) uint8 scaled to [-1, 1] in `dtype`."""
    return given if given.ndim == 1 else scaled(given, dtype)


@dataclass(frozen=True)
class TrainedGenerator:
    """A generator with its weights. `hash` is the sha256 of the weights' file; `dataset_name` is what it was trained on."""

    network: nn.Module
    variant_name: str
    dataset_name: str
    space: Space
    recipe: Recipe
    hash: str
    conditional: bool = False

    @property
    def classes(self) -> int | None:
        """How many classes a conditional generator takes; None for another."""
        return self.space.classes if self.conditional else None

    def sample(self, count: int, seed: int) -> Tensor:
        """`count` samples: (count, C, H, W) uint8, or (count, D) float32 for points, from the latent stream of `seed`."""
        labels = None if self.classes is None else draw_labels(count, self.classes)
        return draw_samples(self.network, self.space, self.recipe, count, seed, given=labels)


def build_generator(variant: Variant, space: Space, recipe: Recipe, state: dict[str, Tensor], device: str = "cpu") -> nn.Module:
    """The generator with the given weights, in float32 and evaluation mode. Raises InvalidInputError when they do not fit."""
    with seeded_globally(0):  # the weights that it starts with are replaced
        network = variant.networks(space, recipe)["generator"]
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        first = " ".join(str(error).split("\n\t")[1:2]) or str(error)
        sentence = f"The weights do not fit the generator of {variant.name}: {first.rstrip('.')}; train it again."
        raise InvalidInputError(sentence) from None
    return network.float().to(device).eval()


def save_generator(path: Path, state: dict[str, Tensor], facts: dict[str, Any], space: Space, recipe: Recipe) -> str:
    """Write `path` (.safetensors) and its .json; returns the weights' sha256. `facts`: variant, dataset, seed, step."""
    content = save_tensors({key: value.contiguous() for key, value in state.items()})
    described = {
        "format": FORMAT,
        **facts,
        "space": dataclasses.asdict(space),
        "recipe": dataclasses.asdict(recipe),
        "sha256": digest(content),
    }
    write_atomically(path, content)
    write_atomically(path.with_suffix(".json"), json.dumps(described, indent=1) + "\n")
    return str(described["sha256"])


def load_generator(path: Path, device: str = "cpu", variant_file: Path | None = None) -> TrainedGenerator:
    """Read a checkpoint, given as its .safetensors or its .json.

    A checkpoint of a variant outside the package names a Python file; it is run only when the user passes it as `variant_file`.
    Raises MissingDataError or InvalidInputError that names the file when it is missing, cut short or altered.
    """
    weights, described = path.with_suffix(".safetensors"), path.with_suffix(".json")
    for file in (weights, described):
        if not file.is_file():
            raise MissingDataError(f"There is no {file}; a checkpoint is a .safetensors file with its .json beside it.")
    try:
        facts = json.loads(described.read_text(encoding="utf-8"))
        if facts["format"] > FORMAT:
            raise InvalidInputError(f"{described} has format {facts['format']}, newer than {FORMAT}; upgrade ganbench.")
        space = Space(tuple(facts["space"]["shape"]), facts["space"]["classes"])
        if inputs := facts["space"].get("inputs"):
            space = dataclasses.replace(space, inputs=tuple(inputs))
        if len(space.shape) not in (1, 3) or not all(isinstance(side, int) and side > 0 for side in space.shape):
            raise ValueError(f"its samples have the shape {space.shape}")
        recipe = Recipe(**{**facts["recipe"], "betas": tuple(facts["recipe"]["betas"])})
        reference, dataset_name, expected = facts["variant"], facts["dataset"], facts["sha256"]
        if not (isinstance(reference, str) and isinstance(dataset_name, str)):
            raise TypeError("its variant and dataset are not names")
    except (OSError, ValueError, KeyError, TypeError, RecursionError, UsageError) as error:
        raise InvalidInputError(f"{described} does not describe a checkpoint ({error}); copy both of its files again.") from None
    content = weights.read_bytes()
    if digest(content) != expected:
        raise InvalidInputError(f"{weights} is not what {described.name} describes: it was cut short or altered; copy it again.")
    if reference.endswith(".py") and variant_file is None:
        raise UsageError(f"{described} needs the variant file {reference}; pass it with --variant-file if you trust it.")
    if variant_file is not None and variant_file.suffix != ".py":
        raise UsageError(f"--variant-file {variant_file} is not a Python file; give the path of the .py that defines the variant.")
    entry = find("variants", str(variant_file or reference))
    variant = entry.load()
    if not isinstance(variant, Variant):
        raise InvalidInputError(
            f"{described} names {entry.name}, which is no variant that has a generator; copy both of its files again."
        )
    try:
        state = load_tensors(content)
    except SafetensorError as error:
        raise InvalidInputError(f"{weights} holds no weights that can be read ({error}); copy it again.") from None
    if variant.translates:
        raise UsageError(f"{weights} makes images from images, and a checkpoint holds none; score it by `ganbench run`.")
    network = build_generator(variant, space, recipe, state, device)
    return TrainedGenerator(network, entry.name, dataset_name, space, recipe, expected, variant.conditional)
