"""A whole score: several extractors, needs, intervals, notes, and what is refused before the first image is read."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ganbench.cache import FeatureCache
from ganbench.dataset import Location, load_dataset
from ganbench.errors import GanbenchError, InvalidInputError, MissingDataError, UsageError
from ganbench.record import Protocol
from ganbench.score.request import Request, run_request
from ganbench.score.resample import Resampling
from ganbench.score.score import Scored
from ganbench.score.side import Pass
from ganbench.sources.samples import Reading

PIXELS = '''
"""Pixels in a grid of 4 x 4 means."""
import torch
from ganbench.extractor import Extractor, Features, LoadedExtractor

def load(how):
    pool = torch.nn.AdaptiveAvgPool2d(4)
    return LoadedExtractor("pixels", 1, lambda x: Features(pool(x.double()).flatten(1)), "none", weights_hash="00", side=16)

EXTRACTOR = Extractor(name="pixels", version=1, paper="none", feature_count=16, load=load)
'''


@pytest.fixture
def pixels(tmp_path: Path) -> str:
    path = tmp_path / "pixels.py"
    path.write_text(PIXELS)
    return str(path)


def run(**given: object) -> Scored:
    asked: dict[str, object] = {"samples": "digits:test", "reference": "digits"} | given
    return run_request(Request(**asked))  # type: ignore[arg-type]  # the table above is for the tests' sake


def test_a_data_set_is_scored_by_its_own_extractor_and_metrics() -> None:
    scored = run()
    dataset = load_dataset("digits", Location())
    assert "fd-digits-cnn" in scored.scores
    assert scored.protocol.reference.hash == dataset.train.hash
    assert scored.protocol.samples.hash == dataset.test.hash


def test_each_metric_is_taken_in_each_extractor_and_a_metric_of_its_own_in_one(pixels: str) -> None:
    scored = run(metrics=("fd", "kid"), extractors=("digits-cnn", pixels))
    assert set(scored.scores) == {"fd-digits-cnn", "kid-digits-cnn", "fd-pixels", "kid-pixels"}
    protocol = scored.protocol
    assert protocol.extractor_of("fd-digits-cnn")["name"] == "digits-cnn"
    assert protocol.extractor_of("fd-pixels")["name"] == "pixels"
    mixed = run(metrics=("fd", f"kid@{pixels}"), extractors=("digits-cnn",))
    assert set(mixed.scores) == {"fd-digits-cnn", "kid-pixels"}
    alone = run(metrics=("kid",), extractors=(pixels,))
    assert alone.scores["kid-pixels"] == mixed.scores["kid-pixels"] == scored.scores["kid-pixels"]
    assert alone.protocol.key("kid-pixels") == mixed.protocol.key("kid-pixels") == protocol.key("kid-pixels")


def test_with_several_extractors_a_metric_is_left_out_where_it_does_not_apply(pixels: str) -> None:
    scored = run(metrics=("fd", "is"), extractors=("digits-cnn", pixels))
    assert set(scored.scores) == {"fd-digits-cnn", "is-digits-cnn", "fd-pixels"}


def test_intervals_hold_the_value_and_say_what_they_are() -> None:
    scored = run(metrics=("fd", "kid"), resampling=Resampling(count=10))
    for score in scored.scores.values():
        assert score.interval is not None
        assert score.interval[0] < score.value < score.interval[1]
        assert score.interval_kind is not None
        assert "half-sample bootstrap" in score.interval_kind


def test_samples_alone_are_scored_where_no_metric_needs_a_reference() -> None:
    scored = run(reference=None, metrics=("is",))
    assert scored.protocol.reference.source == "none"
    with pytest.raises(UsageError, match="fd compares samples with real ones; name them with --reference"):
        run(reference=None, metrics=("fd",))


def test_the_held_out_part_of_the_references_data_set_is_found() -> None:
    scored = run(metrics=("ct",))
    held_out = scored.protocol.held_out
    assert held_out is not None
    assert held_out.hash == load_dataset("digits", Location()).test.hash
    assert scored.protocol.metrics["ct-digits-cnn"]["held_out_hash"] == held_out.hash


def test_notes_tell_of_counts_and_enlarged_images(pixels: str) -> None:
    notes = run(metrics=("fd",), extractors=(pixels,)).protocol.notes
    assert any("differ in number (600 samples, 1,197 in the reference)" in note for note in notes)
    same = run(metrics=("ct",)).protocol.notes
    assert any("the samples and the held-out data are the same items" in note for note in same)
    assert any("8 x 8 pixels are enlarged to 16 x 16 for pixels" in note for note in notes)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"metrics": ("fdd",)}, UsageError, "did you mean fd"),
        ({"metrics": ("fd@digits-cn",)}, UsageError, "did you mean digits-cnn"),
        ({"extractors": ("digits-cn",)}, UsageError, "did you mean digits-cnn"),
        ({"weights": {"": Path("nowhere.pth")}}, MissingDataError, "nowhere.pth"),
        ({"weights": {"vgg16": Path("nowhere.pth")}}, UsageError, "is for vgg16, and the extractors are digits-cnn"),
        ({"metrics": ("ppl",)}, UsageError, "steps in a generator's latent space"),
        ({"samples": "ring-8", "metrics": ("fd",)}, UsageError, "compare samples of one shape"),
        ({"samples": "digitz"}, UsageError, "did you mean digits"),
    ],
)
def test_what_cannot_be_right_is_refused_before_any_image_is_described(
    given: dict[str, object], error: type[GanbenchError], said: str, tmp_path: Path
) -> None:
    described: list[str] = []
    how = Pass(cache=FeatureCache(tmp_path), report=lambda what, done, total: described.append(what))
    with pytest.raises(error, match=said):
        run(how=how, **given)
    assert described == []


def test_ready_features_are_scored_as_they_are(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    one, other = draws.normal(size=(50, 3)), draws.normal(size=(60, 3)) + 1
    np.save(tmp_path / "one.npy", one)
    np.save(tmp_path / "other.npy", other)
    reading = Reading(features=True)
    scored = run(samples=str(tmp_path / "one.npy"), reference=str(tmp_path / "other.npy"), reading=reading, metrics=("fd",))
    apart = np.square(one.mean(0) - other.mean(0)).sum()
    roots = np.linalg.eigvals(np.cov(one.T) @ np.cov(other.T)).real
    expected = apart + np.trace(np.cov(one.T)) + np.trace(np.cov(other.T)) - 2 * np.sqrt(roots).sum()
    assert scored.scores["fd-features"].value == pytest.approx(expected, rel=1e-10)  # float64, three eigenvalues


def test_a_strangers_statistics_are_a_reference(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    one, other = draws.normal(size=(50, 3)), draws.normal(size=(60, 3)) + 1
    np.save(tmp_path / "one.npy", one)
    np.save(tmp_path / "other.npy", other)
    np.savez(tmp_path / "stats.npz", mu=other.mean(0), sigma=np.cov(other.T))
    reading = Reading(features=True)
    asked = {"samples": str(tmp_path / "one.npy"), "reading": reading, "metrics": ("fd",)}
    by_rows, by_file = (run(reference=str(tmp_path / name), **asked) for name in ("other.npy", "stats.npz"))
    assert by_file.scores["fd-features"].value == pytest.approx(by_rows.scores["fd-features"].value, rel=1e-10)
    with pytest.raises(UsageError, match="kid compares features, which FID statistics do not hold"):
        run(reference=str(tmp_path / "stats.npz"), **asked | {"metrics": ("kid",)})


def test_wrong_features_never_become_a_number(tmp_path: Path) -> None:
    bad = np.zeros((20, 3))
    bad[[4, 9]] = np.nan
    np.save(tmp_path / "bad.npy", bad)
    np.save(tmp_path / "good.npy", np.random.default_rng(0).normal(size=(20, 3)))
    reading = Reading(features=True)
    with pytest.raises(InvalidInputError, match=r"2 of 20 rows.* 4"):
        run(samples=str(tmp_path / "bad.npy"), reference=str(tmp_path / "good.npy"), reading=reading, metrics=("fd",))


def command(*words: str, cache: Path) -> subprocess.CompletedProcess[str]:
    given = [sys.executable, "-m", "ganbench", "score", *words, "--cache", str(cache), "--device", "cpu"]
    return subprocess.run(given, capture_output=True, text=True, timeout=300, check=False)


def test_the_command_prints_one_document_and_the_second_time_from_the_cache(tmp_path: Path) -> None:
    words = ("digits:test", "--reference", "digits", "--metrics", "fd,kid", "--ci", "--resamples", "10", "--json")
    first, second = (command(*words, cache=tmp_path) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    document = json.loads(first.stdout)
    assert document == json.loads(second.stdout)
    assert set(document["scores"]["fd-digits-cnn"]) == {"value", "better", "interval", "interval_kind"}
    Protocol.model_validate(document["protocol"])
    assert len(list(tmp_path.glob("features/*.safetensors"))) == 2


def test_intervals_are_shown_and_stdout_holds_no_progress(tmp_path: Path) -> None:
    shown = command("digits:test", "-r", "digits", "--metrics", "fd", "--ci", "--resamples", "10", cache=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[0].startswith("fd-digits-cnn ")
    assert "[low, high]: 95 %" in shown.stdout
    torch.testing.assert_close(
        float(shown.stdout.split()[1]), run(metrics=("fd",)).scores["fd-digits-cnn"].value, rtol=1e-5, atol=0
    )
