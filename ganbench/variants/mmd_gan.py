"""MMD-GAN: the maximum mean discrepancy in learned features. Li et al. 2017, arXiv:1705.08584, as Binkowski et al. have it.

The critic maps samples to 16 features; it maximises, and G minimises, the unbiased squared MMD of real and generated features
under a sum of rational quadratic kernels, and the witness function's slope is held near 1 (arXiv:1801.01401, section 2.3 and
appendix A).

Departs from them: the first paper's Gaussian kernels, clipped weights and autoencoding critic are replaced as the second replaces
them; no linear kernel is added; one step of the critic to one of G where they take five; lambda stays at 1, where the second's
code lets it shrink as training goes on; no penalty on activations inside the critic, no clipped gradients, and a constant step,
where that code has them and halves the step by KID; normal latents and DCGAN's Adam; DCGAN's layers without normalisation in the
critic; the averaged generator is the one scored.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganbench import penalties
from ganbench.adversarial import d_phase, g_phase
from ganbench.nets import build, norms
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Networks, Noise, Recipe, Space, Variant, per_sample

if TYPE_CHECKING:
    from torch import Tensor, nn

FEATURES = 16
ALPHAS = (0.2, 0.5, 1.0, 2.0, 5.0)
PENALTY = 1.0


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default generator, and a critic of FEATURES outputs without normalisation."""
    return {"generator": build.generator(space, recipe), "discriminator": build.encoder(space, recipe, FEATURES, norms.none)}


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """The sum over ALPHAS of (1 + |x_i - y_j|^2 / (2 alpha))^-alpha, (N, M), for features (N, F) and (M, F): at most 5."""
    squared = (x[:, None] - y[None]).square().sum(dim=2)
    total = (1 + squared / (2 * ALPHAS[0])).pow(-ALPHAS[0])
    for alpha in ALPHAS[1:]:
        total = total + (1 + squared / (2 * alpha)).pow(-alpha)
    return total


def squared_mmd(real: Tensor, fake: Tensor) -> Tensor:
    """The unbiased estimate, a scalar, for features (B, F): it may fall below 0. A sample's kernel with itself, 5, is left out."""
    size = len(real)
    within = kernel(real, real).sum() + kernel(fake, fake).sum() - 2 * size * len(ALPHAS)
    return within / (size * (size - 1)) - 2 * kernel(real, fake).mean()


def d_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Minus the squared MMD, and the penalty on the slope of the witness, E[k(., x)] - E[k(., G(z))]."""
    D, generated = networks.discriminator, networks.generator(batch.z)
    real, fake = D(batch.real), D(generated)

    def witness(x: Tensor) -> Tensor:
        features = D(x)
        return kernel(features, real).mean(dim=1) - kernel(features, fake).mean(dim=1)  # (B,)

    penalty = penalties.interpolated(witness, replace(batch, fake=generated))
    squared = squared_mmd(real, fake)
    return PENALTY * penalty - squared, {"mmd": squared.detach(), "penalty": penalty.detach()}


def g_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """The squared MMD."""
    squared = squared_mmd(networks.discriminator(batch.real), networks.discriminator(networks.generator(batch.z)))
    return squared, {"mmd": squared.detach()}


VARIANT = Variant(
    name="mmd-gan",
    family="loss",
    paper="Li et al. 2017, arXiv:1705.08584",
    networks=networks,
    phases=(d_phase(d_objective, noise={"between": Noise(per_sample)}), g_phase(g_objective)),
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
