"""Who is who among several processes, what each of them has to do, and moments that are merged."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganbench.cli.devices import device_name
from ganbench.errors import UsageError
from ganbench.extractor import Features
from ganbench.frechet import frechet_distance, gaussian
from ganbench.moments import merge_moments, moments_of
from ganbench.ranks import ALONE, Ranks, from_environment, joined


@given(total=st.integers(0, 1000), count=st.integers(1, 9))
def test_shares_are_all_there_is_once_and_even_up_to_one(total: int, count: int) -> None:
    shares = [list(Ranks(rank, count).share(total)) for rank in range(count)]
    assert [item for share in shares for item in share] == list(range(total))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_one_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert from_environment() == ALONE
    monkeypatch.setenv("WORLD_SIZE", "1")
    with joined() as ranks:
        assert ranks == ALONE


def test_a_process_knows_its_place_as_torchrun_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WORLD_SIZE", "4"), ("RANK", "3"), ("LOCAL_RANK", "1"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    ranks = from_environment()
    assert (ranks, ranks.several, ranks.leads) == (Ranks(3, 4, 1, 2), True, False)
    monkeypatch.delenv("RANK")
    with pytest.raises(UsageError, match="start it with torchrun"):
        from_environment()


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert device_name("auto", Ranks(3, 4, 1, 2)) == device_name("cuda", Ranks(3, 4, 1, 2)) == "cuda:1"
    assert chosen == [1, 1]
    assert device_name("cpu", Ranks(3, 4, 1, 2)) == "cpu"
    with pytest.raises(UsageError, match="it has 2 GPUs; start no more"):
        device_name("auto", Ranks(2, 4, 2, 4))
    with pytest.raises(UsageError, match="give --device cuda"):
        device_name("cuda:0", Ranks(0, 2))


def test_a_gpu_that_is_not_there_is_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [device_name(name) for name in ("cuda", "cuda:0", "cuda:1", "cpu", "auto")] == [
        "cuda",
        "cuda:0",
        "cuda:1",
        "cpu",
        "cuda",
    ]
    with pytest.raises(UsageError, match="--device cuda:2 is not there: GPUs are counted from 0, and this machine has 2"):
        device_name("cuda:2")
    for name in ("cudaa", "cuda:", "cuda:-1", "cuda:01", "cuda:٣", "CPU", "cuda:x", "cpu:0"):
        with pytest.raises(UsageError, match=f"--device {name} is not known"):
            device_name(name)


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6).filter(lambda sizes: sum(sizes) > 1),
    offset=st.sampled_from([0.0, 10.0, -1e3]),
    width=st.integers(1, 6),
)
def test_merged_moments_are_those_of_all_samples(seed: int, sizes: list[int], offset: float, width: int) -> None:
    draws = torch.Generator().manual_seed(seed)
    parts = [torch.randn(size, width, generator=draws, dtype=torch.float64) * 3 + offset for size in sizes]
    merged = merge_moments([moments_of(part) for part in parts]).statistics
    everything = torch.cat(parts).numpy().astype(np.longdouble)  # 64 bits of mantissa, where float64 has 53
    mean = everything.mean(axis=0)
    covariance = (everything - mean).T @ (everything - mean) / (len(everything) - 1)
    # Relative: a mean of size m is known to 1e-16 m, and so is its distance from another one.
    size = 1e-12 * (1 + abs(offset))
    np.testing.assert_allclose(merged.mean.numpy(), mean.astype(float), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(merged.covariance.numpy(), covariance.astype(float), rtol=size, atol=size)


def test_merged_moments_of_two_points_by_hand() -> None:
    # 0, 0, 3 of mean 1: squares 1 + 1 + 4 = 6, over N - 1: 3; averaging the parts' covariances, 0 and none, would give 0.
    parts = [moments_of(torch.tensor(rows)) for rows in ([[0.0], [0.0]], [[3.0]])]
    merged = merge_moments(parts)
    assert (merged.count, merged.mean.item(), merged.scatter.item(), merged.statistics.covariance.item()) == (3, 1.0, 6.0, 3.0)


def test_equal_samples_have_exactly_their_mean_and_no_scatter() -> None:
    row = torch.tensor([[0.1, 1e8, -3.3]])
    merged = merge_moments([moments_of(row.expand(count, 3)) for count in (1, 7, 600)])
    assert torch.equal(merged.mean, row[0].double())
    assert not merged.scatter.any()


@pytest.mark.parametrize("sizes", [(500, 500), (1, 999), (700, 17, 283)])
def test_a_distance_of_merged_moments_is_that_of_all_samples(sizes: tuple[int, ...]) -> None:
    draws = torch.Generator().manual_seed(0)
    ours, theirs = torch.randn(1000, 64, generator=draws), torch.rand(900, 64, generator=draws)
    merged = merge_moments([moments_of(part) for part in ours.split(sizes)]).statistics
    expected = frechet_distance(gaussian(Features(ours)), gaussian(Features(theirs)))
    found = frechet_distance(gaussian(Features(ours, known_moments=merged)), gaussian(Features(theirs)))
    assert found == pytest.approx(expected, rel=1e-9)
