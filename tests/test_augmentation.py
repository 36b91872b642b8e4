"""Augmentations, and the variants that use them or tie D's outputs, where they have closed forms."""

import math

import pytest
import torch
from torch import nn
from torch.func import vmap

from ganbench import augment, registry
from ganbench.bound import BoundNetwork
from ganbench.variant import Batch, Networks, Space

EXACT = 1e-12  # float64: a few roundings
NAMES = ["diffaugment", "ada", "apa", "lecam", "crgan", "bcr"]


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def variant(name: str):
    return registry.find("variants", name).load()


def in_file(name: str, attribute: str):
    """What the file that defines a variant calls `attribute`."""
    import importlib

    entry = registry.find("variants", name)
    assert entry.module is not None
    return getattr(importlib.import_module(entry.module), attribute)


def play(name: str, phase: str, networks: dict, batch: Batch):
    (found,) = [each for each in variant(name).phases if each.name == phase]
    return found.objective(Networks(networks), batch)


def bound(module: nn.Module) -> BoundNetwork:
    return BoundNetwork(module, dict(module.named_parameters()), dict(module.named_buffers()))


def grid() -> torch.Tensor:
    return torch.arange(1.0, 17.0, dtype=torch.float64).reshape(1, 1, 4, 4)


def test_a_translation_by_hand():
    # Rows 1..4 / 5..8 / 9..12 / 13..16: one down and two to the left.
    moved = augment.translated(grid(), tensor(1), tensor(-2))
    expected = [[0, 0, 0, 0], [3, 4, 0, 0], [7, 8, 0, 0], [11, 12, 0, 0]]
    assert moved[0, 0].tolist() == expected
    assert augment.translated(grid(), tensor(-3), tensor(0))[0, 0].tolist() == [[13, 14, 15, 16], *[[0] * 4] * 3]
    assert torch.equal(augment.translated(grid(), tensor(0), tensor(0)), grid())


def test_each_sample_and_channel_is_moved_by_its_own_step():
    x = torch.cat([grid(), -grid()]).repeat(1, 3, 1, 1) * tensor(1, 2, 3)[:, None, None]
    moved = augment.translated(x, tensor(1, 0), tensor(0, 1))
    assert torch.equal(moved[0, :, 1:], x[0, :, :-1])
    assert torch.equal(moved[1, :, :, 1:], x[1, :, :, :-1])
    assert moved[0, :, 0].abs().max() == 0
    assert moved[1, :, :, 0].abs().max() == 0


def test_a_cutout_by_hand():
    cut = augment.cut_out(grid().repeat(2, 1, 1, 1), tensor(1, -1), tensor(2, 3), 2, 2)
    assert cut[0, 0].tolist() == [[1, 2, 3, 4], [5, 6, 0, 0], [9, 10, 0, 0], [13, 14, 15, 16]]
    assert cut[1, 0].tolist() == [[1, 2, 3, 0], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]


def test_colours_by_hand():
    x = torch.stack([tensor(0.2, 0.4), tensor(0.6, 0.0)]).reshape(1, 2, 1, 2)  # two channels of two pixels
    assert augment.brightness(x, tensor(-0.5)).flatten().tolist() == pytest.approx([-0.3, -0.1, 0.1, -0.5], abs=EXACT)
    # Greys 0.4 and 0.2: 0.4 + 2 (0.2 - 0.4) = 0, 0.2 + 2 (0.4 - 0.2) = 0.6, 0.4 + 2 (0.6 - 0.4) = 0.8, 0.2 + 2 (0 - 0.2) = -0.2.
    assert augment.saturation(x, tensor(2)).flatten().tolist() == pytest.approx([0, 0.6, 0.8, -0.2], abs=EXACT)
    # The mean is 0.3: half of each distance from it.
    assert augment.contrast(x, tensor(0.5)).flatten().tolist() == pytest.approx([0.25, 0.35, 0.45, 0.15], abs=EXACT)
    grey = torch.rand(3, 1, 4, 4)
    assert torch.equal(augment.saturation(grey, torch.tensor([0.0, 0.5, 2.0])), grey)


def test_turns_and_mirrors_by_hand():
    x = torch.stack([tensor(1, 2), tensor(3, 4)])[None, None].repeat(4, 1, 1, 1)
    turns = augment.turned(x, tensor(0, 1, 2, 3))
    assert turns[:, 0].tolist() == [[[1, 2], [3, 4]], [[2, 4], [1, 3]], [[4, 3], [2, 1]], [[3, 1], [4, 2]]]
    assert augment.mirrored(x)[0, 0].tolist() == [[2, 1], [4, 3]]


def test_whole_numbers_reach_both_ends_alike():
    uniform = torch.arange(30, dtype=torch.float64) / 30
    assert torch.bincount(augment.integers(uniform, -1, 1).long() + 1).tolist() == [10, 10, 10]
    assert augment.integers(torch.tensor([1 - 2**-24]), -4, 4).item() == 4  # the largest float32 that uniform noise takes


def test_shifts_are_at_most_an_eighth_rounded():
    image = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    image[0, 0, 4, 4] = 1
    for uniform, place in [((0, 0), (3, 3)), ((0.5, 0.99), (4, 5)), ((0.99, 0.34), (5, 4))]:
        assert augment.shifted(image, tensor(*uniform)[None])[0, 0].nonzero().tolist() == [list(place)]
    for side, most in [(16, 2), (28, 4), (32, 4), (64, 8)]:
        image = torch.zeros(1, 1, side, side, dtype=torch.float64)
        image[0, 0, 0, 0] = 1
        assert augment.shifted(image, tensor(0.999, 0.999)[None])[0, 0].nonzero().tolist() == [[most, most]]
    points = torch.stack([tensor(1, 2)])
    assert augment.shifted(points, torch.stack([tensor(0, 0.75)])).flatten().tolist() == pytest.approx([0.9, 2.05], rel=EXACT)


def test_diffaugment_of_neutral_noise_changes_a_box_alone():
    # Uniform 1/2 is no brightness, factors 1 and 1, and no shift; the box of half the side lies at (0.5 * 9) // 1 - 4 = 0 of 8.
    x = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    changed = in_file("diffaugment", "augmented")(x, torch.full((2, 7), 0.5, dtype=torch.float64))
    expected = x.clone()
    expected[:, :, 2:6, 2:6] = 0
    torch.testing.assert_close(changed, expected, rtol=0, atol=EXACT)


def test_diffaugment_by_hand_in_its_order():
    # One row of values a: brightness 0.75 - 0.5 = 1/4 makes a + 1/4; contrast 1/2 + 1/2 = 1; shift down (0.9 * 3) // 1 - 1 = 1.
    x = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    x[:, :, 0] = 0.5
    uniform = tensor(0.75, 0.2, 0.5, 0.9, 0.5, 0.0, 0.0)[None]  # the box lies at -2 and keeps rows and columns 0 and 1
    changed = in_file("diffaugment", "augmented")(x, uniform)[0, 0]
    expected = torch.full((8, 8), 0.25, dtype=torch.float64)
    expected[0] = 0  # what came in
    expected[1] = 0.75
    expected[:2, :2] = 0
    torch.testing.assert_close(changed, expected, rtol=0, atol=EXACT)


def ada_noise(count: int, channels: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(count, channels, 8, 8, dtype=torch.float64, generator=generator) - 1
    uniform = torch.rand(count, 12, dtype=torch.float64, generator=generator)
    return x, uniform, torch.randn(count, 3, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("channels", [1, 3])
def test_ada_with_probability_0_is_the_identity_and_with_1_is_not(channels):
    x, uniform, normal = ada_noise(64, channels)
    augmented = in_file("ada", "augmented")
    assert torch.equal(augmented(x, uniform, normal, tensor(0)[0]), x)
    assert (augmented(x, uniform, normal, tensor(1)[0]) != x).flatten(1).any(1).all()  # brightness is never 0
    untouched = (augmented(x, uniform, normal, tensor(0.3)[0]) == x).flatten(1).all(1)
    assert torch.equal(untouched, (uniform[:, :7] >= 0.3).all(1) | untouched & (uniform[:, 3:5] >= 0.3).all(1))
    assert 0 < untouched.sum() < 64


@pytest.mark.parametrize("place", range(7))
def test_each_of_adas_augmentations_by_hand(place):
    x, _, _ = ada_noise(2)
    uniform = torch.full((2, 12), 0.9, dtype=torch.float64)
    uniform[:, place] = 0.4
    uniform[:, 7:] = tensor(0.2, 0.3, 0.9, 0.5, 0.2)  # mirrors, one quarter, one down, none to the right, flips
    normal = tensor(0.5, 2, -1)[None].repeat(2, 1)
    changed = in_file("ada", "augmented")(x, uniform, normal, tensor(0.5)[0])
    grey = x.mean(1, keepdim=True)
    down = torch.cat([torch.zeros_like(x[:, :, :1]), x[:, :, :-1]], dim=2)
    expected = [
        x.flip(3),
        torch.rot90(x, 1, (2, 3)),
        down,
        x + 0.1,  # 0.2 * 0.5
        2 * x,  # 2 to the power of 2 / 2
        x - 2 * grey,  # the Householder reflection along (1, 1, 1)
        (x + grey) / 2,  # 2 to the power of -1
    ]
    torch.testing.assert_close(changed, expected[place], rtol=0, atol=EXACT)


def test_gradients_reach_every_pixel_that_is_left():
    x, uniform, normal = ada_noise(4)
    for augmented in (
        lambda x: in_file("ada", "augmented")(x, uniform, normal, tensor(1)[0]),
        lambda x: in_file("diffaugment", "augmented")(x, uniform[:, :7]),
        lambda x: augment.shifted(x, uniform[:, :2]),
    ):
        assert torch.autograd.gradcheck(augmented, x.clone().requires_grad_(), fast_mode=True)
    leaf = x.clone().requires_grad_()
    augment.translated(leaf, tensor(1, 1, 1, 1), tensor(0, 0, 0, 0)).sum().backward()
    assert leaf.grad is not None
    assert (leaf.grad[:, :, :-1] == 1).all()  # the last row leaves the image
    assert (leaf.grad[:, :, -1] == 0).all()


def test_stacked_augmentations_equal_each_alone():
    x, uniform, normal = (value.unflatten(0, (3, 4)) for value in ada_noise(12))
    p = tensor(0, 0.5, 1)
    augmented = in_file("ada", "augmented")
    stacked = vmap(augmented, randomness="error")(x, uniform, normal, p)
    for index in range(3):
        alone = augmented(x[index], uniform[index], normal[index], p[index])
        torch.testing.assert_close(stacked[index], alone, rtol=EXACT, atol=EXACT)


def test_the_probability_follows_known_signs():
    held = augment.AdaptiveProbability().double()
    step = 4 * 10 / 500_000  # four batches of ten
    sure, torn = torch.ones(10, dtype=torch.float64), tensor(1, 1, 1, 1, 1, -1, -1, -1, -1, -1)
    for _ in range(3):
        assert held(sure).item() == 0
    assert held(sure).item() == 0  # the p of this call, before it counts
    assert held().item() == pytest.approx(step, rel=EXACT)
    # Means of 1, 1, 1 and 0 are 0.75 > 0.6: up. Those of 1, 1, 0 and 0 are 0.5 < 0.6: down. Then down to 0 and no further.
    for signs in (sure, sure, sure, torn):
        held(7 * signs)  # signs, not sizes
    assert held().item() == pytest.approx(2 * step, rel=EXACT)
    for signs in (sure, sure, torn, torn):
        held(signs)
    assert held().item() == pytest.approx(step, rel=EXACT)
    for _ in range(8):
        held(-sure)
    assert held().item() == 0


def test_a_read_probability_is_not_changed_by_what_follows():
    held = augment.AdaptiveProbability()
    p = held()
    for _ in range(4):
        held(torch.ones(10))
    assert p.item() == 0
    assert held().item() > 0


class Linear(nn.Module):
    """D(x) = <w, x> for points."""

    def __init__(self, *weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(tensor(*weight))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight


def two_points() -> Batch:
    real, fake = torch.stack([tensor(1, 0), tensor(0, 1)]), torch.stack([tensor(0, 0), tensor(2, 0)])
    return Batch(real=real, z=fake)  # the generator is the identity


def generator(z: torch.Tensor) -> torch.Tensor:
    return z


def hinge(real: list[float], fake: list[float]) -> float:
    return sum(max(0, 1 - each) for each in real) / len(real) + sum(max(0, 1 + each) for each in fake) / len(fake)


@pytest.mark.parametrize(("name", "fakes"), [("crgan", False), ("bcr", True)])
def test_consistency_of_a_linear_discriminator(name, fakes):
    # D = 3 x + 4 y. A jitter (a, b) = 0.1 (2 u - 1) changes it by 3 a + 4 b: u = (1, 1/2) by 0.3, u = (1/2, 0) by -0.4.
    # Real: (0.3^2 + 0.4^2) / 2 = 0.125; fakes, both by u = (1, 1/2): 0.09. Each has the weight 10.
    batch = two_points()
    noise = {"real": torch.stack([tensor(1, 0.5), tensor(0.5, 0)]), "fake": torch.stack([tensor(1, 0.5)] * 2)}
    batch = Batch(real=batch.real, z=batch.z, noise=noise)
    loss, watched = play(name, "d", {"generator": generator, "discriminator": Linear(3, 4)}, batch)
    expected = hinge([3, 4], [0, 6]) + 1.25 + (0.9 if fakes else 0)
    assert loss.item() == pytest.approx(expected, rel=EXACT)
    assert watched["d_real"].item() == pytest.approx(3.5, rel=EXACT)
    loss, _ = play(name, "g", {"generator": generator, "discriminator": Linear(3, 4)}, batch)
    assert loss.item() == pytest.approx(-3, rel=EXACT)  # G's loss has no such term


def test_lecams_averages_and_penalty_by_hand():
    # D(real) = 3 and 4, D(fake) = 0 and 6. First averages, corrected for their start: the batch's own, 3.5 and 3.
    # R_LC = (0^2 + 1^2) / 2 + (3.5^2 + 2.5^2) / 2 = 0.5 + 9.25.
    anchors = bound(in_file("lecam", "Anchors")().double())
    networks = {"generator": generator, "discriminator": Linear(3, 4), "anchors": anchors}
    loss, watched = play("lecam", "d", networks, two_points())
    assert watched["lecam"].item() == pytest.approx(9.75, rel=EXACT)
    assert loss.item() == pytest.approx(hinge([3, 4], [0, 6]) + 0.3 * 9.75, rel=EXACT)
    # Then D = x + y, with 1 and 1, 0 and 2, means 1 and 1: (0.99 * 0.01 * 3.5 + 0.01) / (0.99 * 0.01 + 0.01), and so with 3.
    loss, watched = play("lecam", "d", {**networks, "discriminator": Linear(1, 1)}, two_points())
    alpha_r, alpha_f = (0.99 * 3.5 + 1) / 1.99, (0.99 * 3 + 1) / 1.99
    expected = (1 - alpha_f) ** 2 + (alpha_r**2 + (2 - alpha_r) ** 2) / 2
    assert watched["lecam"].item() == pytest.approx(expected, rel=1e-10)  # 1 - 0.99 is 0.01 to 1e-15 of 1e-2


def test_lecams_averages_carry_no_gradient():
    # With them constant, the gradient of 0.3 (E|D(x) - 3|^2 + E|D(G) - 3.5|^2) in w at w = (3, 4) is
    # 0.3 (0 (1, 0) + 2 / 2 (4 - 3) (0, 1) + 2 / 2 (6 - 3.5) (2, 0)); hinge adds (2, 0) / 2 from the fake (2, 0), none from real.
    D = Linear(3, 4)
    anchors = bound(in_file("lecam", "Anchors")().double())
    loss, _ = play("lecam", "d", {"generator": generator, "discriminator": D, "anchors": anchors}, two_points())
    loss.backward()
    assert D.weight.grad is not None
    assert D.weight.grad.tolist() == pytest.approx([0.3 * 5 + 1, 0.3], rel=EXACT)


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


def test_apa_shows_fakes_as_real():
    # p = 1/2 and noise 0.4, 0.6: the first real sample is replaced by the fake (0, 0). D = 3 x + 4 y; R1 is 0.1 / 2 * 25.
    held = augment.AdaptiveProbability().double()
    held.p.fill_(0.5)
    batch = Batch(real=two_points().real, z=two_points().z, noise={"replaced": tensor(0.4, 0.6)})
    networks = {"generator": generator, "discriminator": bound(Linear(3, 4)), "deception": bound(held)}
    loss, watched = play("apa", "d", networks, batch)
    expected = (softplus(0) + softplus(-4)) / 2 + (softplus(0) + softplus(6)) / 2 + 1.25
    assert loss.item() == pytest.approx(expected, rel=EXACT)
    assert watched["p"].item() == 0.5
    assert held.signs.item() == 0.5  # D says 0 and 4: signs 0 and 1
    assert held.waited.item() == 1
    loss, _ = play("apa", "g", networks, batch)
    assert loss.item() == pytest.approx((softplus(0) + softplus(-6)) / 2, rel=EXACT)
    assert held.waited.item() == 1  # G's phase does not count


def test_adas_objectives_on_points():
    # p = 1/2: gates 0.4 and 0.6 let the first sample of each be moved by 0.1 times the normal noise, (1, 0): D = 3 x + 4 y by 0.3.
    held = augment.AdaptiveProbability().double()
    held.p.fill_(0.5)
    gates, normal = tensor(0.4, 0.6)[:, None], torch.stack([tensor(1, 0)] * 2)
    noise = {"real": gates, "fake": gates, "real-strength": normal, "fake-strength": normal}
    batch = Batch(real=two_points().real, z=two_points().z, noise=noise)
    networks = {"generator": generator, "discriminator": bound(Linear(3, 4)), "adaptation": bound(held)}
    loss, watched = play("ada", "d", networks, batch)
    expected = (softplus(-3.3) + softplus(-4)) / 2 + (softplus(0.3) + softplus(6)) / 2 + 1.25
    assert loss.item() == pytest.approx(expected, rel=EXACT)
    assert watched["p"].item() == 0.5
    assert (held.signs.item(), held.waited.item()) == (1, 1)
    loss, _ = play("ada", "g", networks, batch)
    assert loss.item() == pytest.approx((softplus(-0.3) + softplus(-6)) / 2, rel=EXACT)
    assert held.waited.item() == 1


def test_diffaugment_shows_augmented_samples_in_both_phases():
    # D = 3 x + 4 y of points that u = (1, 1/2) moves by (0.1, 0): 3.3 and 4.3 of the real, 0.3 and 6.3 of the fake ones.
    uniform = torch.stack([tensor(1, 0.5)] * 2)
    batch = Batch(real=two_points().real, z=two_points().z, noise={"real": uniform, "fake": uniform})
    networks = {"generator": generator, "discriminator": Linear(3, 4)}
    assert play("diffaugment", "d", networks, batch)[0].item() == pytest.approx(hinge([3.3, 4.3], [0.3, 6.3]), rel=EXACT)
    assert play("diffaugment", "g", networks, batch)[0].item() == pytest.approx(-3.3, rel=EXACT)


@pytest.mark.parametrize("name", NAMES)
def test_every_variant_applies_to_points_and_square_images(name):
    for shape in [(2,), *((3, size, size) for size in (8, 16, 28, 32, 64))]:
        assert variant(name).refuses(Space(shape)) is None


@pytest.mark.parametrize(("name", "family"), list(zip(NAMES, ["few-data"] * 3 + ["regulariser"] * 3, strict=True)))
def test_families(name, family):
    assert variant(name).family == family
