"""Records of runs that never were: round numbers and made-up hashes. The fixtures of schema 1 were written by this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganbench.files import digest
from ganbench.leaderboard.summary import Table, summarise
from ganbench.record import DatasetFacts, Evaluation, Protocol, Record, Sampled, Score, Timing, VariantFacts

FIXTURES = Path(__file__).parent / "fixtures" / "records_v1"

FD = "fd-made-up-net"
SHAPES = {"ring": [2], "mnist": [1, 28, 28]}
METRICS: dict[str, dict[str, Any]] = {
    FD: {"name": "fd", "version": 1, "ddof": 1},
    "kid": {"name": "kid", "version": 1, "subsets": 100, "subset_size": 1000},
    "modes": {"name": "modes", "version": 1, "sigmas": 3},
}
BETTER = {"modes": "higher"}


def made_hash(*words: object) -> str:
    """64 hex digits that stand for a hash."""
    return digest("made up: " + " ".join(map(str, words)))


def made_protocol(dataset: str, labels: list[str], count: int = 1000, extractor: str = "made-up-net") -> Protocol:
    return Protocol(
        dataset=dataset,
        extractor={"name": extractor, "version": 1, "weights_hash": made_hash(extractor)},
        reference=Sampled(source=f"{dataset}:test", count=10000, hash=made_hash(dataset, "test"), quantisation="none"),
        samples=Sampled(source="generator", count=count, quantisation="none"),
        metrics={label: METRICS.get(label, {"name": label, "version": 1}) for label in labels},
    )


def made_record(
    variant: str = "wgan-gp",
    seed: int = 0,
    scores: dict[str, float] | None = None,
    *,
    dataset: str = "mnist",
    status: Any = "ok",
    control: bool = False,
    count: int = 1000,
    extractor: str = "made-up-net",
    specification: dict[str, Any] | None = None,
    **changes: Any,
) -> Record:
    """A record; `scores` are values by label, and `changes` are fields of the record as they are."""
    values = {"fd-made-up-net": 0.5} if scores is None else scores
    shape = SHAPES.get(dataset, [3, 32, 32])
    fields: dict[str, Any] = {
        "ganbench_version": "0.1.0",
        "suite": "made-up",
        "command": f"ganbench run made-up --only {variant}",
        "dataset": DatasetFacts(
            name=dataset, version=1, licence="none: made up", shape=shape,
            train_count=60000, train_hash=made_hash(dataset, "train"), test_count=10000, test_hash=made_hash(dataset, "test"),
        ),
        "variant": VariantFacts(
            name=variant, family="control" if control else "loss", control=control,
            paper="" if control else f"The paper of {variant}, arXiv:1234.56789",
            reference=variant, source_hash=made_hash(variant, "source"),
        ),
        "specification": {"steps": 400, "recipe": {"lr": 0.0002, "betas": [0.5, 0.999]}, "seed": seed} | (specification or {}),
        "seed": seed,
        "steps_done": 0 if control else 400 if status == "ok" else 123,
        "status": status,
        "message": None if status == "ok" else "a loss was not finite",
        "scores": {label: Score(value=value, better=BETTER.get(label, "lower")) for label, value in values.items()},
        "protocol": made_protocol(dataset, list(values), count, extractor) if values else None,
        "checkpoint_hash": None if control else made_hash(variant, seed, "checkpoint"),
        "parameters": {} if control else {"generator": 1_250_000, "discriminator": 900_000},
        "timing": Timing(
            train_seconds=0 if control else 48.0, stacked_seeds=4, images_per_second=None if control else 6400.0,
            finished_at="2026-01-31T12:00:00Z",
        ),
        "environment": {"torch": "2.11.0", "device": "made-up device"},
    }  # fmt: skip
    return Record(**(fields | changes))


def one_table(records: list[Record]) -> Table:
    (table,) = summarise(records)
    return table


def row_names(table: Table) -> list[str]:
    return [row.name for row in table.rows]


def seeds(variant: str, values: list[float], label: str = FD, **changes: object) -> list[Record]:
    return [made_record(variant, seed, {label: value}, **changes) for seed, value in enumerate(values)]


def with_metric(record: Record, label: str, **facts: object) -> Record:
    """The record with other conventions of one metric in its protocol."""
    metrics = record.protocol.metrics | {label: record.protocol.metrics[label] | facts}
    return record.model_copy(update={"protocol": record.protocol.model_copy(update={"metrics": metrics})})


def fixture_records() -> list[Record]:
    """The fixtures: three seeds and one diverged of one variant, one seed of another, and a control with a metric's own error."""
    records = [made_record("wgan-gp", seed, {"fd-made-up-net": 0.1 * (seed + 1), "kid": 0.01}) for seed in range(3)]
    records.append(made_record("wgan-gp", 3, {}, status="diverged"))
    evaluations = [
        Evaluation(step=step, scores={"fd-made-up-net": Score(value=4.0 - step / 100, better="lower")}) for step in (100, 200)
    ]
    records.append(
        made_record("dcgan", 0, {"fd-made-up-net": 0.7}, evaluations=evaluations, files={"samples": "samples/dcgan.png"})
    )
    own = {"kid": Score(value=0.001, better="lower", error=0.0002, error_kind="std over 100 subsets, ddof 0")}
    records.append(made_record("real", 0, {"fd-made-up-net": 0.01, "kid": 0.001}, control=True))
    records[-1] = records[-1].model_copy(update={"scores": records[-1].scores | own})
    return records


if __name__ == "__main__":
    for record in fixture_records():
        record.save(FIXTURES / f"{record.variant.name}-seed-{record.seed}.json")
