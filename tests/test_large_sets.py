"""Large sets of images: processes that decode, tables that list, shards, and moments in place of features."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from small_data import image_bytes, random_images, save_array, write_files

from ganbench.cache import FeatureCache
from ganbench.dataset import Location
from ganbench.errors import InvalidInputError, MissingDataError, UsageError
from ganbench.extractor import Features, LoadedExtractor
from ganbench.images import processes
from ganbench.images.listing import list_folder
from ganbench.images.parts import LISTERS
from ganbench.images.shards import expand, list_shards
from ganbench.images.table import ImageTable
from ganbench.moments import Moments, merge_moments, moments_of
from ganbench.score.collect import Collected, join_shares
from ganbench.score.request import Request, run_request
from ganbench.score.resample import Resampling
from ganbench.score.side import Pass
from ganbench.sources.open import open_samples
from ganbench.sources.samples import Reading, Samples

PIXELS = random_images(200)
CHANNELS_FIRST = torch.from_numpy(PIXELS.transpose(0, 3, 1, 2).copy())
FILES = {f"{k:03}.png": image_bytes(pixels) for k, pixels in enumerate(PIXELS)}
KINDS = ["images", "images.zip", "images.tar", "images.tgz"]

AS_THEY_ARE = LoadedExtractor("mine", 1, Features, resize="none")


def opened(reference: object, count: int | None = None, **options: bool) -> Samples:
    return open_samples(str(reference), Location(), Reading(count, **options))


@pytest.fixture
def with_processes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Two processes for sets of any size; their numbers, as they start."""
    started: list[int] = []
    start = processes.Process.__init__

    def noting(self: processes.Process, files: list[int]) -> None:
        start(self, files)
        started.append(self.process.pid)

    monkeypatch.setattr(processes, "FEWEST", 1)
    monkeypatch.setattr("ganbench.images.scan.worker_count", lambda: 2)
    monkeypatch.setattr(processes.Process, "__init__", noting)
    return started


# Processes


@pytest.fixture
def without_spool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets of any size are too large for one."""
    monkeypatch.setattr("ganbench.images.spool.MOST_BYTES", 0)


@pytest.mark.usefixtures("without_spool")
@pytest.mark.parametrize("kind", KINDS)
def test_processes_decode_what_this_one_would(kind: str, tmp_path: Path, with_processes: list[int]) -> None:
    path = write_files(tmp_path / kind, FILES)
    samples = opened(path)
    assert len(with_processes) == 2  # for the headers
    assert torch.equal(samples.items, CHANNELS_FIRST)
    assert len(with_processes) == 4
    for number in with_processes:
        with pytest.raises(ProcessLookupError):  # they have ended, and were waited for
            os.kill(number, 0)


@pytest.mark.parametrize("kind", ["images", "images.tgz"])
def test_a_bad_image_is_named_by_a_process(kind: str, tmp_path: Path, with_processes: list[int]) -> None:
    bad = write_files(tmp_path / kind, {**FILES, "150.png": FILES["150.png"][:-60]})
    samples = opened(bad)
    with pytest.raises(InvalidInputError, match=r"150\.png.* cannot be read .*; copy it again or take it out"):
        _ = samples.items


@pytest.mark.usefixtures("without_spool")
def test_processes_that_are_lost_cost_nothing_but_time(tmp_path: Path, with_processes: list[int]) -> None:
    path = write_files(tmp_path / "images", FILES)
    batches = opened(path).read(10)
    first = next(batches)
    for number in with_processes[2:]:
        os.kill(number, 9)
    assert torch.equal(torch.cat([first, *batches]), CHANNELS_FIRST)


@pytest.mark.usefixtures("without_spool")
def test_a_reader_that_stops_early_leaves_no_process(tmp_path: Path, with_processes: list[int]) -> None:
    batches = opened(write_files(tmp_path / "images", FILES)).read(10)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    for number in with_processes:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


def test_a_process_imports_no_torch() -> None:
    code = "import sys, ganbench.images.processes, ganbench.images.scan, ganbench.images.shards; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


# Tables


@pytest.mark.parametrize(("kind", "most"), [("folder", 40), ("zip", 80), ("tar", 56)])
def test_a_listed_file_takes_few_bytes(kind: str, most: int, tmp_path: Path) -> None:
    """Beside its name: two numbers for the name, and those of its place."""
    table = LISTERS[kind](write_files(tmp_path / {"folder": "images"}.get(kind, f"images.{kind}"), FILES))
    assert len(table) == 200
    assert (len(pickle.dumps((table.names, table.starts, table.lengths, table.where))) - 1000) / len(table) <= most


def test_parts_of_a_table(tmp_path: Path) -> None:
    table = list_folder(write_files(tmp_path / "images", {f"a/{name}": content for name, content in FILES.items()}))
    rows = np.random.default_rng(0).permutation(200)
    some = table.take(rows)
    sent: ImageTable = pickle.loads(pickle.dumps(some.part(50, 60)))
    assert [file.name for file in sent] == [f"{row:03}.png" for row in rows[50:60]]
    assert [file.name for file in some[50:60]] == [file.name for file in sent]
    assert sent[3].read() == FILES[f"{rows[53]:03}.png"]
    assert len(sent.names) == 10 * len("a/000.png")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_method_of_a_zip(method: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
        for name, content in list(FILES.items())[:20]:
            archive.writestr(name, content)
    (tmp_path / "y.zip").write_bytes(b"#!/bin/sh\n" + (tmp_path / "x.zip").read_bytes())  # as self-extracting ones are
    for name in ("x.zip", "y.zip"):
        assert torch.equal(opened(tmp_path / name).items, CHANNELS_FIRST[:20])


# Shards


def shards(folder: Path, beside: dict[str, bytes] | None = None, ending: str = "cls") -> str:
    """Four shards of 50 samples with classes; the pattern that names them."""
    for shard in range(4):
        files = {}
        for k in range(50 * shard, 50 * shard + 50):
            files[f"s/{k:03}.png"] = FILES[f"{k:03}.png"]
            files[f"s/{k:03}.{ending}"] = str(k % 7).encode() if ending == "cls" else json.dumps({"label": k % 7}).encode()
        write_files(folder / f"a-{shard:06}.tar", {**files, **(beside or {})} if shard == 3 else files)
    return str(folder / "a-{000000..000003}.tar")


@pytest.mark.parametrize("ending", ["cls", "json"])
def test_shards_with_classes(ending: str, tmp_path: Path) -> None:
    pattern = shards(tmp_path, ending=ending)
    samples = opened(pattern)
    assert samples.labels is not None
    assert samples.labels.tolist() == [k % 7 for k in range(200)]
    assert torch.equal(samples.items, CHANNELS_FIRST)
    some = opened(pattern, 20)
    assert some.labels is not None
    order = [next(k for k in range(200) if torch.equal(item, CHANNELS_FIRST[k])) for item in some.items]
    assert some.labels.tolist() == [k % 7 for k in order]
    assert torch.equal(opened(f"shards:{tmp_path / 'a-000001.tar'}").items, CHANNELS_FIRST[50:100])
    with pytest.raises(UsageError, match="has no parts"):
        opened(f"{pattern}:train")


def test_shards_are_read_by_processes(tmp_path: Path, with_processes: list[int]) -> None:
    assert torch.equal(opened(shards(tmp_path)).items, CHANNELS_FIRST)
    assert len(with_processes) == 2


def test_shards_without_all_classes_have_none(tmp_path: Path) -> None:
    assert opened(shards(tmp_path, {"s/z.png": FILES["000.png"], "s/z.txt": b"no class", "s/z.mask.npy": b"x"})).labels is None


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        (
            {"s/z.png": FILES["000.png"], "s/z.seg.png": FILES["001.png"]},
            r"s/z\.png and s/z\.seg\.png in .*000003\.tar are two images",
        ),
        ({"s/z.png": FILES["000.png"], "s/z.cls": b"cat"}, r"s/z\.cls in .*000003\.tar is no class"),
        ({"s/z.png": FILES["000.png"], "s/z.json": b"{"}, r"s/z\.json in .*000003\.tar is no JSON"),
        ({"s/z.png": FILES["000.png"], "s/z.json": b"[" * 10**5}, r"s/z\.json in .*000003\.tar is no JSON"),
        ({"s/z.png": FILES["000.png"], "s/z.cls": b"9" * 400}, r"s/z\.cls in .*000003\.tar says class 9{20}\.\.\., too large"),
        ({"s/z.png": FILES["000.png"], "s/z.json": b'{"cls": -9223372036854775809}'}, r"s/z\.json in .* too large"),
        ({"s/z.cls": b"1"}, r"s/z\.cls in .*000003\.tar has no image next to it"),
        ({"s/z.png": b"hello"}, r"s/z\.png in .*000003\.tar cannot be read"),
    ],
)
def test_samples_of_shards_that_are_no_samples(beside: dict[str, bytes], said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=said):
        opened(shards(tmp_path, beside))


def test_damaged_shards(tmp_path: Path) -> None:
    pattern = shards(tmp_path)
    last = tmp_path / "a-000003.tar"
    content = last.read_bytes()
    with tarfile.open(last) as archive:
        edge = archive.getmembers()[5].offset
    for cut in (edge, edge + 100, edge + 600, 0):
        last.write_bytes(content[:cut])
        with pytest.raises(InvalidInputError, match=r"a-000003\.tar.*(cut short|damaged)"):
            list_shards(pattern)
    last.unlink()
    with pytest.raises(MissingDataError, match=r"a-000003\.tar"):
        list_shards(pattern)
    write_files(tmp_path / "b.tgz", FILES).rename(last)
    with pytest.raises(InvalidInputError, match=r"a-000003\.tar is compressed"):
        list_shards(pattern)


def test_patterns_stand_for_what_a_shell_makes_of_them() -> None:
    for pattern in ("a{8..11}.tar", "a{08..11}.tar", "{a,b}-{1..2}.tar", "x{3..1}.tar", "{000..002}{,z}.tar"):
        told = subprocess.run(["bash", "-c", f"echo {pattern}"], capture_output=True, text=True, check=True).stdout.split()
        assert list(expand(pattern)) == told
    with pytest.raises(UsageError, match="stands for nothing"):
        expand("a{b}.tar")
    with pytest.raises(UsageError, match="more than 100,000 shards"):
        expand("{0..999}{0..999}.tar")
    with pytest.raises(UsageError, match=r"stands for a1\.tar twice"):
        expand("a{1..3}{,}.tar")


# Moments


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("sizes", [(1, 1, 7), (500, 1, 499), (300, 300, 400)])
def test_merged_moments_are_those_of_all(sizes: tuple[int, ...], offset: float) -> None:
    rows = torch.from_numpy(np.random.default_rng(0).normal(offset, 1, (sum(sizes), 6)))
    merged: Moments | None = None
    for part in rows.split(list(sizes)):
        merged = moments_of(part) if merged is None else merge_moments([merged, moments_of(part)])
    assert merged is not None
    assert merged.count == len(rows)
    assert np.allclose(merged.statistics.mean, rows.numpy().mean(axis=0), rtol=1e-14)
    assert np.allclose(merged.statistics.covariance, np.cov(rows.numpy(), rowvar=False), rtol=1e-11, atol=1e-13)


def feature_files(folder: Path, count: int = 3000, width: int = 20) -> tuple[str, str]:
    draws = np.random.default_rng(0)
    mixing = draws.normal(size=(width, width))
    ours = (draws.normal(size=(count, width)) @ mixing + 3).astype(np.float32)
    theirs = (draws.normal(size=(count, width)) @ mixing * 1.1 + 3.2).astype(np.float32)
    return str(save_array(folder / "ours.npy", ours)), str(save_array(folder / "theirs.npy", theirs))


def fd(files: tuple[str, str], how: Pass, metrics: tuple[str, ...] = ("fd",), resampling: Resampling | None = None) -> float:
    reading = Reading(features=True)
    scored = run_request(Request(files[0], files[1], metrics=metrics, reading=reading, how=how, resampling=resampling))
    return scored.scores["fd-features"].value


def test_moments_alone_give_the_number_of_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = feature_files(tmp_path)
    kept = fd(files, Pass())
    merged: list[int] = []
    monkeypatch.setattr("ganbench.score.collect.merge_moments", lambda both: merged.append(both[1].count) or merge_moments(both))
    assert fd(files, Pass(most_bytes=1000)) == pytest.approx(kept, rel=1e-9)
    assert merged
    merged.clear()
    assert fd(files, Pass(most_bytes=1000), ("fd", "kid")) == kept  # kid reads rows
    assert fd(files, Pass(most_bytes=1000), resampling=Resampling(count=10)) == kept  # intervals are of halves of the rows
    assert not merged


def test_moments_are_kept_without_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    how = Pass(cache=FeatureCache(tmp_path / "cache"), most_bytes=1000)
    sides = [
        str(write_files(tmp_path / name, files)) for name, files in (("ours", FILES), ("theirs", dict(list(FILES.items())[:150])))
    ]

    def score(metrics: tuple[str, ...]) -> float:
        request = Request(sides[0], sides[1], metrics=metrics, extractors=("digits-cnn",), how=how)
        return run_request(request).scores["fd-digits-cnn"].value

    first = score(("fd",))
    assert len(list((tmp_path / "cache/moments").glob("*.safetensors"))) == 2
    assert not list((tmp_path / "cache/features").glob("*.safetensors"))
    with monkeypatch.context() as patched:
        patched.setattr("ganbench.score.side.Collected.add", lambda *given: pytest.fail("read again"))
        assert score(("fd",)) == first
    assert score(("fd", "kid")) == pytest.approx(first, rel=1e-9)  # rows are wanted, so all is read again
    assert len(list((tmp_path / "cache/features").glob("*.safetensors"))) == 2


def test_bad_rows_are_named_without_features_too() -> None:
    rows = torch.randn(3000, 4)
    rows[[700, 2900], 3] = torch.nan
    collected = Collected(AS_THEY_ARE, 3000, range(3000), most_bytes=1000)
    for batch in rows.split(256):
        collected.add(batch)
    with pytest.raises(InvalidInputError, match=r"features of the samples are NaN or infinite in 2 of 3000 rows, first in row 700"):
        collected.join("samples")


def shares(rows: torch.Tensor, cut: int, most_bytes: int | None) -> list[dict[str, torch.Tensor]]:
    """What two processes say of the rows before and after `cut`, a multiple of the batch size."""
    found = []
    for here in (range(cut), range(cut, len(rows))):
        collected = Collected(AS_THEY_ARE, len(rows), here, most_bytes)
        for start in here[::256]:
            collected.add(rows[start : min(start + 256, here.stop)])
        found.append(collected.share())
    return found


@pytest.mark.parametrize("most_bytes", [None, 1000], ids=["rows", "moments"])
@pytest.mark.parametrize("cut", [0, 256, 1536, 3000])
def test_shares_of_processes_are_joined(cut: int, most_bytes: int | None) -> None:
    rows = torch.from_numpy(np.random.default_rng(0).normal(2, 1, (3000, 4)))
    joined = join_shares(shares(rows, cut, most_bytes), "samples")
    moments = joined.moments if isinstance(joined, Features) else joined
    assert isinstance(joined, Features) == (most_bytes is None)
    assert np.allclose(moments.mean, rows.numpy().mean(axis=0), rtol=1e-13)
    assert np.allclose(moments.covariance, np.cov(rows.numpy(), rowvar=False), rtol=1e-11, atol=1e-13)
    if isinstance(joined, Features):
        assert torch.equal(joined.features, rows)


def test_bad_rows_of_another_process_are_named_by_their_place_among_all() -> None:
    rows = torch.randn(3000, 4)
    rows[[700, 2900], 3] = torch.nan
    for most_bytes in (None, 1000):
        with pytest.raises(
            InvalidInputError, match=r"features of the samples are NaN or infinite in 2 of 3000 rows, first in row 700"
        ):
            join_shares(shares(rows, 512, most_bytes), "samples")
