"""Intervals of scores: how far a number moves when other samples of the same generator are scored.

The half-sample bootstrap: each resample is a random half of the rows, without replacement, and the standard deviation of a
statistic over such halves estimates its standard error over fresh sets of the full size (for a mean it is exact: the variance of
the mean of n/2 out of n is s^2 / n; McCarthy 1969, "Pseudo-replication: half samples"). The ordinary bootstrap repeats rows, which
nearest neighbours, MMD and the rank of a covariance take for structure. The interval is value +- 1.96 standard errors: it holds the
noise of the samples, not the bias of a metric in N, and the reference stays as it is, for it is part of the protocol.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from ganbench.errors import InvalidInputError
from ganbench.metric import Evidence, Metric
from ganbench.rng import stream

SIGMAS = 1.959963984540054  # the 97.5 % quantile of a normal law
KIND = "95 %, normal, half-sample bootstrap of the samples"


@dataclass(frozen=True)
class Resampling:
    """How many halves are drawn, and by which seed; `report` hears of each metric's progress."""

    count: int = 50
    seed: int = 0
    report: Callable[[str, int, int], None] = lambda what, done, total: None


def halves(evidence: Evidence, how: Resampling) -> list[Evidence]:
    """Evidence of random halves of the samples' rows (and of the path's steps): floor(N / 2) of them, in their order."""
    found, draws, count = [], stream(how.seed, "half samples"), len(evidence.samples)
    for _ in range(how.count):
        rows = torch.randperm(count, generator=draws)[: count // 2].sort().values
        images = None if evidence.images is None else evidence.images[rows]
        path = evidence.path
        if path is not None:
            steps = len(path.squared_distances)
            chosen = torch.randperm(steps, generator=draws)[: steps // 2].sort().values
            path = replace(path, squared_distances=path.squared_distances[chosen])
        # a dataclass made anew, so that nothing computed `once` for the whole is taken for a half
        found.append(Evidence(evidence.reference, evidence.samples.take(rows), evidence.modes, evidence.held_out, images, path))
    return found


def intervals(metrics: dict[str, Metric], evidence: Evidence, how: Resampling) -> dict[str, float]:
    """The standard error of each score by its label, over fresh samples; left out where half of the samples are too few for it."""
    values: dict[str, list[float]] = {label: [] for label in metrics}
    for index, half in enumerate(halves(evidence, how)):
        for label, metric in metrics.items():
            try:
                values[label].append(metric.compute(half).value)
            except InvalidInputError:
                continue
        how.report("resampling", index + 1, how.count)
    return {label: statistics.stdev(each) for label, each in values.items() if len(each) == how.count}
