"""cGAN-PD: the class enters D as an inner product with its features. Miyato & Koyama 2018, arXiv:1802.05637, equation 3.

Residual networks, with class-conditional batch norm in G and spectral norm in D, and the hinge loss, as in its section 4.

Departs from it: far fewer feature maps, a batch of 64 for both networks, a constant step size, and G's last batch norm is given
the class too; the averaged generator is the one scored. For points: the default layers, an embedding of the class joined to z in
place of the batch norm, the embedding in D without spectral norm, and one step of D.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.adversarial import adversarial
from ganbench.nets import build, conditional, norms, resnet
from ganbench.nets.class_norm import by_label
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Network, Recipe, Space

if TYPE_CHECKING:
    from torch import Tensor, nn


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """A generator that is given the class, and a discriminator that projects on it."""
    classes = conditional.classes_of(space)
    if space.is_points:
        trunk = build.encoder(space, recipe, conditional.FEATURES, norms.spectral)
        judge = conditional.ProjectionDiscriminator(trunk, conditional.FEATURES, classes, norms.spectral)
        return {"generator": conditional.generator(space, recipe), "discriminator": judge}
    generator = resnet.Generator(space.shape, recipe.latent_size, partial(by_label, classes=classes))
    return {"generator": generator, "discriminator": resnet.Trunk(space.shape, norms.spectral, classes=classes)}


def supports(space: Space) -> str | None:
    """Points, and images that have residual networks."""
    return None if space.is_points else resnet.supports(space.shape)


def d_loss(D: Network, batch: Batch) -> Tensor:
    """The hinge loss of samples with their classes."""
    return losses.hinge_d(D(batch.real, batch.labels), D(batch.fake, batch.labels))


def g_loss(D: Network, batch: Batch) -> Tensor:
    """Minus D's output for samples with the classes that were asked for."""
    return losses.hinge_g(D(batch.fake, batch.labels))


VARIANT = adversarial(
    name="cgan-pd",
    family="conditional",
    paper="Miyato & Koyama 2018, arXiv:1802.05637",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=replace(IMAGE_RECIPE, betas=(0.0, 0.9), d_steps=5, latent_size=128),
    points=POINT_RECIPE,
    supports=supports,
    conditional=True,
)
