"""ADC-GAN: a classifier that tells classes and sources together. Hou et al. 2022, arXiv:2107.10060, section 3.

The auxiliary classifier has 2 K outputs, each class as real and as generated, and learns both from their own samples. G is drawn
towards its class as real and away from the same as generated, so that, unlike in `acgan`, it gains nothing by samples that are only
easy to classify.

Departs from it: the non-saturating loss on a logit beside the classifier where it has the hinge loss; an embedding of the class
joined to z; DCGAN's layers where it has BigGAN's; lambda = 1, as in its experiments on CIFAR; the averaged generator is the one
scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.adversarial import adversarial
from ganbench.nets import build, conditional
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Network, Recipe, Space

if TYPE_CHECKING:
    from torch import Tensor, nn

LAMBDA = 1.0


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """A generator that is given the class, and a discriminator (B, 1 + 2 K): a logit, classes as real, classes as generated."""
    outputs = 1 + 2 * conditional.classes_of(space)
    return {"generator": conditional.generator(space, recipe), "discriminator": build.encoder(space, recipe, outputs)}


def as_generated(outputs: Tensor, labels: Tensor) -> Tensor:
    """The place of each class as generated, among the classifier's 2 K outputs (B, 2 K): behind the K as real."""
    return labels + outputs.shape[1] // 2


def d_loss(D: Network, batch: Batch) -> Tensor:
    """The GAN's loss, and the classifier's on real and on generated samples."""
    assert batch.labels is not None  # a conditional variant is given them
    real, fake = D(batch.real), D(batch.fake)
    on_real = conditional.classification(real[:, 1:], batch.labels)
    on_fake = conditional.classification(fake[:, 1:], as_generated(fake[:, 1:], batch.labels))
    return losses.minimax_d(real[:, 0], fake[:, 0]) + LAMBDA * (on_real + on_fake)


def g_loss(D: Network, batch: Batch) -> Tensor:
    """The GAN's loss, and log C(y as generated) - log C(y as real) of the samples."""
    assert batch.labels is not None  # a conditional variant is given them
    fake = D(batch.fake)
    towards = conditional.classification(fake[:, 1:], batch.labels)
    away = conditional.classification(fake[:, 1:], as_generated(fake[:, 1:], batch.labels))
    return losses.non_saturating_g(fake[:, 0]) + LAMBDA * (towards - away)


VARIANT = adversarial(
    name="adcgan",
    family="conditional",
    paper="Hou et al. 2022, arXiv:2107.10060",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
    conditional=True,
)
