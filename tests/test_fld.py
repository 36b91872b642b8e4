"""Feature likelihood divergence, against its authors' procedure written another way, and where the answer is known."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Features
from ganbench.metric import Evidence
from ganbench.metrics import fld


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def evidence(reference: Tensor, samples: Tensor, held_out: Tensor | None = None) -> Evidence:
    return Evidence(Features(reference), Features(samples), held_out=None if held_out is None else Features(held_out))


def small_fld(train: np.ndarray, held_out: np.ndarray, samples: np.ndarray) -> float:
    """The authors' procedure for small sets, the gradient by autograd, on whole matrices."""

    def nll(rows: Tensor, centres: Tensor, logs: Tensor, origin: tuple[Tensor, Tensor] | None = None) -> Tensor:
        densities = torch.distributions.Normal(centres, (logs / 2).exp()[:, None]).log_prob(rows[:, None]).sum(dim=2)
        parts = densities - math.log(len(centres))
        if origin is not None:
            # Distances to the mean shrunk to 0.9: a normal around 0 of rows that are shrunk.
            mean, log = origin
            spread = torch.distributions.Normal(0.0, (log / 2).exp())
            parts = torch.cat([parts, spread.log_prob(0.9 * (rows - mean)).sum(dim=1)[:, None]], dim=1)
        return -parts.logsumexp(dim=1)

    def evaluate(centres: Tensor, fitted_to: Tensor, rows: Tensor) -> float:
        nearest = torch.tensor([((fitted_to - c) ** 2).sum(dim=1).min() for c in centres])
        logs = ((nearest + 1e-3) / rows.shape[1]).log().requires_grad_()
        log = torch.zeros((), dtype=torch.float64, requires_grad=True)
        adam = torch.optim.Adam([logs, log], lr=0.5)
        for _ in range(50):
            adam.zero_grad()
            (nll(fitted_to, centres, logs, (fitted_to.mean(dim=0), log)).mean() / rows.shape[1]).backward()
            adam.step()
            logs.data.clamp_(-40, 20)
        return nll(rows, centres, logs.detach()).mean().item()

    mean, deviation = held_out.mean(axis=0), held_out.std(axis=0, ddof=1)
    one, rows, centres = (torch.from_numpy((side - mean) / deviation) for side in (train, held_out, samples))
    draws = np.random.RandomState(2020)
    draws.permutation(len(one))
    half = one[torch.from_numpy(draws.permutation(len(one)))]
    split = min(len(centres), len(one) // 2)
    return 100 * (evaluate(centres, one, rows) - evaluate(half[:split], half[split:], rows)) / one.shape[1]


@pytest.mark.parametrize(("n", "m"), [(40, 30), (30, 9)])
def test_fld_is_the_authors_procedure(n: int, m: int, monkeypatch: pytest.MonkeyPatch) -> None:
    train, held_out, samples = normal(n, 4) + 3, normal(25, 4, seed=1) + 3, normal(m, 4, seed=2) * 1.2 + 3
    expected = small_fld(train.numpy(), held_out.numpy(), samples.numpy())
    value = fld.compute(evidence(train, samples, held_out))
    assert value.value == pytest.approx(expected, rel=1e-6)  # 50 steps of Adam divide by the root of small squared gradients
    monkeypatch.setattr(fld, "KEPT_DISTANCES", 0)
    assert fld.compute(evidence(train, samples, held_out)) == value
    monkeypatch.setattr(fld, "BLOCK", 7)
    assert fld.compute(evidence(train, samples, held_out)).value == pytest.approx(expected, rel=1e-6)


def test_the_likelihood_of_fld_is_that_of_the_mixture() -> None:
    rows, centres, logs = normal(9, 3), normal(4, 3, seed=1), normal(4, seed=2)
    mixture = [
        scipy.stats.multivariate_normal(c, math.exp(v) * np.eye(3)) for c, v in zip(centres.numpy(), logs.tolist(), strict=True)
    ]
    expected = -np.log(np.mean([part.pdf(rows.numpy()) for part in mixture], axis=0))
    np.testing.assert_allclose(fld.negative_log_likelihoods(rows, centres, logs), expected, rtol=1e-11)


def test_fld_fits_the_variance_of_the_rows_around_each_centre(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of far clusters each centre owns its own: the most likely variance is the mean squared distance over F."""
    near, far = 0.1 * normal(100, 5), 0.5 * normal(100, 5, seed=1)
    centres = torch.tensor([[0.0], [100.0]], dtype=torch.float64).expand(2, 5)
    monkeypatch.setattr(fld, "EPOCHS", 1000)  # after 50, the authors' number, the logarithms are still 0.2 away
    expected = [cluster.square().mean().log().item() for cluster in (near, far)]
    assert fld.fit(centres, torch.cat([near, 100 + far])).tolist() == pytest.approx(expected, abs=1e-9)


def test_fld_sees_copies_of_the_training_set_and_not_fresh_samples() -> None:
    train, held_out, fresh = normal(150, 6), normal(150, 6, seed=1), normal(75, 6, seed=2)
    value = fld.compute(evidence(train, fresh, held_out))
    assert value.error is not None
    assert abs(value.value) < 10  # nats a hundred features: the same distribution as the baseline's centres
    assert fld.compute(evidence(train, train[:75], held_out)).value > value.value + 100


def test_fld_leaves_out_constant_features_and_refuses_what_it_cannot_fit() -> None:
    train, held_out, samples = normal(40, 4), normal(25, 4, seed=1), normal(30, 4, seed=2)
    value = fld.compute(evidence(train, samples, held_out))
    wider = [
        torch.cat([side, torch.full((len(side), 1), k, dtype=torch.float64)], 1)
        for k, side in enumerate((train, samples, held_out))
    ]
    with_constant = fld.compute(evidence(*wider))
    assert (with_constant.value, with_constant.error) == (value.value, value.error)
    assert with_constant.notes == ("1 features that are constant in the held-out data are left out.",)
    with pytest.raises(InvalidInputError, match="constant"):
        fld.compute(evidence(train, samples, torch.ones(9, 4)))
    with pytest.raises(InvalidInputError, match="at least 4"):
        fld.compute(evidence(train[:3], samples, held_out))
    with pytest.raises(UsageError, match="held-out"):
        fld.compute(evidence(train, samples))
