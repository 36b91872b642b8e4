"""A whole score of two folders of images, IS, FID, KID, precision and recall in Inception's features, beside torch-fidelity.

Random weights in torch-fidelity's format, one core. GANBENCH_BENCH_IMAGES is the number of images in each folder.

pytest benchmarks/test_score.py --benchmark-only -s
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganbench.cache import FeatureCache
from ganbench.score.request import Request, run_request
from ganbench.score.score import Scored
from ganbench.score.side import Pass

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from small_weights import random_inception

COUNT = int(os.environ.get("GANBENCH_BENCH_IMAGES", "100"))
INCEPTION = "inception-v3-compat"
SECONDS: dict[str, float] = {}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("score")
    random_inception(folder / "weights.pth")
    for side in ("made", "real"):
        draws = np.random.default_rng(len(side) if side == "made" else 7)
        (folder / side).mkdir()
        for index in range(COUNT):
            coarse = draws.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((32, 32), Image.Resampling.BILINEAR).save(folder / side / f"{index:05d}.png")
    return folder


def ours(place: Path, cache: FeatureCache | None) -> Scored:
    request = Request(
        samples=str(place / "made"),
        reference=str(place / "real"),
        metrics=("is", "fd", "kid", "precision", "recall"),
        extractors=(INCEPTION,),
        weights={INCEPTION: place / "weights.pth"},
        how=Pass(cache=cache),
    )
    return run_request(request)


def test_torch_fidelity(benchmark, place: Path) -> None:
    import torch_fidelity

    torch.set_num_threads(1)

    def run() -> dict[str, float]:
        return torch_fidelity.calculate_metrics(
            input1=str(place / "made"),
            input2=str(place / "real"),
            cuda=False,
            isc=True,
            fid=True,
            kid=True,
            prc=True,
            kid_subset_size=min(1000, COUNT),
            feature_extractor=INCEPTION,
            feature_layer_isc="logits_unbiased",
            feature_layer_fid="2048",
            feature_layer_kid="2048",
            feature_layer_prc="2048",
            feature_extractor_weights_path=str(place / "weights.pth"),
            cache=False,
            verbose=False,
        )

    found = benchmark.pedantic(run, rounds=1)
    SECONDS["torch-fidelity"] = benchmark.stats.stats.min
    benchmark.extra_info["images_per_second"] = 2 * COUNT / SECONDS["torch-fidelity"]
    print(f"\ntorch-fidelity: {2 * COUNT / SECONDS['torch-fidelity']:.2f} images/s, {found}")


def test_ganbench(benchmark, place: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    cache = FeatureCache(tmp_path)
    scored = benchmark.pedantic(lambda: ours(place, cache), rounds=1)
    seconds = benchmark.stats.stats.min
    benchmark.extra_info["images_per_second"] = 2 * COUNT / seconds
    print(f"\nganbench: {2 * COUNT / seconds:.2f} images/s, { ({name: each.value for name, each in scored.scores.items()}) }")
    if "torch-fidelity" in SECONDS:
        benchmark.extra_info["times_torch_fidelity"] = SECONDS["torch-fidelity"] / seconds
        print(f"ganbench is {SECONDS['torch-fidelity'] / seconds:.2f} times as fast as torch-fidelity")
    start = time.perf_counter()
    again = ours(place, cache)
    print(f"again, from the cache: {time.perf_counter() - start:.2f} s")
    assert again == scored
