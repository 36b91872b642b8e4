"""Layers and objectives against mode collapse, by hand: minibatch layers, fading noise, an unrolled discriminator, packs."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from ganbench import registry
from ganbench.bound import BoundNetwork
from ganbench.nets.minibatch import MinibatchDiscrimination, MinibatchStddev
from ganbench.variant import Batch, Networks, Space
from ganbench.variants import instance_noise, unrolled


def test_minibatch_discrimination_by_hand() -> None:
    layer = MinibatchDiscrimination(1, kernels=1, size=2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[1.0, 2.0]]]))
    # Features 0, 1 and 3 become (0, 0), (1, 2) and (3, 6): L1 distances 3 (first, second), 9 (first, third), 6 (second, third), in
    # the mean 6, by which the first batch divides; then it takes the mean closeness away.
    found = layer(torch.tensor([[0.0], [1.0], [3.0]]))
    near, far, between = math.exp(-0.5), math.exp(-1.5), math.exp(-1)
    closeness = [(near + far) / 2, (near + between) / 2, (far + between) / 2]
    mean = sum(closeness) / 3
    assert found[:, 0].tolist() == [0.0, 1.0, 3.0]
    assert found[:, 1].tolist() == pytest.approx([each - mean for each in closeness], abs=1e-6)  # float32
    # Later batches are measured alike: a distance of 6 is 1.
    found = layer(torch.tensor([[0.0], [3.0]]))
    assert found[:, 1].tolist() == pytest.approx([math.exp(-1.5) - mean] * 2, abs=1e-6)


def test_minibatch_discrimination_of_equal_samples_is_finite() -> None:
    layer = MinibatchDiscrimination(2)
    features = torch.ones(3, 2, requires_grad=True)
    found = layer(features)
    (slope,) = torch.autograd.grad(found.sum(), features)
    assert torch.isfinite(found).all()
    assert torch.isfinite(slope).all()


def test_minibatch_stddev_by_hand() -> None:
    # Features (0, 1) and (4, 1): deviations 2 (divided by B) and 0, in the mean 1; the constant adds 1e-4 / 2 for the 0.
    found = MinibatchStddev()(torch.tensor([[0.0, 1.0], [4.0, 1.0]]))
    assert found[:, :2].tolist() == [[0.0, 1.0], [4.0, 1.0]]
    assert found[:, 2].tolist() == pytest.approx([1 + 0.5e-4] * 2, abs=1e-6)


@pytest.mark.parametrize(("progress", "sigma"), [(0.0, 0.5), (0.5, 0.25), (1.0, 0.0)])
def test_instance_noise_fades(progress: float, sigma: float) -> None:
    ones = torch.ones(2, 2)
    noise = {"real": 2 * ones, "fake": -ones}
    seen = instance_noise.noisy(Batch(ones, ones, fake=3 * ones, noise=noise, progress=torch.tensor(progress)))
    assert torch.allclose(seen.real, ones + 2 * sigma)
    assert torch.allclose(seen.fake, 3 * ones - sigma)


LR, BETAS = 0.05, (0.5, 0.9)


def linear_and_ahead(weight: float, ahead: unrolled.Ahead | None = None) -> Networks:
    """D(x) = w x, the steps ahead of it, and G(z) = -z, all in float64."""
    linear = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Flatten(0)).double()
    ahead = ahead or unrolled.Ahead(1, LR, BETAS).double()
    D = BoundNetwork(linear, {"0.weight": torch.full((1, 1), weight, dtype=torch.float64)}, {})
    steps = BoundNetwork(ahead, {}, dict(ahead.named_buffers()))
    return Networks({"generator": lambda z: -z, "discriminator": D, "ahead": steps})


def test_an_unrolled_discriminator_takes_adams_steps() -> None:
    # Against torch's Adam, which starts from the moments that an earlier look ahead left: of its first slope, D itself unmoved.
    real, fake = torch.tensor([[1.0], [0.5]], dtype=torch.float64), torch.tensor([[-1.0], [2.0]], dtype=torch.float64)
    networks = linear_and_ahead(0.3)
    batch = Batch(real, real, fake=fake)
    unrolled.look_ahead(networks, batch)
    found = unrolled.look_ahead(networks, batch).parameters["0.weight"].item()

    weight = torch.full((1, 1), 0.3, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([weight], lr=LR, betas=BETAS)
    for _ in range(1 + unrolled.STEPS):
        adam.zero_grad()
        loss = nn.functional.softplus(-weight * real).mean() + nn.functional.softplus(weight * fake).mean()
        loss.backward()
        adam.step()
        if adam.state[weight]["step"] == 1:
            with torch.no_grad():
                weight.fill_(0.3)
    assert found == pytest.approx(weight.item(), rel=1e-7)  # their small constant stands outside the root
    discriminator, ahead = networks.discriminator, networks.ahead
    assert isinstance(discriminator, BoundNetwork)
    assert isinstance(ahead, BoundNetwork)
    assert discriminator.parameters["0.weight"].item() == 0.3  # D itself has not moved
    assert ahead.buffers["steps"].item() == 2


def test_steps_ahead_are_half_the_discriminators_on_images_and_a_tenth_of_the_generators_on_points() -> None:
    def size(space: Space, **changes: float) -> float:
        networks = unrolled.networks(space, replace(unrolled.VARIANT.recipe_for(space), lr=0.02, **changes))
        ahead = networks["ahead"]
        assert isinstance(ahead, unrolled.Ahead)
        return ahead.lr

    image, point = Space((1, 8, 8)), Space((2,))
    assert [size(image), size(image, d_lr=0.06)] == pytest.approx([0.01, 0.03])
    assert [size(point), size(point, d_lr=0.06)] == pytest.approx([0.002, 0.002])


def test_the_unrolled_objective_differentiates_through_the_steps() -> None:
    # The slope of D's logit after its steps in the fake sample, against a central difference of the same function.
    one = torch.ones(1, 1, dtype=torch.float64)

    def ahead() -> unrolled.Ahead:
        module = unrolled.Ahead(1, LR, BETAS).double()
        module.second.fill_(0.04)
        module.steps.fill_(3)
        return module

    def logit(fake: torch.Tensor) -> torch.Tensor:
        return unrolled.look_ahead(linear_and_ahead(0.3, ahead()), Batch(one, one, fake=fake))(fake).sum()

    at, step = (-0.5 * one).requires_grad_(), 1e-5
    slope = torch.autograd.grad(logit(at), at)[0].item()
    difference = (logit(at + step) - logit(at - step)).item() / (2 * step)
    assert slope == pytest.approx(difference, rel=1e-7)  # the difference is off by step^2 and by rounding over step, 1e-10 each
    weight = unrolled.look_ahead(linear_and_ahead(0.3, ahead()), Batch(one, one, fake=at)).parameters["0.weight"].item()
    assert abs(slope - weight) > 0.01  # without the steps' own derivative it would be the weight


def test_the_unrolled_generator_maximises_the_loss_of_the_discriminator_to_come() -> None:
    # D(x) = w x from w = 0, real 1, fake -1: with w after five of Adam's steps, D's loss is 2 softplus(-w).
    one = torch.ones(1, 1, dtype=torch.float64)
    w = unrolled.look_ahead(linear_and_ahead(0.0), Batch(one, one, fake=-one)).parameters["0.weight"].item()
    assert w == pytest.approx(unrolled.STEPS * LR, rel=0.1)  # nearly a whole step each, up the real sample
    loss, watched = unrolled.g_objective(linear_and_ahead(0.0), Batch(one, one))
    assert loss.item() == pytest.approx(-2 * math.log1p(math.exp(-w)), rel=1e-12)
    assert {name: value.item() for name, value in watched.items()} == pytest.approx({"d_real_ahead": w, "d_fake_ahead": -w})


def test_a_network_with_slopes_of_nothing_still_looks_ahead() -> None:
    # A sample of 0 has no slope in w: Adam's step is 0, and so is its slope.
    zero = torch.zeros(1, 1, dtype=torch.float64)

    def weight(fake: torch.Tensor) -> torch.Tensor:
        return unrolled.look_ahead(linear_and_ahead(0.3), Batch(zero, zero, fake=fake)).parameters["0.weight"].sum()

    fake = zero.clone().requires_grad_()
    found = weight(fake)
    assert found.item() == 0.3
    assert torch.isfinite(torch.autograd.grad(found, fake)[0]).all()


@pytest.mark.parametrize("pack", [2, 3, 4])
def test_packs_see_so_many_samples_for_one_logit(pack: int) -> None:
    variant = registry.find("variants", f"pacgan{pack}").load()
    recipe = variant.recipe_for(Space((2,)))
    assert recipe.batch_size == 64 * pack
    assert variant.networks(Space((2,)), recipe)["discriminator"](torch.zeros(recipe.batch_size, 2)).shape == (64,)
