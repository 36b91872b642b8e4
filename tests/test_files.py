"""Files written whole or not at all; streams and records that are equal everywhere."""

import json
import math
import os
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_records import made_record

from ganbench.errors import InvalidInputError, MissingDataError, UsageError
from ganbench.files import canonical_json, digest, file_digest, write_atomically
from ganbench.record import Score, load_record, load_records
from ganbench.rng import stream, stream_seed


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    contents = {bytes([letter]) * 200_000 for letter in b"ab"}
    write_atomically(path, b"a" * 200_000)
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(40):
        write_atomically(path, (b"a", b"b")[turn % 2] * 200_000)
    done.set()
    reader.join()
    assert seen <= contents
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(UsageError, match="No space left on device"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_hashes_are_sha256() -> None:
    # The published test vector of "abc" (FIPS 180-2, appendix B.1).
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert canonical_json({"b": 1, "a": [1.5, None]}) == '{"a":[1.5,null],"b":1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(math.nan)


def test_a_files_hash_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert file_digest(tmp_path / "f") == digest(b"abc")


def test_streams_of_different_names_differ_and_are_fixed() -> None:
    names = [(0, "init"), (1, "init"), (0, "latent"), (0, "epoch", 1), (0, "epoch", 11), (1, "epoch", 1)]
    assert len({stream_seed(*name) for name in names}) == len(names)
    # sha256 of "0:init": its first eight bytes, without the last bit.
    assert stream_seed(0, "init") == int(digest(b"0:init")[:16], 16) >> 1
    assert torch.equal(torch.rand(3, generator=stream(5, "a")), torch.rand(3, generator=stream(5, "a")))


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    record = made_record()
    record.save(tmp_path / "r.json")
    assert load_record(tmp_path / "r.json") == record
    assert json.loads((tmp_path / "r.json").read_text())["schema"] == 1


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("{", InvalidInputError, "is not a record"),
        ("[]", InvalidInputError, "no schema number"),
        ('{"schema": 99}', InvalidInputError, "schema 99, newer than 1"),
        ('{"schema": 1}', InvalidInputError, "is not a valid record"),
    ],
)
def test_what_is_no_record_is_named(tmp_path: Path, text: str, error: type, words: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(error, match=words):
        load_record(path)


def test_a_record_cut_anywhere_is_an_error(tmp_path: Path) -> None:
    whole = made_record().to_json()
    path = tmp_path / "r.json"
    for end in range(0, len(whole) - 3, 97):
        path.write_text(whole[:end])
        with pytest.raises(InvalidInputError):
            load_record(path)


def test_folders_of_records(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="There are no records in"):
        load_records([tmp_path])
    made_record().save(tmp_path / "records" / "a" / "seed-0.json")
    (tmp_path / "curves").mkdir()
    (tmp_path / "curves" / "seed-0.json").write_text("{}")
    assert len(load_records([tmp_path, tmp_path / "records" / "a" / "seed-0.json"])) == 1


@given(st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_score_is_finite(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Score(value=value, better="lower")


def test_a_protocol_key_names_what_decides_the_number() -> None:
    base = made_record().protocol
    assert base is not None
    label = next(iter(base.metrics))
    same = [
        base.model_copy(update={"notes": ["a note"]}),
        base.model_copy(update={"samples": base.samples.model_copy(update={"source": "elsewhere", "hash": "0" * 64})}),
        base.model_copy(update={"reference": base.reference.model_copy(update={"source": "/another/path"})}),
    ]
    other = [
        base.model_copy(update={"extractor": {**base.extractor, "weights_hash": "0" * 64}}),
        base.model_copy(update={"samples": base.samples.model_copy(update={"count": base.samples.count + 1})}),
        base.model_copy(update={"reference": base.reference.model_copy(update={"hash": "0" * 64})}),
        base.model_copy(update={"metrics": {label: {**base.metrics[label], "version": 99}}}),
    ]
    assert {each.key(label) for each in same} == {base.key(label)}
    assert len({each.key(label) for each in [base, *other]}) == 5
