"""What publishing costs: the site of 5,000 records, from records in memory to the last file.

pytest benchmarks/test_publish.py --benchmark-only

`rows` is how many rows of four seeds (1,250) or of one (5,000) the one data set has. Peak memory of the process stands in the extra
information, in MiB.
"""

import random
import resource
import shutil
import sys
from pathlib import Path

import pytest

from ganbench.leaderboard.site.publish import publish

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # the made-up records of the tests

from made_records import FD, made_record

RECORDS = 5000


@pytest.mark.parametrize("seeds", [4, 1])
def test_publish(benchmark, tmp_path, seeds: int) -> None:
    draw = random.Random(0)
    records = [
        made_record(f"variant-{place:04d}", seed, {FD: draw.random() + place / 500, "kid": draw.random(), "modes": 8.0})
        for place in range(RECORDS // seeds)
        for seed in range(seeds)
    ]
    out = tmp_path / "site"
    benchmark.pedantic(
        lambda: publish(records, tmp_path, out), setup=lambda: shutil.rmtree(out, ignore_errors=True), rounds=1, iterations=1
    )
    benchmark.extra_info["rows"] = RECORDS // seeds
    benchmark.extra_info["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
