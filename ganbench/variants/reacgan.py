"""ReACGAN: features of length 1 are drawn to their class and kept from other classes' samples. Kang et al. 2021, arXiv:2111.01118.

The data-to-data cross-entropy: with s the cosine of a sample's features and its class's proxy, and s_j those with the samples j
of other classes in the batch, its term is -log(e^p / (e^p + sum_j e^(n_j))), p = min(s - M_P, 0) / T and n_j = max(s_j - M_N, 0)
/ T. D learns it on real samples and G on generated ones, beside the GAN's loss.

Departs from it: DCGAN's layers, in D with spectral norm, where it has BigGAN's, and an embedding of the class joined to z; for
points no norm in D's heads, with which one seed of five found no mode of a ring; M_N = 1 - M_P and the temperature are those of
the authors' code, without its shift of the similarities by their maximum; the averaged generator is the one scored.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganbench import losses
from ganbench.adversarial import adversarial
from ganbench.nets import build, conditional, mlp, norms
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Network, Recipe, Space

WEIGHT = 0.5  # of the cross-entropy
M_P, M_N = 0.98, 0.02
TEMPERATURE = 0.5


class Embedder(nn.Module):
    """(x (B, *shape), labels (B,)) -> (B, 2 + FEATURES): the logit, the cosine with the class's proxy, the features of length 1."""

    def __init__(self, trunk: nn.Module, classes: int, norm: norms.Norm) -> None:
        super().__init__()
        self.trunk = trunk
        self.logit = norm(nn.Linear(conditional.FEATURES, 1), False)
        self.project = norm(nn.Linear(conditional.FEATURES, conditional.FEATURES), False)
        self.proxies = nn.Embedding(classes, conditional.FEATURES)  # only their directions count, so that no norm is needed

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """The three, side by side."""
        described = nn.functional.leaky_relu(self.trunk(x), mlp.SLOPE)
        features = nn.functional.normalize(self.project(described), dim=1)
        near = (features * nn.functional.normalize(self.proxies(labels), dim=1)).sum(dim=1, keepdim=True)
        return torch.cat([self.logit(described), near, features], dim=1)


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """A generator that is given the class, and the default trunk with a head of features."""
    trunk = build.encoder(space, recipe, conditional.FEATURES, norms.spectral)
    heads = norms.none if space.is_points else norms.spectral
    generator = conditional.generator(space, recipe)
    return {"generator": generator, "discriminator": Embedder(trunk, conditional.classes_of(space), heads)}


def data_to_data(outputs: Tensor, labels: Tensor) -> Tensor:
    """The data-to-data cross-entropy of outputs (B, 2 + F): 0 or more, in nats."""
    features = outputs[:, 2:]
    pull = (outputs[:, 1] - M_P).clamp(max=0) / TEMPERATURE  # (B,)
    push = (features @ features.mT - M_N).clamp(min=0) / TEMPERATURE  # (B, B)
    others = (labels[:, None] != labels[None]).to(push.dtype)  # which also leaves out a sample's own
    return (torch.log(pull.exp() + (others * push.exp()).sum(dim=1)) - pull).mean()


def d_loss(D: Network, batch: Batch) -> Tensor:
    """The hinge loss, and the cross-entropy of real samples."""
    assert batch.labels is not None  # a conditional variant is given them
    real, fake = D(batch.real, batch.labels), D(batch.fake, batch.labels)
    return losses.hinge_d(real[:, 0], fake[:, 0]) + WEIGHT * data_to_data(real, batch.labels)


def g_loss(D: Network, batch: Batch) -> Tensor:
    """The hinge loss, and the cross-entropy of generated samples."""
    assert batch.labels is not None  # a conditional variant is given them
    fake = D(batch.fake, batch.labels)
    return losses.hinge_g(fake[:, 0]) + WEIGHT * data_to_data(fake, batch.labels)


VARIANT = adversarial(
    name="reacgan",
    family="conditional",
    paper="Kang et al. 2021, arXiv:2111.01118",
    networks=networks,
    d_loss=d_loss,
    g_loss=g_loss,
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
    conditional=True,
)
