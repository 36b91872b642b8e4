"""Instance noise: D sees real and generated samples through the same noise, which fades. Sonderby et al. 2017, arXiv:1610.04490.

Section 3 and Arjovsky and Bottou 2017, arXiv:1701.04862, section 3: with noise on both sides the two distributions overlap, so that
D cannot be perfect and G's gradient does not vanish. The noise is Gaussian; its deviation falls linearly from SIGMA to 0 over the
training (`batch.progress`).

Departs from it: the losses are `nsgan`'s; the averaged generator is the one scored.
"""

from __future__ import annotations

from dataclasses import replace

from ganbench import games
from ganbench.adversarial import adversarial
from ganbench.nets import build
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Noise, per_element

SIGMA = 0.5  # in units of pixels' range [-1, 1], and of the ring's radius


def noisy(batch: Batch) -> Batch:
    """Real and fake samples with Gaussian noise of deviation SIGMA at the start of the training, and 0 at its end."""
    assert batch.progress is not None  # the training loop always gives it
    assert batch.fake is not None
    sigma = SIGMA * (1 - batch.progress)
    return replace(batch, real=batch.real + sigma * batch.noise["real"], fake=batch.fake + sigma * batch.noise["fake"])


NOISE = {"real": Noise(per_element, "normal"), "fake": Noise(per_element, "normal")}
VARIANT = adversarial(
    name="instance-noise",
    family="mode-collapse",
    paper="Sonderby et al. 2017, arXiv:1610.04490",
    networks=build.networks,
    d_loss=games.minimax_d,
    g_loss=games.non_saturating_g,
    d_noise=NOISE,
    g_noise=NOISE,
    see=noisy,
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
