"""Sampling by every variant, every metric, and every extractor whose weights are here, on one core: what `ganbench time` times.

A training step of every variant is in `test_seeds.py`. `make bench` compares all of them with the last run that was saved.

pytest benchmarks/test_registries.py --benchmark-only --benchmark-group-by=func,param:dataset
"""

from pathlib import Path

import pytest
import torch

from ganbench import registry
from ganbench.dataset import Location
from ganbench.errors import MissingDataError, UsageError
from ganbench.extractor import Loading
from ganbench.find_extractor import find_extractor
from ganbench.generator import draw_labels, draw_samples
from ganbench.harness.plan import Setting
from ganbench.harness.reference import cached_dataset
from ganbench.harness.time_metrics import Scoring, metric_tasks
from ganbench.harness.time_variants import VariantTask
from ganbench.harness.timing import jobs_on
from ganbench.record import SAMPLING_BATCH
from ganbench.variant import Control, Space

TRAINED = [name for name, entry in registry.entries("variants").items() if not isinstance(entry.load(), Control)]
SAMPLES = 500  # of a metric
IMAGES = 16  # of a pass


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("dataset", ["digits", "ring-8"])
@pytest.mark.parametrize("variant", TRAINED)
def test_sampling(benchmark, variant: str, dataset: str) -> None:
    data, made = cached_dataset(dataset, Location()), registry.find("variants", variant).load()
    if reason := made.refuses(Space(data.shape, data.classes, data.inputs)):
        pytest.skip(reason)
    (job,) = jobs_on(dataset, data, [variant])
    training = VariantTask(job, data, 1, Setting(out=Path("never-written")), 1).start()
    network, given = training.generator(0), None
    if made.conditional:
        given = draw_labels(SAMPLING_BATCH, data.classes)

    def sample() -> None:
        draw_samples(network, training.space, training.recipe, SAMPLING_BATCH, 0, given=given)

    benchmark.pedantic(sample, rounds=10, warmup_rounds=1)
    benchmark.extra_info["samples_per_second"] = SAMPLING_BATCH / benchmark.stats.stats.min


@pytest.mark.parametrize("metric", list(registry.entries("metrics")))
def test_metric(benchmark, metric: str, tmp_path: Path) -> None:
    # Against the 1,197 training digits: against the 100,000 points of a ring some compare every pair.
    scoring = Scoring(cached_dataset("digits", Location()), "digits-cnn", SAMPLES, Setting(out=tmp_path), 1)
    try:
        (task,) = metric_tasks(scoring, [metric])
    except (UsageError, MissingDataError) as error:
        pytest.skip(str(error))
    benchmark.pedantic(task.metric.compute, setup=lambda: ((task.scoring.evidence(),), {}), rounds=3)


@pytest.mark.parametrize("extractor", list(registry.entries("extractors")))
def test_extraction(benchmark, extractor: str) -> None:
    try:
        loaded = find_extractor(extractor).load(Loading())
    except MissingDataError as error:
        pytest.skip(str(error))
    items = taken_by(extractor)
    benchmark.pedantic(lambda: loaded.extract(items), rounds=5, warmup_rounds=1)
    benchmark.extra_info["images_per_second"] = len(items) / benchmark.stats.stats.min


def taken_by(extractor: str) -> torch.Tensor:
    if extractor in ("points", "features"):
        return cached_dataset("ring-8", Location()).test.items[:IMAGES]
    side = {"digits-cnn": 8, "mnist-cnn": 28}.get(extractor, 32)
    return torch.randint(0, 256, (IMAGES, 1, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
