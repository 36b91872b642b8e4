"""Features kept by content: what is computed once, what is noticed, and what a damaged or absent file comes to."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganbench.cache import FeatureCache, default_folder, feature_key
from ganbench.dataset import Location, content_hash
from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Features, LoadedExtractor
from ganbench.score.side import Pass, keep_moments, read_side
from ganbench.sources.open import open_samples
from ganbench.sources.samples import Reading, Samples, in_memory


def numbers(count: int = 40, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (count, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@dataclass
class Counting:
    """Items and extractors that count how often each item is read and described."""

    items: Tensor
    read_items: int = 0
    described: dict[str, int] = field(default_factory=dict)

    def samples(self, fingerprint: str | None = "f" * 64) -> Samples:
        def read(size: int) -> Iterator[Tensor]:
            for batch in self.items.split(size):
                self.read_items += len(batch)
                yield batch

        return Samples("counted", len(self.items), tuple(self.items.shape[1:]), read, fingerprint)

    def extractor(self, name: str = "mean", weights: str | None = "ab" * 32) -> LoadedExtractor:
        def extract(batch: Tensor) -> Features:
            self.described[name] = self.described.get(name, 0) + len(batch)
            flat = batch.flatten(1).double()
            return Features(torch.stack([flat.mean(1), flat.std(1)], dim=1), flat[:, :3])

        return LoadedExtractor(name, 1, extract, "none", weights_hash=weights)


def equal(one: Features, other: Features) -> bool:
    assert one.logits is not None
    assert other.logits is not None
    return torch.equal(one.features, other.features) and torch.equal(one.logits, other.logits)


def test_each_item_is_read_once_and_described_once_by_each_extractor() -> None:
    counting = Counting(numbers())
    side = read_side(counting.samples(), [counting.extractor("a"), counting.extractor("b")], Pass(batch_size=7))
    assert counting.read_items == 40
    assert counting.described == {"a": 40, "b": 40}
    assert side.facts.hash == content_hash(counting.items)


def test_the_second_pass_reads_and_computes_nothing(tmp_path: Path) -> None:
    counting, how = Counting(numbers()), Pass(cache=FeatureCache(tmp_path))
    first = read_side(counting.samples(), [counting.extractor()], how)
    second = read_side(counting.samples(), [counting.extractor()], how)
    assert (counting.read_items, counting.described) == (40, {"mean": 40})
    assert equal(first.features["mean"], second.features["mean"])
    assert first.facts == second.facts


def test_another_extractor_reads_again_but_describes_only_its_own(tmp_path: Path) -> None:
    counting, how = Counting(numbers()), Pass(cache=FeatureCache(tmp_path))
    read_side(counting.samples(), [counting.extractor("a")], how)
    read_side(counting.samples(), [counting.extractor("a"), counting.extractor("b")], how)
    assert counting.described == {"a": 40, "b": 40}
    assert counting.read_items == 80


def test_features_are_found_by_content_whatever_the_source(tmp_path: Path) -> None:
    counting, how = Counting(numbers()), Pass(cache=FeatureCache(tmp_path))
    read_side(counting.samples(), [counting.extractor()], how)
    read_side(in_memory("elsewhere", counting.items), [counting.extractor()], how)
    assert counting.described == {"mean": 40}


@pytest.mark.parametrize("what", ["name", "version", "weights_hash", "resize", "arithmetic"])
def test_what_features_depend_on_is_in_the_key(what: str) -> None:
    extractor = Counting(numbers()).extractor()
    other = replace(extractor, **{what: 2 if what == "version" else "other"})
    assert feature_key("00", extractor, None) != feature_key("00", other, None)
    assert feature_key("00", extractor, None) != feature_key("01", extractor, None)
    assert feature_key("00", extractor, 32) != feature_key("00", extractor, 64)


def test_features_of_unknown_weights_are_never_kept(tmp_path: Path) -> None:
    counting, how = Counting(numbers()), Pass(cache=FeatureCache(tmp_path))
    for _ in range(2):
        read_side(counting.samples(), [counting.extractor(weights=None)], how)
    assert counting.described == {"mean": 80}


@pytest.mark.parametrize("damage", [b"", b"not tensors", None])
def test_a_damaged_file_counts_as_absent(tmp_path: Path, damage: bytes | None) -> None:
    counting, how = Counting(numbers()), Pass(cache=FeatureCache(tmp_path))
    first = read_side(counting.samples(), [counting.extractor()], how)
    for path in [*tmp_path.glob("features/*"), *tmp_path.glob("sources/*")]:
        path.write_bytes(path.read_bytes()[:-9] if damage is None else damage)
    second = read_side(counting.samples(), [counting.extractor()], how)
    assert counting.described == {"mean": 80}
    assert equal(first.features["mean"], second.features["mean"])


def test_moments_are_kept_where_a_metric_asked_for_them(tmp_path: Path) -> None:
    counting, cache = Counting(numbers()), FeatureCache(tmp_path)
    how, extractor = Pass(cache=cache), counting.extractor()
    side = read_side(counting.samples(), [extractor], how)
    keep_moments(side, [extractor], how)
    assert not list(tmp_path.glob("moments/*"))  # nobody asked
    asked = side.features["mean"].moments
    keep_moments(side, [extractor], how)
    known = read_side(counting.samples(), [extractor], how).features["mean"].known_moments
    assert known is not None
    assert torch.equal(known.mean, asked.mean)
    assert torch.equal(known.covariance, asked.covariance)


def test_features_that_are_no_numbers_are_not_kept(tmp_path: Path) -> None:
    bad = LoadedExtractor("bad", 1, lambda batch: Features(torch.full((len(batch), 2), torch.nan)), "none", weights_hash="00")
    with pytest.raises(InvalidInputError, match="in 40 of 40 rows, first in row 0"):
        read_side(in_memory("made", numbers()), [bad], Pass(cache=FeatureCache(tmp_path)))
    assert not list(tmp_path.glob("features/*"))


def save_images(folder: Path, items: Tensor) -> None:
    folder.mkdir()
    for index, item in enumerate(items):
        Image.fromarray(item[0].numpy()).save(folder / f"{index:03d}.png")


def test_one_changed_pixel_of_one_file_is_noticed(tmp_path: Path) -> None:
    items, counting, how = numbers(), Counting(numbers()), Pass(cache=FeatureCache(tmp_path / "cache"))
    save_images(tmp_path / "images", items)

    def hash_now() -> str | None:
        samples = open_samples(str(tmp_path / "images"), Location(), Reading())
        return read_side(samples, [counting.extractor()], how).facts.hash

    before = hash_now()
    assert hash_now() == before == content_hash(items)
    assert counting.described == {"mean": 40}
    stamp = (tmp_path / "images" / "017.png").stat()
    items[17, 0, 2, 3] ^= 1
    Image.fromarray(items[17, 0].numpy()).save(tmp_path / "images" / "017.png")
    os.utime(tmp_path / "images" / "017.png", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert hash_now() == content_hash(items) != before
    assert counting.described == {"mean": 80}


def slow_pass(folder: Path, log: Path) -> None:
    counting = Counting(numbers())

    def extract(batch: Tensor) -> Features:
        with log.open("a") as file:
            file.write("described\n")
        time.sleep(0.5)
        return Features(batch.flatten(1).double())

    extractor = replace(counting.extractor("slow"), extract=extract)
    read_side(counting.samples(), [extractor], Pass(cache=FeatureCache(folder)))


def test_two_processes_share_the_work(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    log = tmp_path / "log"
    workers = [context.Process(target=slow_pass, args=(tmp_path / "cache", log)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert log.read_text().count("described") == 1


def test_a_killed_pass_leaves_no_half_file_and_no_lock(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    log = tmp_path / "log"
    worker = context.Process(target=slow_pass, args=(tmp_path / "cache", log))
    worker.start()
    while not log.exists():
        time.sleep(0.01)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(60)
    assert not list((tmp_path / "cache").glob("features/*"))
    slow_pass(tmp_path / "cache", log)  # waits for nobody
    assert len(list((tmp_path / "cache").glob("features/*"))) == 1


def test_a_cache_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"file/cache cannot be written; name another folder with --cache DIR, or --no-cache"):
        FeatureCache(tmp_path / "file" / "cache").check()


def test_clearing_removes_what_is_ganbenchs_and_nothing_else(tmp_path: Path) -> None:
    counting, cache = Counting(numbers()), FeatureCache(tmp_path)
    (tmp_path / "features").mkdir()
    mine = [tmp_path / "mine.txt", tmp_path / "features" / "mine.safetensors"]
    for path in mine:
        path.write_text("mine")
    read_side(counting.samples(), [counting.extractor()], Pass(cache=cache))
    assert cache.usage().files == 2
    cache.clear()
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(mine)
    assert not (tmp_path / "sources").exists()


@pytest.mark.parametrize("kind", ["features", "moments"])
def test_altered_numbers_count_as_absent(tmp_path: Path, kind: str) -> None:
    counting, cache = Counting(numbers()), FeatureCache(tmp_path)
    how, extractor = Pass(cache=cache), counting.extractor()
    side = read_side(counting.samples(), [extractor], how)
    expected = side.features["mean"].moments
    keep_moments(side, [extractor], how)
    (path,) = tmp_path.glob(f"{kind}/*")
    content = bytearray(path.read_bytes())
    content[-3] ^= 0x40  # in a number: the file still loads
    path.write_bytes(content)
    again = read_side(counting.samples(), [extractor], how).features["mean"]
    assert counting.described == {"mean": 80 if kind == "features" else 40}
    assert again.known_moments is None
    assert torch.equal(again.moments.covariance, expected.covariance)


def test_the_default_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("GANBENCH_CACHE", raising=False)
    assert default_folder() == tmp_path / "ganbench"
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "named"))
    assert default_folder() == tmp_path / "named"


def test_hashing_while_reading_gives_the_hash_of_the_whole() -> None:
    points = torch.from_numpy(np.random.default_rng(0).normal(size=(31, 3)).astype(np.float32))
    side = read_side(in_memory("points", points), [], Pass(batch_size=5))
    assert side.facts.hash == content_hash(points)
