"""The gradient penalty where it has a closed form, its slope, and its place under vmap."""

import pytest
import torch
from torch.func import vmap

from ganbench import penalties
from ganbench.errors import UsageError
from ganbench.variant import Batch


def a_batch(*shape: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, *shape, dtype=torch.float64, generator=generator)
    uniform = torch.rand(shape[0], *(1 for _ in shape[1:]), dtype=torch.float64, generator=generator)
    return Batch(real=real, z=torch.zeros(shape[0], 1), fake=fake, noise={"between": uniform})


@pytest.mark.parametrize("shape", [(6, 2), (6, 3, 4, 4)])
def test_linear_critic(shape):
    weight = torch.randn(*shape[1:], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    penalty = penalties.interpolated(lambda x: (x * weight).flatten(1).sum(1), a_batch(*shape))
    assert penalty.item() == pytest.approx((weight.norm().item() - 1) ** 2, rel=1e-12)  # float64 roundings


def test_slope_is_taken_between_the_samples():
    # D(x) = |x|^2 / 2 has the gradient x, so that the penalty shows where it was taken: at 0.25 real + 0.75 fake.
    real, fake = torch.tensor([[4.0, 0.0]]), torch.tensor([[0.0, 8.0]])
    batch = Batch(real=real, z=torch.zeros(1, 1), fake=fake, noise={"between": torch.tensor([[0.25]])})
    penalty = penalties.interpolated(lambda x: 0.5 * x.square().sum(1), batch)
    assert penalty.item() == pytest.approx(((1.0**2 + 6.0**2) ** 0.5 - 1) ** 2, rel=1e-6)  # float32


def test_gradient_of_the_penalty_by_hand():
    # (|w| - 1)^2 has the gradient 2 (|w| - 1) w / |w|: for w = (3, 4), 2 * 4 * (0.6, 0.8).
    weight = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    penalty = penalties.interpolated(lambda x: x @ weight, a_batch(5, 2))
    (slope,) = torch.autograd.grad(penalty, weight)
    torch.testing.assert_close(slope, torch.tensor([4.8, 6.4], dtype=torch.float64), rtol=1e-12, atol=0)


def test_critic_of_slope_zero_has_a_finite_gradient():
    weight = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    penalty = penalties.interpolated(lambda x: x @ weight, a_batch(5, 2))
    (slope,) = torch.autograd.grad(penalty, weight)
    assert penalty.item() == 1.0
    assert torch.isfinite(slope).all()


def test_stacked_critics_under_vmap_with_an_outer_gradient():
    batch = a_batch(5, 2)
    weights = torch.tensor([[3.0, 4.0], [0.6, 0.8], [0.0, 2.0]], dtype=torch.float64, requires_grad=True)
    stacked = vmap(lambda w: penalties.interpolated(lambda x: x @ w, batch), randomness="error")(weights)
    (slopes,) = torch.autograd.grad(stacked.sum(), weights)
    torch.testing.assert_close(stacked, torch.tensor([16.0, 0.0, 1.0], dtype=torch.float64), rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(slopes, torch.tensor([[4.8, 6.4], [0, 0], [0, 2]], dtype=torch.float64), rtol=1e-12, atol=1e-15)


def test_missing_noise_is_named():
    batch = Batch(real=torch.zeros(2, 2), z=torch.zeros(2, 1), fake=torch.zeros(2, 2))
    with pytest.raises(UsageError, match="per-sample"):
        penalties.interpolated(lambda x: x.sum(1), batch)
