"""Many small images from files to a Frechet distance, beside torch-fidelity on the same files in the same features: pooled pixels.

The network costs next to nothing, so that listing, reading and decoding are what is timed. Both run at their defaults, and
torch-fidelity also without its DataLoader's workers; it reads folders only. The figures mean little where other processes want the
cores. GANBENCH_BENCH_IMAGES is the number of images on each side (2,000), and peak memory that of a process of its own.

pytest benchmarks/test_large_sets.py --benchmark-only -s
"""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import avg_pool2d

COUNT = int(os.environ.get("GANBENCH_BENCH_IMAGES", "2000"))
SECONDS: dict[str, float] = {}
EXTRACTOR = '''"""Pixels averaged over 8 x 8: 48 features."""
from torch.nn.functional import avg_pool2d
from ganbench.extractor import Extractor, Features, LoadedExtractor


def load(how):
    return LoadedExtractor("pooled", 1, lambda images: Features(avg_pool2d(images.float(), 8).flatten(1)), resize="none")


EXTRACTOR = Extractor(name="pooled", version=1, paper="none", feature_count=48, load=load)
'''
SCORE = """
import json, resource, sys, time
from ganbench.score.request import Request, run_request

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
scored = run_request(Request(sys.argv[1], sys.argv[1], metrics=("fd",), extractors=(sys.argv[2],)))
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": seconds, "kib": peak, "kib_before": before}))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images in a folder and in a zip, and the extractor."""
    root = tmp_path_factory.mktemp("large")
    (root / "pooled.py").write_text(EXTRACTOR)
    (root / "folder").mkdir()
    draws = np.random.default_rng(0)
    with zipfile.ZipFile(root / "images.zip", "w") as archive:
        for index in range(COUNT):
            file = io.BytesIO()
            Image.fromarray(draws.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(file, "PNG")
            archive.writestr(f"{index:07}.png", file.getvalue())
            (root / "folder" / f"{index:07}.png").write_bytes(file.getvalue())
    return root


@pytest.mark.parametrize("workers", ["default", "none"])
def test_torch_fidelity(benchmark, place: Path, workers: str) -> None:
    import torch_fidelity
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase

    class Pooled(FeatureExtractorBase):
        def __init__(self, name: str, features_list: list[str], **kwargs: object) -> None:
            super().__init__(name, features_list)

        @staticmethod
        def get_provided_features_list() -> tuple[str]:
            return ("48",)

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            return "48"

        @staticmethod
        def can_be_compiled() -> bool:
            return False

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor]:
            return (avg_pool2d(images.float(), 8).flatten(1),)

    torch_fidelity.register_feature_extractor(f"pooled-{workers}", Pooled)

    def run() -> dict[str, float]:
        return torch_fidelity.calculate_metrics(
            input1=str(place / "folder"),
            input2=str(place / "folder"),
            cuda=False,
            fid=True,
            feature_extractor=f"pooled-{workers}",
            cache=False,
            verbose=False,
            save_cpu_ram=workers == "none",  # which is how it is told to start no workers
        )

    benchmark.pedantic(run, rounds=1)
    SECONDS[f"torch-fidelity, workers {workers}"] = benchmark.stats.stats.min
    print(f"\ntorch-fidelity, workers {workers}: {2 * COUNT / benchmark.stats.stats.min:.0f} images/s")


@pytest.mark.parametrize("kind", ["folder", "images.zip"])
def test_ganbench(benchmark, place: Path, kind: str) -> None:
    def run() -> dict[str, float]:
        told = subprocess.run(
            [sys.executable, "-c", SCORE, str(place / kind), str(place / "pooled.py")], capture_output=True, text=True, check=True
        )
        return json.loads(told.stdout)

    told = benchmark.pedantic(run, rounds=1)  # the time that counts is told by the process: it starts after the imports
    benchmark.extra_info |= told | {"images_per_second": 2 * COUNT / told["seconds"]}
    print(
        f"\nganbench, {kind}: {2 * COUNT / told['seconds']:.0f} images/s, at most {told['kib'] / 1024:.0f} MiB, "
        f"{told['kib_before'] / 1024:.0f} of them before the first image"
    )
    for name, seconds in SECONDS.items():
        print(f"ganbench is {seconds / told['seconds']:.2f} times as fast as {name}")
