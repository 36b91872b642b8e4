"""The networks that a recipe names, for a space: an architecture is a pair of builders for points and one for images.

Where no normalisation is named, images get batch norm, and points none: on a ring of modes it slowed learning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from torch import nn

from ganbench.errors import UsageError, unknown_name
from ganbench.nets import dcgan, mlp, norms, pacgan_toy, resnet
from ganbench.nets.pack import Packed

if TYPE_CHECKING:
    from ganbench.variant import Recipe, Space

GeneratorBuilder = Callable[["tuple[int, ...]", int, norms.Norm | None], nn.Module]  # shape, latent_size, norm
TrunkBuilder = Callable[["tuple[int, ...]", int, norms.Norm | None, int], nn.Module]  # shape, outputs, norm, pack

Builder = TypeVar("Builder")


@dataclass(frozen=True)
class Architecture:
    """How networks are built. A builder that is None stands for a kind of data that the architecture is not for."""

    points_generator: GeneratorBuilder | None = None
    points_trunk: TrunkBuilder | None = None
    image_generator: GeneratorBuilder | None = None
    image_trunk: TrunkBuilder | None = None


def _mlp_generator(shape: tuple[int, ...], latent_size: int, norm: norms.Norm | None) -> nn.Module:
    return mlp.generator(latent_size, shape[0], norm or norms.none)


def _mlp_trunk(shape: tuple[int, ...], outputs: int, norm: norms.Norm | None, pack: int) -> nn.Module:
    return mlp.discriminator(pack * shape[0], norm or norms.none, outputs)


def _dcgan_generator(shape: tuple[int, ...], latent_size: int, norm: norms.Norm | None) -> nn.Module:
    return dcgan.generator(shape, latent_size, norm or norms.batch)


def _dcgan_trunk(shape: tuple[int, ...], outputs: int, norm: norms.Norm | None, pack: int) -> nn.Module:
    return dcgan.discriminator(shape, norm or norms.batch, outputs, pack)


def _half_trunk(shape: tuple[int, ...], outputs: int, norm: norms.Norm | None, pack: int) -> nn.Module:
    # Metz et al. 2017, arXiv:1611.02163, 3.3.1: where D has half or a quarter of the maps, GANs lose modes of stacked digits.
    return dcgan.discriminator(shape, norm or norms.batch, outputs, pack, share=2)


def _quarter_trunk(shape: tuple[int, ...], outputs: int, norm: norms.Norm | None, pack: int) -> nn.Module:
    return dcgan.discriminator(shape, norm or norms.batch, outputs, pack, share=4)


def _narrow_generator(shape: tuple[int, ...], latent_size: int, norm: norms.Norm | None) -> nn.Module:
    # Beside a trunk of a quarter of the maps, a sixteenth of the work, so that a CPU trains images of 28 pixels.
    return dcgan.generator(shape, latent_size, norm or norms.batch, share=4)


def _resnet_generator(shape: tuple[int, ...], latent_size: int, norm: norms.Norm | None) -> nn.Module:
    # Its batch norm stands before the rectifiers; a norm that is named wraps the layers instead.
    if norm is None:
        return resnet.Generator(shape, latent_size, nn.BatchNorm2d)
    return resnet.Generator(shape, latent_size, lambda channels: nn.Identity(), norm)


def _resnet_trunk(shape: tuple[int, ...], outputs: int, norm: norms.Norm | None, pack: int) -> nn.Module:
    return resnet.Trunk(shape, norm or norms.none, outputs, pack)


ARCHITECTURES = {
    "default": Architecture(_mlp_generator, _mlp_trunk, _dcgan_generator, _dcgan_trunk),
    "pacgan-toy": Architecture(pacgan_toy.generator, pacgan_toy.trunk),
    "mlp": Architecture(points_generator=_mlp_generator, points_trunk=_mlp_trunk),
    "dcgan": Architecture(image_generator=_dcgan_generator, image_trunk=_dcgan_trunk),
    "dcgan-half": Architecture(image_generator=_dcgan_generator, image_trunk=_half_trunk),
    "dcgan-quarter": Architecture(image_generator=_dcgan_generator, image_trunk=_quarter_trunk),
    "dcgan-narrow": Architecture(image_generator=_narrow_generator, image_trunk=_quarter_trunk),
    "resnet": Architecture(image_generator=_resnet_generator, image_trunk=_resnet_trunk),
}


def supports(space: Space) -> str | None:
    """None where there are networks for the space, else one sentence that says why there are none."""
    return None if space.is_points else dcgan.supports(space.shape)


def networks(space: Space, recipe: Recipe, norm: norms.Norm | None = None) -> dict[str, nn.Module]:
    """The recipe's generator, and its discriminator with the given normalisation. Raises as `generator`."""
    return {"generator": generator(space, recipe), "discriminator": discriminator(space, recipe, norm)}


def generator(space: Space, recipe: Recipe, norm: norms.Norm | None = None, extra_latent: int = 0) -> nn.Module:
    """z (B, latent_size) -> points (B, D) of any range, or images (B, C, H, W) in [-1, 1].

    `extra_latent` numbers, such as a class's description, may stand behind z.
    Raises UsageError for an architecture that is not known or not for such data.
    """
    known = _architecture(recipe)
    builder = known.points_generator if space.is_points else known.image_generator
    return _present(builder, space, recipe)(space.shape, recipe.latent_size + extra_latent, norm)


def decoder(space: Space, recipe: Recipe, inputs: int, norm: norms.Norm | None = None) -> nn.Module:
    """Codes (B, inputs) -> samples, by the layers of the generator. Raises as `generator`."""
    return generator(space, replace(recipe, latent_size=inputs), norm)


def discriminator(space: Space, recipe: Recipe, norm: norms.Norm | None = None, pack: int = 1) -> nn.Module:
    """Samples (B, *shape) -> logits (B,), or (B / pack,) where it judges `pack` samples together. Raises as `generator`."""
    logits = nn.Sequential(_trunk(space, recipe, 1, norm, pack), nn.Flatten(0))
    return Packed(logits, pack) if pack > 1 else logits


def encoder(space: Space, recipe: Recipe, outputs: int, norm: norms.Norm | None = None) -> nn.Module:
    """Samples (B, *shape) -> (B, outputs), by the layers of the discriminator. Raises as `generator`."""
    return _trunk(space, recipe, outputs, norm, pack=1)


def _trunk(space: Space, recipe: Recipe, outputs: int, norm: norms.Norm | None, pack: int) -> nn.Module:
    known = _architecture(recipe)
    builder = known.points_trunk if space.is_points else known.image_trunk
    return _present(builder, space, recipe)(space.shape, outputs, norm, pack)


def _architecture(recipe: Recipe) -> Architecture:
    if recipe.architecture not in ARCHITECTURES:
        raise unknown_name("architecture", recipe.architecture, list(ARCHITECTURES))
    return ARCHITECTURES[recipe.architecture]


def _present(builder: Builder | None, space: Space, recipe: Recipe) -> Builder:
    if builder is None:
        kind = "points" if space.is_points else "images"
        raise UsageError(f"The architecture {recipe.architecture} has no networks for {kind}; choose another one.")
    return builder
