"""Which records belong together: the same job twice, the seeds of one row, the runs that one protocol measured."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from ganbench.errors import InvalidInputError
from ganbench.files import digest
from ganbench.record import USUAL, Protocol, Record

T = TypeVar("T")

NAMED_DIFFERENCES = 4  # a name that says more than this is no name: a hash stands for the rest


def group(items: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    """Items by key, in the order in which keys are first met."""
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def shared_specification(record: Record) -> dict[str, Any]:
    """The specification without its seeds: equal for all seeds of one row."""
    return {name: value for name, value in record.specification.items() if name not in ("seed", "seeds")}


def specification_hash(record: Record) -> str:
    """sha256 (64 hex digits) of the specification without its seeds. Raises InvalidInputError when it is not plain finite JSON."""
    try:
        return digest(shared_specification(record))
    except (TypeError, ValueError):
        raise InvalidInputError(
            f"The specification of {record.variant.name} on {record.dataset.name}, seed {record.seed}, is not plain JSON of finite "
            "numbers; run its job again."
        ) from None


def row_identity(record: Record) -> str:
    """Equal for records that are seeds of one row: variant, the code that defines it, and specification without seeds."""
    return digest([record.variant.name, record.variant.source_hash, specification_hash(record)])


def dataset_identity(record: Record) -> str:
    """Equal for records of one data set of one content."""
    return digest(_dataset_facts(record) | {"name": record.dataset.name})


def is_scored(record: Record) -> bool:
    """True for a run that ended well and has scores. Raises InvalidInputError when its protocol does not cover them."""
    if record.status != "ok" or not record.scores:
        return False
    for label in record.scores:
        if record.protocol is None or label not in record.protocol.metrics:
            raise InvalidInputError(
                f"The record of {record.variant.name} on {record.dataset.name}, seed {record.seed}, has a score {label!r} that its "
                "protocol does not describe; score its checkpoint again."
            )
    return True


def distinct(records: Iterable[Record]) -> list[Record]:
    """Records in a stated order (data set, variant, specification, seed), one that stands there twice once.

    Raises InvalidInputError, naming both, when two records of one job and one seed disagree. Another suite, another version of
    ganbench and other file names are no disagreement.
    """
    kept: list[Record] = []
    for runs in group(sorted(records, key=_order), _job).values():
        first = runs[0]
        for other in runs[1:]:
            if _result(first) != _result(other):
                raise InvalidInputError(
                    f"Two records of {first.variant.name} on {first.dataset.name}, seed {first.seed}, of the same specification "
                    f"disagree: {_call(first)}, and {_call(other)}; leave one of them out."
                )
        kept.append(first)
    return kept


def _job(record: Record) -> str:
    return digest([dataset_identity(record), row_identity(record), record.seed])


def _order(record: Record) -> tuple[str, str, str, str, int, str]:
    name = record.dataset.name
    return name, dataset_identity(record), record.variant.name, row_identity(record), record.seed, record.fingerprint


def _result(record: Record) -> str:
    return record.model_copy(update={"suite": "", "ganbench_version": "", "files": {}}).fingerprint


def _call(record: Record) -> str:
    return f"suite {record.suite}, finished {record.timing.finished_at}, fingerprint {record.fingerprint[:12]}"


def _dataset_facts(record: Record) -> dict[str, Any]:
    facts = record.dataset
    return {"version": facts.version, "train_hash": facts.train_hash, "test_hash": facts.test_hash}


def dataset_titles(runs: Sequence[Record]) -> dict[str, str]:
    """A title for each data set by identity: its name, and what differs where two contents bear one name."""
    return _titles(runs, lambda r: r.dataset.name, dataset_identity, _dataset_facts)


def row_names(runs: Sequence[Record]) -> dict[str, str]:
    """A name for each row by identity: the variant's, and where one variant has several rows, its suite or what else differs.

    `wgan-gp (suite digits)` where every one of its rows is of another suite, else `wgan-gp (steps 400)`.
    """
    titles = _titles(
        runs, lambda r: r.variant.name, row_identity, lambda r: shared_specification(r) | {"code": r.variant.source_hash}
    )
    for variant, namesakes in group(runs, lambda r: r.variant.name).items():
        suites = {identity: {r.suite for r in members} for identity, members in group(namesakes, row_identity).items()}
        if 1 < len(suites) == len(set().union(*suites.values())) == sum(map(len, suites.values())):
            titles |= {identity: f"{variant} (suite {suite})" for identity, (suite,) in suites.items()}
    return titles


def _titles(
    runs: Sequence[Record],
    name: Callable[[Record], str],
    identity: Callable[[Record], str],
    facts: Callable[[Record], dict[str, Any]],
) -> dict[str, str]:
    titles = {}
    for title, namesakes in group(runs, name).items():
        first = {key: members[0] for key, members in group(namesakes, identity).items()}
        for key, text in zip(first, differences([facts(record) for record in first.values()]), strict=True):
            titles[key] = f"{title} ({text})" if text else title
    return titles


def score_order(runs: Iterable[Record]) -> list[str]:
    """The score labels of some records: `fid`, then `fd-...`, then the others as the record with most scores states them."""
    stated = dict.fromkeys(label for record in sorted(runs, key=lambda r: -len(r.scores)) for label in record.scores)
    return sorted(stated, key=lambda label: 0 if label == "fid" else 1 if label.startswith("fd-") else 2)


def setting(protocol: Protocol) -> dict[str, Any]:
    """The part of a protocol that all its scores share, and that must agree for rows to stand in one table."""
    comparable = protocol.model_dump(include={"dataset", "extractor", "reference"})
    return comparable | {"samples": {"count": protocol.samples.count, "quantisation": protocol.samples.quantisation}}


def blocks(runs: Sequence[Record]) -> list[list[Record]]:
    """The runs of one data set apart by what may be ranked together: one setting, and one protocol of the primary score.

    A run without scores stands where its own row does, else where its setting does, else where its suite does, else (nothing says
    where it would have stood) in every block, so that it is counted wherever its scores are missed.
    """
    scored = [
        block
        for members in group(filter(is_scored, runs), lambda r: digest(_setting_of(r))).values()
        for block in _by_primary_protocol(members)
    ]
    if not scored:
        return [list(runs)]
    rows = [set(map(row_identity, block)) for block in scored]
    suites = [{record.suite for record in block} for block in scored]
    places = range(len(scored))
    for record in runs:
        if not is_scored(record):
            own = [place for place in places if row_identity(record) in rows[place]]
            near = [place for place in places if record.protocol and _setting_of(scored[place][0]) == _setting_of(record)]
            beside = [place for place in places if record.suite in suites[place]]
            for place in own or near or beside or places:
                scored[place].append(record)
                rows[place].add(row_identity(record))
                suites[place].add(record.suite)
    return scored


def _setting_of(record: Record) -> dict[str, Any]:
    return {} if record.protocol is None else setting(record.protocol)


def _by_primary_protocol(members: list[Record]) -> list[list[Record]]:
    primary = score_order(members)[0]
    having = [record for record in members if primary in record.scores]
    parts = list(group(having, lambda r: r.protocol.key(primary) if r.protocol else "").values())
    rest = [record for record in members if primary not in record.scores]
    if len(parts) == 1:
        return [parts[0] + rest]
    return parts + _by_primary_protocol(rest) if rest else parts


def differences(facts: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each of some nested mappings, in words, how it differs from the others: ["steps 400", "steps 800"]; "" for a single one.

    No two of the texts are equal unless the mappings are.
    """
    flat = [_flatten(mapping) for mapping in facts]
    paths = sorted({path for mapping in flat for path in mapping})
    differing = [path for path in paths if len({json.dumps(mapping.get(path), sort_keys=True) for mapping in flat}) > 1]
    names = {path: _short(path, paths) for path in differing[:NAMED_DIFFERENCES]}
    texts = [", ".join(_phrase(name, mapping.get(path)) for path, name in names.items()) for mapping in flat]
    if len(set(texts)) < len(texts):
        hashes = [f"…{digest(dict(mapping))[:8]}" for mapping in facts]
        return [", ".join(filter(None, pair)) for pair in zip(texts, hashes, strict=True)]
    return texts


def _flatten(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in mapping.items():
        flat |= _flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _short(path: str, paths: Sequence[str]) -> str:
    last = path.rsplit(".", 1)[-1]
    return last if [p.rsplit(".", 1)[-1] for p in paths].count(last) == 1 else path.replace(".", " ")


def _phrase(name: str, value: Any) -> str:
    value = USUAL.get(name) if value is None else value
    return f"no {name}" if value is None else f"{name} {value_text(value)}"


def value_text(value: Any) -> str:
    """A plain value in few characters: a hash by its first 12 digits, another long value by its own hash."""
    text = value if isinstance(value, str) else json.dumps(value)
    if re.fullmatch(r"[0-9a-f]{32,}", text):
        return text[:12]
    return text if len(text) <= 40 else f"#{digest(text)[:8]}"
