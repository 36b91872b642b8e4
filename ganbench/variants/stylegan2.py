"""StyleGAN2: styles modulate convolutions; R1 and path length regularise lazily. Karras et al. 2020, arXiv:1912.04958.

The non-saturating loss, with R1 on D in every 16th step (section 3.1) and path length regularisation (section 3.2, equation 4) on G
in every 4th (the authors' code), their weights multiplied by 16 and 4. Behind the style's 64 numbers the latent holds the noise
maps (`latent_size` counts both), so that an image is a function of z. R1 is the slope of the sum of the logits, as in the code,
although the minibatch standard deviation ties the samples together.

Departs from it: small networks (`nets.style` says how); no style mixing; R1's weight by the heuristic of StyleGAN2-ADA's code
(Karras et al. 2020, arXiv:2006.06676), since the paper's is for large images; the slope in the one w of all layers, as in equation
4, where the code takes each layer's own. Each phase has its own Adam, which would not see how a penalty alone is weighted: the
lazy phases descend the loss and the penalty together. The averaged generator is the one scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from ganbench import games, losses, penalties
from ganbench.adversarial import played
from ganbench.nets import style
from ganbench.variant import Batch, Network, Networks, Noise, Phase, Recipe, Space, Variant, per_element

if TYPE_CHECKING:
    from torch import Tensor

R1_EVERY = 16  # section 3.1
PATH_EVERY = 4  # the authors' code, G_reg_interval
PATH_WEIGHT = 2.0  # the authors' code, pl_weight
PATH_DECAY = 0.99  # the authors' code: 1 - pl_decay
PATH_NOISE = {"path": Noise(per_element, "normal")}  # y of equation 4


class RunningMean(nn.Module):
    """The constant a of equation 4: the running mean of the lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    @torch.no_grad()
    def forward(self, length: Tensor) -> Tensor:
        """The mean (), moved by `length` ()."""
        mean = self.get_buffer("mean")
        mean.mul_(PATH_DECAY).add_((1 - PATH_DECAY) * length)
        return mean.clone()


def latent_size(space: Space, recipe: Recipe) -> int:
    """The recipe's numbers for the style, and one for each pixel of the noise maps."""
    return recipe.latent_size + (style.noise_pixels(space.shape) if supports(space) is None else 0)


def supports(space: Space) -> str | None:
    """None for images that the networks are for, else one sentence."""
    return style.supports(space.shape)


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The generator, the discriminator, and the running mean of path lengths."""
    return {
        "generator": style.generator(space.shape, recipe.latent_size),
        "discriminator": style.discriminator(space.shape),
        "path_mean": RunningMean(),
    }


def r1_weight(real: Tensor) -> float:
    """gamma for a batch (B, C, H, W): 0.0002 pixels / B, by the heuristic of StyleGAN2-ADA's code."""
    return 0.0002 * real.shape[-1] * real.shape[-2] / len(real)


def d_loss_with_r1(D: Network, batch: Batch) -> Tensor:
    """D's loss plus gamma / 2 times R1, multiplied by how seldom it comes."""
    return games.minimax_d(D, batch) + R1_EVERY * r1_weight(batch.real) * penalties.zero_centred(D, batch.real)


def path_lengths(G: Network, z: Tensor, w_size: int, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W), and |J_w^T y| (B,) of equation 4; y is `noise`, N(0, 1), divided by sqrt(H W) as in the code."""
    y = noise / (noise.shape[-1] * noise.shape[-2]) ** 0.5

    def along(shift: Tensor) -> tuple[Tensor, Tensor]:
        images = G(z, shift)
        return (images * y).sum(), images

    slope, images = torch.func.grad(along, has_aux=True)(z.new_zeros(len(z), w_size))  # (B, w_size)
    lengths: Tensor = (slope.square().sum(1) + 1e-12).sqrt()  # the root has no slope at 0
    return images, lengths


def g_loss_with_path_length(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """G's loss plus equation 4, multiplied by how seldom it comes."""
    w_size = batch.z.shape[1] - style.noise_pixels(tuple(batch.real.shape[1:]))
    fake, lengths = path_lengths(networks.generator, batch.z, w_size, batch.noise["path"])
    mean = networks.path_mean(lengths.detach().mean())
    penalty = (lengths - mean).square().mean()
    loss = losses.non_saturating_g(networks.discriminator(fake)) + PATH_EVERY * PATH_WEIGHT * penalty
    return loss, {"path_length": lengths.detach().mean(), "penalty": penalty.detach()}


VARIANT = Variant(
    name="stylegan2",
    family="architecture",
    paper="Karras et al. 2020, arXiv:1912.04958",
    networks=networks,
    phases=(
        Phase("d", ("discriminator",), played(games.minimax_d)),
        Phase("r1", ("discriminator",), played(d_loss_with_r1), every=R1_EVERY),
        Phase("g", ("generator",), played(games.non_saturating_g)),
        Phase("path", ("generator",), g_loss_with_path_length, noise=PATH_NOISE, every=PATH_EVERY),
    ),
    recipe=Recipe(lr=2e-3, betas=(0.0, 0.99), latent_size=64, ema_decay=0.999),
    supports=supports,
    latent_size=latent_size,
)
