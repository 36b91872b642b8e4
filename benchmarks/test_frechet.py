"""What FID costs from moments, beside torch-fidelity and pytorch-fid, and what few samples cost: 2048 features, one core.

OMP_NUM_THREADS=1 pytest benchmarks/test_frechet.py --benchmark-only -s

Features have deviations that fall as a power of their number, as Inception's do, in a space of the rank that the case says.
"""

import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import scipy.linalg
import torch
from pytorch_fid import fid_score
from torch_fidelity import metric_fid, metric_isc

from ganbench.class_scores import inception_score
from ganbench.extractor import Features, Statistics
from ganbench.frechet import frechet_distance, gaussian

WIDTH = 2048
ROUNDS = 3
CASES = {  # samples and rank of either side, and the exponent of the deviations
    "full rank": ((4096, WIDTH), (4096, WIDTH), -0.6),
    "steep": ((4096, WIDTH), (4096, WIDTH), -1.0),
    "samples of rank 1536": ((4096, 1536), (4096, WIDTH), -0.6),
    "reference of rank 1536": ((4096, WIDTH), (4096, 1536), -0.6),
    "both of rank 512": ((4096, 512), (4096, 512), -0.6),
}
FEW = {"1000 and 1000": (1000, 1000), "1500 and 1500": (1500, 1500), "1000 and 4096": (1000, 4096)}


def made(count: int, rank: int, seed: int, power: float) -> Features:
    generator = torch.Generator().manual_seed(seed)
    directions = torch.linalg.qr(torch.randn(WIDTH, rank, dtype=torch.float64, generator=generator)).Q.T
    samples = torch.randn(count, rank, dtype=torch.float64, generator=generator) * torch.arange(1, rank + 1) ** power
    return Features(samples @ directions)


def seconds(function: Callable[[], float]) -> float:
    """Of the process, so that what else runs on the machine counts less."""
    start = time.process_time()
    function()
    return time.process_time() - start


def report(benchmark, ours: Callable[[], float], others: dict[str, tuple[Callable[[], float], int]]) -> None:
    """Time all in turn, so that each sees the same machine, and print how many times our fastest round each one's takes."""
    benchmark.pedantic(ours, rounds=1, warmup_rounds=1)
    fastest = dict.fromkeys(["ours", *others], float("inf"))
    for round_ in range(ROUNDS):
        fastest["ours"] = min(fastest["ours"], seconds(ours))
        for name, (function, rounds) in others.items():
            if round_ < rounds:
                fastest[name] = min(fastest[name], seconds(function))
    ratios = {f"times_{name}": fastest[name] / fastest["ours"] for name in others}
    benchmark.extra_info.update(ratios)
    print(f"\n{benchmark.name}: {fastest['ours']:.3f} s; " + ", ".join(f"{name} {ratio:.1f}" for name, ratio in ratios.items()))


def their_fid(one: Statistics, other: Statistics) -> Callable[[], float]:
    both = [{"mu": side.mean.numpy(), "sigma": side.covariance.numpy()} for side in (one, other)]
    return lambda: metric_fid.fid_statistics_to_metric(*both, verbose=False)[metric_fid.KEY_METRIC_FID]


def pytorch_fid(one: Statistics, other: Statistics) -> Callable[[], float]:
    numbers = [part.numpy() for part in (one.mean, one.covariance, other.mean, other.covariance)]
    return lambda: float(fid_score.calculate_frechet_distance(*numbers))


@pytest.fixture(autouse=True)
def _one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytorch-fid asks scipy's square root for `disp`, which SciPy 1.18 has no more."""
    torch.set_num_threads(1)
    root = scipy.linalg.sqrtm
    monkeypatch.setattr(fid_score, "linalg", SimpleNamespace(sqrtm=lambda matrix, disp: (root(matrix), 0.0)))


@pytest.mark.parametrize("case", CASES)
def test_fid_from_moments(benchmark, case: str) -> None:
    (first, second, power) = CASES[case]
    one, other = made(*first, 0, power).moments, made(*second, 1, power).moments

    def ours() -> float:
        return frechet_distance(gaussian(one), gaussian(other))

    report(benchmark, ours, {"torch_fidelity": (their_fid(one, other), ROUNDS), "pytorch_fid": (pytorch_fid(one, other), 1)})


@pytest.mark.parametrize("case", FEW)
def test_fid_of_few_samples(benchmark, case: str) -> None:
    """Ours from features, theirs from moments that they need not compute here."""
    one, other = (made(count, WIDTH, seed, -0.6) for seed, count in enumerate(FEW[case]))
    theirs = their_fid(one.moments, other.moments)
    report(benchmark, lambda: frechet_distance(gaussian(one), gaussian(other)), {"torch_fidelity": (theirs, ROUNDS)})


def test_moments(benchmark) -> None:
    features = made(4096, WIDTH, 0, -0.6).features.float()

    def theirs() -> float:
        return float(metric_fid.fid_features_to_statistics(features)["mu"][0])

    report(benchmark, lambda: float(Features(features).moments.mean[0]), {"torch_fidelity": (theirs, ROUNDS)})


def test_inception_score(benchmark) -> None:
    """Of one split; torch-fidelity's of ten takes as long as its of one."""
    logits = 3 * torch.randn(50_000, 1008, generator=torch.Generator().manual_seed(0))

    def theirs() -> float:
        return float(metric_isc.isc_features_to_metric(logits)["inception_score_mean"])

    report(benchmark, lambda: inception_score(logits), {"torch_fidelity": (theirs, ROUNDS)})
