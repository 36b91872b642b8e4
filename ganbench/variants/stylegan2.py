"""StyleGAN2: styles modulate convolutions; R1 and path length regularise lazily. Karras et al. 2020, arXiv:1912.04958.

The non-saturating loss, with R1 on D in every 16th step (section 3.1) and path length regularisation (section 3.2, equation 4) on
G in every 4th (the authors' code), their weights multiplied by 16 and 4 and all steps shrunk by 16/17 and 4/5 (appendix B, which
has the weight of the path length too). Behind the style's 64 numbers the latent holds the noise maps (`latent_size` counts both),
so that an image is a function of z. R1 is the slope of the sum of the logits, as in the code, although the minibatch standard
deviation ties the samples together.

Departs from it: small networks (`nets.style` says how); no style mixing; R1's weight by the heuristic of StyleGAN2-ADA's code
(Karras et al. 2020, arXiv:2006.06676), since the paper's is for large images; the slope in the one w of all layers, as in
equation 4, where the code takes each layer's own. Each phase has its own Adam, with the betas as they are, which would not see
how a penalty alone is weighted: the lazy phases descend the loss and the penalty together. The averaged generator is the one
scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganbench import games, losses, path_length, penalties
from ganbench.adversarial import played
from ganbench.nets import style
from ganbench.variant import (
    Batch,
    Network,
    Networks,
    Noise,
    Phase,
    Recipe,
    Space,
    Variant,
    discriminator_lr,
    per_element,
    recipe_lr,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

R1_EVERY = 16  # section 3.1
PATH_EVERY = 4  # the authors' code, G_reg_interval
PATH_NOISE = {"path": Noise(per_element, "normal")}  # y of equation 4


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
        "path_mean": path_length.RunningMean(),
    }


def r1_weight(real: Tensor) -> float:
    """gamma for a batch (B, C, H, W): 0.0002 pixels / B, by the heuristic of StyleGAN2-ADA's code."""
    return 0.0002 * real.shape[-1] * real.shape[-2] / len(real)


def d_loss_with_r1(D: Network, batch: Batch) -> Tensor:
    """D's loss plus gamma / 2 times R1, multiplied by how seldom it comes."""
    return games.minimax_d(D, batch) + R1_EVERY * r1_weight(batch.real) * penalties.zero_centred(D, batch.real)


def g_loss_with_path_length(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """G's loss plus equation 4, multiplied by how seldom it comes."""
    w_size = batch.z.shape[1] - style.noise_pixels(tuple(batch.real.shape[1:]))
    fake, lengths = path_length.lengths(networks.generator, batch.z, w_size, batch.noise["path"])
    mean = networks.path_mean(lengths.detach().mean())
    penalty = (lengths - mean).square().mean()
    loss = losses.non_saturating_g(networks.discriminator(fake)) + PATH_EVERY * path_length.weight(fake) * penalty
    return loss, {"path_length": lengths.detach().mean(), "penalty": penalty.detach()}


def shrunk(lr: Callable[[Recipe], float], every: int) -> Callable[[Recipe], float]:
    """A step size for a network that takes a step more in every `every`-th: every / (every + 1) of it, appendix B."""
    return lambda recipe: lr(recipe) * every / (every + 1)


D_LR, G_LR = shrunk(discriminator_lr, R1_EVERY), shrunk(recipe_lr, PATH_EVERY)

VARIANT = Variant(
    name="stylegan2",
    family="architecture",
    paper="Karras et al. 2020, arXiv:1912.04958",
    networks=networks,
    phases=(
        Phase("d", ("discriminator",), played(games.minimax_d), lr=D_LR),
        Phase("r1", ("discriminator",), played(d_loss_with_r1), lr=D_LR, every=R1_EVERY),
        Phase("g", ("generator",), played(games.non_saturating_g), lr=G_LR),
        Phase("path", ("generator",), g_loss_with_path_length, lr=G_LR, noise=PATH_NOISE, every=PATH_EVERY),
    ),
    recipe=Recipe(lr=2e-3, betas=(0.0, 0.99), latent_size=64, ema_decay=0.999),
    supports=supports,
    latent_size=latent_size,
)
