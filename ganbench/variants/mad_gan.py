"""MAD-GAN: several generators, and a discriminator that must say whose a fake is. Ghosh et al. 2018, arXiv:1704.02906.

D has K + 1 outputs in one softmax: which of K generators, or real. To tell the generators apart it pushes them to different
modes. They share all but the last layer.

Departs from it: 4 generators on all data; a generator maximises the log of D's "real" where it minimises log(1 - D's "real"),
which saturates; one extra latent coordinate chooses the generator; the averaged generators are the ones scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench.adversarial import d_phase, g_phase
from ganbench.nets import build, many
from ganbench.variant import Batch, Networks, Recipe, Space, Variant

if TYPE_CHECKING:
    from torch import Tensor, nn

GENERATORS = 4


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """Generators that share their first layers, and a discriminator to (B, GENERATORS + 1) logits, the last that of "real"."""
    of_one = many.recipe_of_one(recipe)
    generators = [build.generator(space, of_one) for _ in range(GENERATORS)]
    return {
        "discriminator": build.encoder(space, recipe, GENERATORS + 1),
        "generator": many.ManyGenerators(generators, own_first=False),
    }


def says(networks: Networks, x: Tensor) -> Tensor:
    """D's log probabilities (B, GENERATORS + 1) of where x is from."""
    return networks.discriminator(x).log_softmax(dim=1)


def d_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """-E[log D_real(x)] - sum over the generators of E[log D_k(G_k(z))]."""
    choice = many.in_turn(batch.z, GENERATORS)
    fake = networks.generator(batch.z, choice)
    real = -says(networks, batch.real)[:, -1].mean()
    named = -GENERATORS * (says(networks, fake)[:, :-1] * choice).sum(dim=1).mean()
    return real + named, {"real": real.detach(), "named": named.detach()}


def g_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """-E[log D_real(G_k(z))], the mean over the generators."""
    loss = -says(networks, networks.generator(batch.z, many.in_turn(batch.z, GENERATORS)))[:, -1].mean()
    return loss, {"as_real": loss.detach()}


VARIANT = Variant(
    name="mad-gan",
    family="mode-collapse",
    paper="Ghosh et al. 2018, arXiv:1704.02906",
    networks=networks,
    phases=(d_phase(d_objective), g_phase(g_objective)),
    recipe=Recipe(lr=2e-4, betas=(0.5, 0.999), latent_size=101, ema_decay=0.999),
    points=Recipe(lr=2e-3, betas=(0.0, 0.9), latent_size=3, ema_decay=0.995),
    supports=build.supports,
    latent_law="normal",
)
