"""Unrolled GAN: G looks ahead of D's next steps. Metz et al. 2017, arXiv:1611.02163, equations 7 to 10.

The generator's objective takes STEPS of Adam's steps with a copy of D and differentiates through them; D itself takes its usual
step.

Departs from it: the steps ahead are half of D's on images (by whole ones G stays far from `digits`), and on points a tenth of G's,
as in the code of the authors' toy, whose D learns as slowly too; they start from moments of their own, which follow D's slopes on
G's batches; Adam's small constant stands under its root, which has no slope at 0; D's batch norm keeps no running statistics, since
its inner gradient may not write them, and is by plain operations; the averaged generator is the one scored.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from ganbench import games, losses
from ganbench.adversarial import d_phase, g_phase, played
from ganbench.bound import BoundNetwork
from ganbench.nets import build, norms
from ganbench.variant import IMAGE_RECIPE, POINT_RECIPE, Batch, Networks, Recipe, Space, Variant, discriminator_lr

if TYPE_CHECKING:
    from torch import Tensor

    State = tuple[Tensor, Tensor, Tensor]  # both moments (N,) and the number of steps ()

STEPS = 5  # the paper compares 0, 1, 5 and 10 on images
SMALL = 1e-8  # Adam's constant
POINTS_SHARE = 0.1  # the size of a step ahead, in G's: 1e-4 to 1e-3 in the code of the authors' toy
IMAGES_SHARE = 0.5  # in D's


class Ahead(nn.Module):
    """Adam's steps of D's N parameters (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1), which can be differentiated.

    Its two moments (N,) and count of steps are buffers, which the first step of each look ahead moves on.
    """

    first: Tensor
    second: Tensor
    steps: Tensor

    def __init__(self, parameters: int, lr: float, betas: tuple[float, float]) -> None:
        super().__init__()
        self.lr, self.betas = lr, betas
        self.register_buffer("first", torch.zeros(parameters))
        self.register_buffer("second", torch.zeros(parameters))
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, slopes: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """What a step adds to the parameters (N,), and the state after it, from `state` or from the buffers."""
        first, second, steps = state or (self.first.clone(), self.second.clone(), self.steps.clone())
        one, two = self.betas
        first, second, steps = torch.lerp(slopes, first, one), torch.lerp(slopes.square(), second, two), steps + 1
        if state is None:
            with torch.no_grad():
                for kept, new in ((self.first, first), (self.second, second), (self.steps, steps)):
                    kept.copy_(new.detach())
        scaled = first / (second / (1 - two**steps) + SMALL**2).sqrt()
        return -self.lr / (1 - one**steps) * scaled, (first, second, steps)


def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    """The default networks, where batch norm in D keeps no running statistics, and D's steps ahead."""
    built = build.networks(space, recipe)
    norms.keep_no_statistics(built["discriminator"])
    size = sum(each.numel() for each in built["discriminator"].parameters())
    lr = POINTS_SHARE * recipe.lr if space.is_points else IMAGES_SHARE * discriminator_lr(recipe)
    return built | {"ahead": Ahead(size, lr, recipe.betas)}


def look_ahead(networks: Networks, batch: Batch) -> BoundNetwork:
    """D after STEPS of Adam's steps down its loss, as a function of `batch.fake`: equation 7."""
    D = networks.discriminator
    assert isinstance(D, BoundNetwork)  # as the training loop gives networks
    sizes = [each.numel() for each in D.parameters.values()]

    def with_parameters(flat: Tensor) -> BoundNetwork:
        parts = zip(D.parameters.items(), flat.split(sizes), strict=True)
        return D.at({key: part.view(value.shape) for (key, value), part in parts})

    def loss(flat: Tensor) -> Tensor:
        return games.minimax_d(with_parameters(flat), batch)  # real and fake samples apart, each with statistics of its own

    flat = torch.cat([each.flatten() for each in D.parameters.values()])  # (N,): one kernel a step, not one for each layer
    state = None
    for _ in range(STEPS):
        step, state = networks.ahead(torch.func.grad(loss)(flat), state)
        flat = flat + step
    return with_parameters(flat)


def g_objective(networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Equation 10: G maximises the loss of the D that will be, on real samples too, whose D depends on G by its steps."""
    batch = replace(batch, fake=networks.generator(batch.z))
    ahead = look_ahead(networks, batch)
    real, fake = ahead(batch.real), ahead(batch.fake)
    return -losses.minimax_d(real, fake), {"d_real_ahead": real.detach().mean(), "d_fake_ahead": fake.detach().mean()}


VARIANT = Variant(
    name="unrolled",
    family="mode-collapse",
    paper="Metz et al. 2017, arXiv:1611.02163",
    networks=networks,
    phases=(d_phase(played(games.minimax_d)), g_phase(g_objective)),
    recipe=IMAGE_RECIPE,
    points=POINT_RECIPE,
    supports=build.supports,
)
