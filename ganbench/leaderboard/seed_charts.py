"""Charts of what stacked seeds cost: a training step in times of that of one seed, by how many are stacked."""

from __future__ import annotations

from collections.abc import Sequence

from ganbench.leaderboard.chart import Axis, Line, Panel, panel, path
from ganbench.leaderboard.grouping import group
from ganbench.leaderboard.numbers import clean
from ganbench.leaderboard.speed import beside
from ganbench.times import VariantTimes

WIDTH, HEIGHT = 260.0, 150.0  # pixels
FEWEST = 3  # numbers of seeds that make a line
TONES = (0, 1, 2, 3, 5, 6, 7)  # of report.css; 4 is that of what stands behind
CAPTION = "A step of all stacked seeds in times of that of one. Dashed: what as many seeds cost that are trained one by one."


def seed_charts(records: Sequence[VariantTimes]) -> list[Panel]:
    """A chart for each data set, from the time records of one device: of variants with one seed and two more numbers of them.

    Both axes are logarithmic. Empty where no variant was timed so often.
    """
    charts = []
    for dataset, members in group(records, lambda record: record.dataset.name).items():
        costs = {name: _costs(each, records) for name, each in group(members, _named).items()}
        costs = {name: each for name, each in costs.items() if len(each) >= FEWEST}
        if costs:
            charts.append(_chart(dataset, costs))
    return charts


def _named(record: VariantTimes) -> str:
    """A variant, and how it was executed where that is not as usual: a line of its own."""
    how = ["compiled" if record.how.get("compile") else "", str(record.how.get("precision", ""))]
    return ", ".join([record.variant.name, *filter(None, how)])


def _costs(of_one_variant: Sequence[VariantTimes], among: Sequence[VariantTimes]) -> list[tuple[float, float]]:
    """Pairs (seeds, the step's time in times of one seed's), in their order, without those that cannot be compared."""
    found = {record.seeds: beside(record, among, record.variant.name, 1) for record in of_one_variant}
    return [(float(seeds), cost) for seeds, cost in sorted(found.items()) if cost is not None]


def _chart(dataset: str, costs: dict[str, list[tuple[float, float]]]) -> Panel:
    most = max(seeds for pairs in costs.values() for seeds, _ in pairs)
    every = [cost for pairs in costs.values() for _, cost in pairs]
    x = Axis(1.0, most, WIDTH, log=True)
    y = Axis(min(1.0, *every), max(most, *every), HEIGHT, log=True)
    lines = [
        Line(
            name=clean(name),
            tone=TONES[place % len(TONES)],
            mean=path(x, y, list(pairs)),
            apart=(path(x, y, [(1.0, 1.0), (most, most)]),),
        )
        for place, (name, pairs) in enumerate(costs.items())
    ]
    return panel(f"Cost of seeds on {clean(dataset)}", x, y, lines)
