"""WGAN: a critic kept Lipschitz by clipping its weights. Arjovsky et al. 2017, arXiv:1701.07875, equation 3, algorithm 1.

Departs from it: the averaged generator is the one scored. For points also: a latent of 2, a larger step, two critic steps where it
has five, and weights clipped at 0.1, since at 0.01 four narrow layers leave the critic nearly flat (the vanishing gradients of its
section 3) and modes were missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ganbench import games
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.variant import Recipe

if TYPE_CHECKING:
    from torch import Tensor

CLIP = 0.01  # algorithm 1
POINTS_CLIP = 0.1


def clip(parameters: Mapping[str, Tensor]) -> None:
    """Algorithm 1, line 7: every parameter of the stacked critics to [-CLIP, CLIP], in place; POINTS_CLIP where none convolves."""
    convolves = any(value.ndim == 5 for value in parameters.values())  # seeds, out, in, height, width
    bound = CLIP if convolves else POINTS_CLIP
    for value in parameters.values():
        value.clamp_(-bound, bound)


VARIANT = adversarial(
    name="wgan",
    family="loss",
    paper="Arjovsky et al. 2017, arXiv:1701.07875",
    networks=build.networks,
    d_loss=games.wasserstein_d,
    g_loss=games.minus_output_g,
    recipe=Recipe(lr=5e-5, optimizer="rmsprop", betas=(0.0, 0.99), d_steps=5, ema_decay=0.999),
    points=Recipe(lr=2e-3, optimizer="rmsprop", betas=(0.0, 0.99), d_steps=2, latent_size=2, ema_decay=0.995),
    d_constrain=clip,
    supports=build.supports,
)
