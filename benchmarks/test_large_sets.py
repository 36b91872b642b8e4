"""Many small images from files to a Frechet distance, beside torch-fidelity on the same files in the same features: pooled pixels.

The network costs next to nothing, so that listing, reading and decoding are what is timed. The two sides are two folders, so that
nothing is gained by reading one twice. Both tools run at their defaults, and torch-fidelity also without its DataLoader's workers;
it reads folders only. Seconds mean little where other processes want the cores; seconds of the processor, of a process and its
children, mean more. GANBENCH_BENCH_IMAGES is the number of images on each side (2,000), and peak memory that of a process of its
own.

pytest benchmarks/test_large_sets.py --benchmark-only -s
"""

import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import avg_pool2d

COUNT = int(os.environ.get("GANBENCH_BENCH_IMAGES", "2000"))
SHARDS = 4
TIMES: dict[str, tuple[float, float]] = {}  # seconds, and seconds of the processor
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

def used():
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in both)

def peak_kib():  # of this program: what getrusage calls the peak holds that of the process that started it
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))

before, processor = peak_kib(), used()
start = time.perf_counter()
scored = run_request(Request(sys.argv[1], sys.argv[2], metrics=("fd",), extractors=(sys.argv[3],)))
seconds = time.perf_counter() - start
peak = peak_kib()
print(json.dumps({"seconds": seconds, "processor_seconds": used() - processor, "kib": peak, "kib_before": before}))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets of images, each in a folder, in a zip and in four shards, and the extractor."""
    root = tmp_path_factory.mktemp("large")
    (root / "pooled.py").write_text(EXTRACTOR)
    for side in (0, 1):
        (root / f"folder-{side}").mkdir()
        draws = np.random.default_rng(side)
        with contextlib.ExitStack() as stack:
            archive = stack.enter_context(zipfile.ZipFile(root / f"images-{side}.zip", "w"))
            shards = [stack.enter_context(tarfile.open(root / f"shards-{side}-{shard}.tar", "w")) for shard in range(SHARDS)]
            for index in range(COUNT):
                file = io.BytesIO()
                Image.fromarray(draws.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(file, "PNG")
                archive.writestr(f"{index:07}.png", file.getvalue())
                (root / f"folder-{side}" / f"{index:07}.png").write_bytes(file.getvalue())
                member = tarfile.TarInfo(f"{index:07}.png")
                member.size = file.tell()
                file.seek(0)
                shards[index * SHARDS // COUNT].addfile(member, file)
    return root


def used() -> float:
    """Seconds of the processor so far, of this process and of its children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in both)


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
            input1=str(place / "folder-0"),
            input2=str(place / "folder-1"),
            cuda=False,
            fid=True,
            feature_extractor=f"pooled-{workers}",
            cache=False,
            verbose=False,
            save_cpu_ram=workers == "none",  # which is how it is told to start no workers
        )

    before = used()
    benchmark.pedantic(run, rounds=1)
    seconds, processor = benchmark.stats.stats.min, used() - before
    TIMES[f"torch-fidelity, workers {workers}"] = seconds, processor
    print(f"\ntorch-fidelity, workers {workers}: {2 * COUNT / seconds:.0f} images/s, {processor:.1f} s of the processor")


@pytest.mark.parametrize("kind", ["folder-SIDE", "images-SIDE.zip", "shards-SIDE-{0..3}.tar"])
def test_ganbench(benchmark, place: Path, kind: str) -> None:
    def run() -> dict[str, float]:
        told = subprocess.run(
            [
                sys.executable,
                "-c",
                SCORE,
                *(str(place / kind.replace("SIDE", str(side))) for side in (0, 1)),
                str(place / "pooled.py"),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(told.stdout)

    told = benchmark.pedantic(run, rounds=1)  # the time that counts is told by the process: it starts after the imports
    benchmark.extra_info |= told | {"images_per_second": 2 * COUNT / told["seconds"]}
    print(
        f"\nganbench, {kind}: {2 * COUNT / told['seconds']:.0f} images/s, {told['processor_seconds']:.1f} s of the processor, "
        f"at most {told['kib'] / 1024:.0f} MiB, {told['kib_before'] / 1024:.0f} of them before the first image"
    )
    for name, (seconds, processor) in TIMES.items():
        print(
            f"ganbench is {seconds / told['seconds']:.2f} times as fast as {name}, "
            f"and {processor / told['processor_seconds']:.2f} times by the processor's seconds"
        )
