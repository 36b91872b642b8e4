"""Networks that take class labels (B,) int64: by joining them to what a network reads, or by a projection of its features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ganbench.nets import build, mlp, norms

if TYPE_CHECKING:
    from ganbench.variant import Recipe, Space

EMBEDDED = 16  # numbers that a class is described by
FEATURES = 64  # of a sample, that its class is compared with


def classes_of(space: Space) -> int:
    """How many classes the space has; a conditional variant is never built for one that has none."""
    assert space.classes is not None
    return space.classes


class LabelledGenerator(nn.Module):
    """(z (B, latent_size), labels (B,)) -> samples (B, *shape): an embedding of the class is joined to z."""

    def __init__(self, net: nn.Module, classes: int) -> None:
        super().__init__()
        self.net = net
        self.embedding = nn.Embedding(classes, EMBEDDED)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """The samples."""
        samples: Tensor = self.net(torch.cat([z, self.embedding(labels)], dim=1))
        return samples


class LabelledDiscriminator(nn.Module):
    """(x (B, *shape), labels (B,)) -> logits (B,): an embedding of the class is joined to the features of x."""

    def __init__(self, trunk: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.embedding = nn.Embedding(classes, EMBEDDED)
        self.head = mlp.discriminator(features + EMBEDDED, norms.none)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Logits (B,)."""
        logits: Tensor = self.head(torch.cat([self.trunk(x), self.embedding(labels)], dim=1))  # (B, 1)
        return logits[:, 0]


class ProjectionDiscriminator(nn.Module):
    """(x (B, *shape), labels (B,)) -> logits (B,): psi(phi(x)) + v_y . phi(x), with phi the trunk's features.

    Miyato & Koyama 2018, arXiv:1802.05637, equation 3: psi is linear, and v_y a row of an embedding of the classes.
    """

    def __init__(self, trunk: nn.Module, features: int, classes: int, norm: norms.Norm = norms.none) -> None:
        super().__init__()
        self.trunk = trunk
        self.linear = norm(nn.Linear(features, 1), False)
        self.embedding = nn.Embedding(classes, features)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Logits (B,)."""
        features = nn.functional.relu(self.trunk(x))  # (B, F)
        logits: Tensor = self.linear(features)[:, 0] + (self.embedding(labels) * features).sum(dim=1)
        return logits


def generator(space: Space, recipe: Recipe) -> LabelledGenerator:
    """The default generator of a latent that the class is joined to."""
    wide = build.generator(space, recipe, extra_latent=EMBEDDED)
    return LabelledGenerator(wide, classes_of(space))


def discriminator(space: Space, recipe: Recipe) -> LabelledDiscriminator:
    """Points are joined with their class before the first layer, images after the default trunk."""
    if space.is_points:
        return LabelledDiscriminator(nn.Identity(), space.shape[0], classes_of(space))
    trunk = nn.Sequential(build.encoder(space, recipe, FEATURES), nn.LeakyReLU(mlp.SLOPE))
    return LabelledDiscriminator(trunk, FEATURES, classes_of(space))


def classification(logits: Tensor, labels: Tensor) -> Tensor:
    """-E[log p(y | x)] in nats, for logits (B, K) of a softmax: 0 where its own class is sure, log K where all are alike."""
    return -logits.log_softmax(dim=1).gather(1, labels[:, None]).mean()
