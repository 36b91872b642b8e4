"""MGAN: several generators, and a classifier that tells whose a sample is. Hoang et al. 2018, arXiv:1708.02556.

The generators share all but the first layer, the classifier all but the last with D. D has the loss of `nsgan` on the mixture; the
classifier the cross-entropy of whose a fake is, which the generators minimise too, weighed by beta, so that they part.

Departs from it: 8 generators and beta = 0.125 on all data, as on its toy; the non-saturating loss; one extra latent coordinate
chooses the generator; the averaged generators are the ones scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import losses
from ganbench.adversarial import d_phase, g_phase
from ganbench.nets import build, many
from ganbench.variant import Batch, Networks, Recipe, Space, Variant

if TYPE_CHECKING:
    from torch import Tensor, nn

GENERATORS = 8
BETA = 0.125


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The generators as one, and D with the classifier: (B, 1 + GENERATORS) logits, D's first."""
    of_one = many.recipe_of_one(recipe)
    mixture = many.ManyGenerators([build.generator(space, of_one) for _ in range(GENERATORS)], own_first=True)
    return {"generator": mixture, "discriminator": build.encoder(space, recipe, 1 + GENERATORS)}


def whose(logits: Tensor, choice: Tensor) -> Tensor:
    """-E[log C_k(G_k(z))]: log K for a classifier that cannot tell; logits and one-hot choices are (B, K)."""
    return -(logits.log_softmax(dim=1) * choice).sum(dim=1).mean()


def d_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """D's and the classifier's losses, added."""
    choice = many.in_turn(batch.z, GENERATORS)
    real, fake = networks.discriminator(batch.real), networks.discriminator(networks.generator(batch.z, choice))
    told = whose(fake[:, 1:], choice)
    return losses.minimax_d(real[:, 0], fake[:, 0]) + told, {"whose": told.detach()}


def g_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """The generators' loss: to be taken for real, and to be told from one another."""
    choice = many.in_turn(batch.z, GENERATORS)
    fake = networks.discriminator(networks.generator(batch.z, choice))
    told = whose(fake[:, 1:], choice)
    return losses.non_saturating_g(fake[:, 0]) + BETA * told, {"whose": told.detach()}


VARIANT = Variant(
    name="mgan",
    family="mode-collapse",
    paper="Hoang et al. 2018, arXiv:1708.02556",
    networks=networks,
    phases=(d_phase(d_objective), g_phase(g_objective)),
    recipe=Recipe(lr=2e-4, betas=(0.5, 0.999), latent_size=101, ema_decay=0.999),
    points=Recipe(lr=2e-3, betas=(0.0, 0.9), latent_size=3, ema_decay=0.995),
    supports=build.supports,
    latent_law="normal",
)
