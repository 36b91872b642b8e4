"""BigGAN: shared class embedding, latent in parts, orthogonal regularisation. Brock et al. 2019, arXiv:1809.11096, section 3.

The generator's first layer and each of its blocks have a part of z; a block's gains and biases are linear in its part and the
embedding that all share. Departs from the paper: far fewer feature maps and a batch of 64, one discriminator step where it has
two, attention at half the image's resolution and none for images of 8 pixels, G's last batch norm has the last block's condition,
no truncation, parts of z of `PART` numbers, and Glorot's initial weights where it has orthogonal ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ganbench import losses
from ganbench.adversarial import d_phase, g_phase, played
from ganbench.nets import norms, resnet
from ganbench.nets.class_norm import ClassConditionalBatchNorm
from ganbench.variant import Batch, Network, Networks, Recipe, Space, Variant

if TYPE_CHECKING:
    from torch import Tensor

PART = 20  # numbers of z a block, as for 128 pixels in the paper's appendix B
EMBEDDING = 32  # size of the shared embedding; our own, the paper has 128
BETA = 1e-4  # weight of the regularisation, section 3.1


def latent_size(space: Space, recipe: Recipe) -> int:
    """A part for the first layer and one for each block."""
    return PART * len(resnet.resolutions(space.shape))


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """Residual networks with spectral norm, both given labels."""
    classes = space.classes or 1

    def normalise(channels: int) -> nn.Module:
        gain, bias = (resnet.started(nn.Linear(EMBEDDING + PART, channels, bias=False)) for _ in range(2))
        return ClassConditionalBatchNorm(channels, norms.spectral(gain, True), norms.spectral(bias, True))

    embed = nn.Embedding(classes, EMBEDDING)
    return {
        "generator": resnet.Generator(space.shape, PART, normalise, norms.spectral, attend=True, embed=embed),
        "discriminator": resnet.Trunk(space.shape, norms.spectral, attend=True, classes=classes),
    }


def orthogonal(parameters: dict[str, Tensor]) -> Tensor:
    """Equation 3: the sum over weights of ||W^T W less its diagonal||_F^2, (). Embeddings are left out, as in the authors' code.

    A row of W here is a filter, whose products with the others are what is punished.
    """
    total = torch.zeros(())
    for name, weight in parameters.items():
        if weight.ndim > 1 and not name.startswith("embed."):
            matrix = weight.flatten(1)
            gram = matrix @ matrix.mT
            total = total + (gram * (1 - torch.eye(len(gram), dtype=gram.dtype, device=gram.device))).square().sum()
    return total


def d_loss(D: Network, batch: Batch) -> Tensor:
    """The hinge loss of D."""
    return losses.hinge_d(D(batch.real, batch.labels), D(batch.fake, batch.labels))


def g_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """-E[D(G(z, y), y)] and BETA times the orthogonal regularisation."""
    loss, watched = played(lambda D, seen: losses.wasserstein_g(D(seen.fake, seen.labels)), True)(networks, batch)
    generator: Any = networks.generator
    penalty = orthogonal(generator.parameters)
    return loss + BETA * penalty, {**watched, "orthogonal": penalty.detach()}


VARIANT = Variant(
    name="biggan",
    family="architecture",
    paper="Brock et al. 2019, arXiv:1809.11096",
    networks=networks,
    phases=(d_phase(played(d_loss, True)), g_phase(g_objective)),
    recipe=Recipe(lr=5e-5, d_lr=2e-4, betas=(0.0, 0.999), ema_decay=0.9999),
    supports=lambda space: resnet.supports(space.shape),
    conditional=True,
    latent_size=latent_size,
)
