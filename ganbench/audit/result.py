"""The result of an audit: every raw number, and what follows from them. Its tables and its figure are functions of it alone."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ganbench.audit.damage import Kind
from ganbench.record import Model, Plain

SCHEMA = 1

Told = Literal["worse", "better", "no", "gap"]
# "tells": told as worse at a level and at all stronger ones that have values. "partly": at some level, but not at the strongest.
# "misses": never. "rewards": told as better at some level, whatever it does at the others. "gap": no level has values enough.
Verdict = Literal["tells", "partly", "misses", "rewards", "gap"]


class AuditedMetric(Model):
    """A metric and its values of real against real. `seconds` are of processor time for one value, the mean over all."""

    name: str
    label: str
    version: int
    better: Literal["higher", "lower"]
    conventions: dict[str, str | int | float]
    real: list[float]
    seconds: float


class AuditedDamage(Model):
    """A damage and its levels from weak to strong. `distinct` is the mean share of the samples that are distinct, a level."""

    name: str
    kind: Kind
    unit: str
    levels: list[float]
    distinct: list[float]


class Response(Model):
    """What a metric says of a damage.

    `values` are one list a level, one value a repeat, None where the metric gives none (`gaps` say why, with a few reasons). `told`
    is the verdict of each level, "gap" where the missing values leave too few. `rho` is Spearman's between the level's rank (0:
    undamaged) and the worsening; None where all values are equal.
    """

    metric: str
    damage: str
    values: list[list[float | None]]
    gaps: list[str]
    rho: float | None
    told: list[Told]
    verdict: Verdict
    told_from: float | None
    rewarded_at: list[float]


class Audit(Model):
    """An audit. `samples` is N; the reference are 2 N items and the held-out data N."""

    schema_number: int = Field(default=SCHEMA, alias="schema")
    ganbench_version: str
    command: str
    dataset: str
    dataset_hash: str
    extractor: dict[str, Plain]
    samples: int
    repeats: int
    real_repeats: int
    seed: int
    rule: str
    metrics: list[AuditedMetric]
    damages: list[AuditedDamage]
    responses: list[Response]
    skipped: dict[str, str]
    notes: list[str]

    def response(self, metric: str, damage: str) -> Response:
        """The response of one metric to one damage."""
        return next(each for each in self.responses if (each.metric, each.damage) == (metric, damage))
