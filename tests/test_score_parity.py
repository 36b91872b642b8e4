"""A whole score beside torch-fidelity's `calculate_metrics`: the same files, the same weights, random ones in its format."""

import functools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch_fidelity
from PIL import Image
from small_weights import random_inception

from ganbench.dataset import Location
from ganbench.extractor import Features, Loading
from ganbench.find_extractor import find_extractor
from ganbench.score.request import Request, run_request
from ganbench.score.score import Scored
from ganbench.score.side import EXACT_BATCH_SIZE, Pass
from ganbench.sources.open import open_samples
from ganbench.sources.samples import Reading

INCEPTION = "inception-v3-compat"
COUNT = 12


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parity")
    random_inception(folder / "weights.pth")
    for side, seed in (("made", 1), ("real", 2)):
        (folder / side).mkdir()
        draws = np.random.default_rng(seed)
        for index in range(COUNT):
            pixels = draws.integers(0, 256, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels // (2 if side == "made" else 1)).save(folder / side / f"{index:02d}.png")
    return folder


@pytest.fixture(scope="module")
def theirs(place: Path) -> dict[str, float]:
    found: dict[str, float] = torch_fidelity.calculate_metrics(
        input1=str(place / "made"),
        input2=str(place / "real"),
        cuda=False,
        isc=True,
        fid=True,
        kid=True,
        prc=True,
        kid_subset_size=COUNT - 1,
        feature_extractor=INCEPTION,
        feature_layer_isc="logits_unbiased",
        feature_layer_fid="2048",
        feature_layer_kid="2048",
        feature_layer_prc="2048",
        feature_extractor_weights_path=str(place / "weights.pth"),
        cache=False,
        verbose=False,
    )
    return found


@functools.cache
def ours(place: Path, exact: bool) -> Scored:
    request = Request(
        samples=str(place / "made"),
        reference=str(place / "real"),
        metrics=("is", "fd", "precision", "recall"),
        extractors=(INCEPTION,),
        weights={INCEPTION: place / "weights.pth"},
        how=Pass(EXACT_BATCH_SIZE, exact=exact),
    )
    return run_request(request)


@functools.cache
def features(place: Path, side: str, exact: bool) -> Features:
    items = open_samples(str(place / side), Location(), Reading()).items
    return find_extractor(INCEPTION).load(Loading(place / "weights.pth", exact=exact)).extract(items)


def spread(found: Features) -> float:
    return float(found.features.double().var(dim=0).sum())


def test_an_exact_score_is_torch_fidelitys(place: Path, theirs: dict[str, float]) -> None:
    """The features are equal to the bit, so what differs is arithmetic on them.

    IS is float64 in both. Of the Frechet distance, torch-fidelity forms the square root of a product of two singular covariances,
    whose null eigenvalues come out as rounding of 2e-16 of the product's largest and leave their roots, 1.5e-8 of the traces, in
    the sum: up to 2048 of them on either side.
    """
    scored = ours(place, exact=True)
    assert scored.protocol.extractor["arithmetic"] == "as torch-fidelity"
    assert scored.scores["is"].value == pytest.approx(theirs["inception_score_mean"], rel=1e-9)
    traces = sum(spread(features(place, side, exact=True)) for side in ("made", "real"))
    bound = 2048 * math.sqrt(torch.finfo(torch.float64).eps) * traces
    assert scored.scores["fid"].value == pytest.approx(theirs["frechet_inception_distance"], abs=bound)
    assert scored.scores[f"precision-{INCEPTION}"].value == pytest.approx(theirs["precision"], abs=1e-6)  # theirs is float32
    assert scored.scores[f"recall-{INCEPTION}"].value == pytest.approx(theirs["recall"], abs=1e-6)


def test_a_fast_score_differs_by_what_its_features_do(place: Path) -> None:
    """The distance is Wasserstein's between Gaussian fits: moving rows by d (root mean square) moves its root by d at most."""
    fast, exact = ours(place, exact=False), ours(place, exact=True)
    moved = 0.0
    for side in ("made", "real"):
        one, other = (features(place, side, exact=each).features.double() for each in (False, True))
        assert (one - other).abs().max() <= 1e-4 * other.abs().max()
        moved += math.sqrt((one - other).square().sum(dim=1).sum().item() / (COUNT - 1))
    root = math.sqrt(exact.scores["fid"].value)
    bound = (root + moved) ** 2 - root**2 + 1e-9 * exact.scores["fid"].value
    assert abs(fast.scores["fid"].value - exact.scores["fid"].value) <= bound
    logits = [features(place, "made", exact=each).logits for each in (False, True)]
    assert logits[0] is not None
    assert logits[1] is not None
    # log p, and the marginal's log, move by at most twice the largest move of a logit, and p by as much as a share of itself
    move = (logits[0].double() - logits[1].double()).abs().max().item()
    apart = 4 * move + math.expm1(2 * move) * math.log(1008)
    assert abs(math.log(fast.scores["is"].value / exact.scores["is"].value)) <= apart
