"""DiffAugment: D sees real and generated images through the same kinds of change. Zhao et al. 2020, arXiv:2006.10738.

The policy is the paper's color, translation and cutout with the strengths of its code, drawn anew for every sample. It augments
real and fake images in D's loss, and fake ones in G's, whose gradient passes through it. Hinge loss and spectral norm are those of
the BigGAN that the paper trains.

Departs from it: DCGAN's layers, Adam as in DCGAN, and the averaged generator is the one scored. Points have no colours: they are
jittered, at most a tenth along each axis.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ganbench import augment, games
from ganbench.adversarial import adversarial
from ganbench.nets import build, norms
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Noise, Recipe, Space

if TYPE_CHECKING:
    from torch import Tensor


def draws(space: Space, recipe: Recipe) -> tuple[int, ...]:
    """The shape of the uniform noise that `augmented` reads for one sample."""
    return space.shape if space.is_points else (7,)


def augmented(x: Tensor, uniform: Tensor) -> Tensor:
    """Samples (B, ...) changed by uniform noise: color, then translation, then cutout, in the order of the paper's code."""
    if x.ndim == 2:
        return augment.shifted(x, uniform)
    x = augment.brightness(x, uniform[:, 0] - 0.5)
    x = augment.saturation(x, 2 * uniform[:, 1])
    x = augment.contrast(x, uniform[:, 2] + 0.5)
    x = augment.shifted(x, uniform[:, 3:5])
    height, width = x.shape[2] // 2, x.shape[3] // 2
    # The box's middle is anywhere in the image, so that half of the box may lie outside; an even box has one more place.
    row = augment.integers(uniform[:, 5], 0, x.shape[2] - height % 2) - height // 2
    column = augment.integers(uniform[:, 6], 0, x.shape[3] - width % 2) - width // 2
    return augment.cut_out(x, row, column, height, width)


def see(batch: Batch) -> Batch:
    """The batch as D sees it, in both phases."""
    assert batch.fake is not None  # it is drawn before it is shown
    return replace(batch, real=augmented(batch.real, batch.noise["real"]), fake=augmented(batch.fake, batch.noise["fake"]))


NOISE = {"real": Noise(draws), "fake": Noise(draws)}
VARIANT = adversarial(
    name="diffaugment",
    family="few-data",
    paper="Zhao et al. 2020, arXiv:2006.10738",
    networks=partial(build.networks, norm=norms.spectral),
    d_loss=games.hinge_d,
    g_loss=games.minus_output_g,
    d_noise=NOISE,
    g_noise=NOISE,
    see=see,
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
