"""Samples to scores: extraction, the protocol, and which metrics may be asked for."""

import functools
import math

import pytest
import torch
from torch import Tensor

from ganbench import registry
from ganbench.dataset import ClassModes, LoadedDataset, Location, Modes, PointModes, load_dataset
from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Extractor, Features, LoadedExtractor, Loading, Statistics
from ganbench.metric import Evidence, Metric, Value
from ganbench.metrics import fd, kid
from ganbench.score.choose import Given, choose_metrics
from ganbench.score.score import Asked, Comparison, Scored, score
from ganbench.score.side import Pass, Side, read_side, side_of_statistics
from ganbench.sources.samples import StoredStatistics, in_memory

SQUARE = PointModes(centres=((0.0, 0.0), (4.0, 0.0)), sigma=1.0)


@functools.cache
def extractor(name: str) -> LoadedExtractor:
    loaded: LoadedExtractor = registry.find("extractors", name).load().load(Loading())
    return loaded


def made(name: str = "made", features: int = 2, logits: bool = False) -> LoadedExtractor:
    """An extractor of points that is no network: sums, in float32."""

    def extract(batch: Tensor) -> Features:
        found = batch.float() @ torch.arange(1.0, 1 + batch.shape[1] * features).reshape(batch.shape[1], features)
        return Features(found, found if logits else None)

    return LoadedExtractor(name, 3, extract, "by hand", weights_hash="ab" * 32, notes=("made by hand.",))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def side(items: Tensor, by: LoadedExtractor, source: str = "made") -> Side:
    return read_side(in_memory(source, items), [by], Pass())


def features(items: Tensor, by: LoadedExtractor, batch_size: int = 256) -> Features:
    found = read_side(in_memory("made", items), [by], Pass(batch_size)).features[by.name]
    assert isinstance(found, Features)
    return found


def scored(samples: Tensor, real: Tensor, by: LoadedExtractor, names: list[str], modes: Modes | None = None) -> Scored:
    metrics = [registry.find("metrics", name).load() for name in names]
    compared = Comparison(side(samples, by, "samples"), side(real, by, "real"), "made-data", modes)
    return score(compared, [Asked(by, metrics)])


# --- extraction


@pytest.mark.parametrize("batch_size", [1, 7, 8, 256])
def test_the_batch_size_changes_nothing_and_no_item_is_lost(batch_size: int) -> None:
    items = normal(23, 2)
    found = features(items, made(), batch_size).features
    assert torch.equal(found[:, 0], items[:, 0] + 3 * items[:, 1])


@pytest.mark.parametrize("batch_size", [1, 37, 100])
def test_the_batch_size_changes_a_networks_features_by_rounding_only(batch_size: int) -> None:
    items = load_dataset("digits", Location()).test.items[:100]
    whole, parts = features(items, extractor("digits-cnn"), 100), features(items, extractor("digits-cnn"), batch_size)
    torch.testing.assert_close(parts.features, whole.features, rtol=1e-12, atol=1e-12)  # float64, some hundred terms near 1
    torch.testing.assert_close(parts.logits, whole.logits, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_samples_are_refused(count: int) -> None:
    with pytest.raises(InvalidInputError, match=f"There are {count} samples"):
        features(normal(count, 2), made())


def test_features_that_are_not_finite_are_counted_over_all_batches() -> None:
    items = normal(30, 2)
    items[11] = math.nan
    items[27] = math.inf
    with pytest.raises(InvalidInputError, match="in 2 of 30 rows, first in row 11 "):
        features(items, made(), 10)


def test_an_extractor_that_loses_rows_is_found_out() -> None:
    loses = LoadedExtractor("loses", 1, lambda batch: Features(batch[1:]), "none")
    with pytest.raises(InvalidInputError, match="14 rows of features for 15 items"):
        features(normal(30, 2), loses, 15)


# --- scores and their protocol


def test_scores_carry_what_was_measured_and_how() -> None:
    real, samples = normal(50, 2), normal(40, 2, seed=1) + 0.2
    result = scored(samples, real, made(), ["fd", "kid"])
    assert list(result.scores) == ["fd-made", "kid-made"]
    evidence = Evidence(features(real, made()), features(samples, made()))
    expected = kid.compute(evidence)
    assert result.scores["fd-made"].value == fd.compute(evidence).value
    assert result.scores["fd-made"].better == "lower"
    got = result.scores["kid-made"]
    assert (got.value, got.error, got.error_kind) == (expected.value, expected.error, expected.error_kind)
    protocol = result.protocol
    assert protocol.dataset == "made-data"
    assert (protocol.reference.source, protocol.reference.count) == ("real", 50)
    assert (protocol.samples.source, protocol.samples.count) == ("samples", 40)
    assert protocol.extractor == {"name": "made", "version": 3, "weights_hash": "ab" * 32, "resize": "by hand"}
    assert protocol.metrics["fd-made"] == {"name": "fd", "version": 1, **fd.METRIC.conventions}
    assert protocol.metrics["kid-made"]["subset_size"] == 40  # of the smaller set, not the metric's 1000
    assert protocol.notes[0] == "made by hand."


def test_the_key_of_a_protocol_tells_subset_sizes_apart() -> None:
    real = normal(50, 2)
    few, more = (scored(normal(n, 2, seed=1), real, made(), ["kid"]).protocol for n in (30, 40))
    again = scored(normal(40, 2, seed=5), real, made(), ["kid"]).protocol
    assert few.metrics["kid-made"]["subset_size"] == 30
    assert few.key("kid-made") != more.key("kid-made") == again.key("kid-made")


def test_few_samples_are_noted() -> None:
    inception = made("inception-v3-compat", features=30, logits=True)
    result = scored(normal(20, 2), normal(40, 2), inception, ["fd", "is", "kid"])
    assert list(result.scores) == ["fid", "is", "kid"]
    assert result.protocol.notes[1].startswith("fid: fewer samples than features: the covariance of the samples")
    assert result.protocol.notes[2].startswith("fid: fewer than 10,000 samples (20)")
    assert result.protocol.notes[3].startswith("the sides differ in number (20 samples, 40 in the reference)")
    assert len(result.protocol.notes) == 4


def test_a_metric_that_gives_no_number_is_no_score() -> None:
    broken = Metric("broken", 1, "lower", (), "none", lambda _: Value(math.nan))
    real = normal(5, 2)
    with pytest.raises(InvalidInputError, match="broken gives nan"):
        score(Comparison(side(real, made()), side(real, made()), "made-data"), [Asked(made(), [broken])])


def test_samples_of_another_shape_than_the_reference_are_refused() -> None:
    images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(InvalidInputError, match="96 features and the reference 32"):
        scored(images, images[:, :1], extractor("digits-cnn"), ["fd"])


def test_points_and_their_modes_are_scored() -> None:
    real = torch.cat([normal(200, 2) + torch.tensor(centre) for centre in SQUARE.centres])
    result = scored(real[:200], real, extractor("points"), ["modes", "reverse-kl", "fd"], SQUARE)
    assert list(result.scores) == ["modes", "reverse-kl", "fd-points"]
    assert result.scores["fd-points"].value > 4  # half of the mass is 4 away: the means alone are 2 apart


def test_fid_statistics_are_a_reference() -> None:
    real, samples = normal(60, 2).double(), normal(50, 2, seed=1)
    points = extractor("points")
    stored = StoredStatistics("file", Statistics(real.mean(0), torch.cov(real.T)), "00" * 32)
    compared = Comparison(side(samples, points), side_of_statistics(stored, ["points"]), "made-data")
    result = score(compared, [Asked(points, [fd.METRIC])])
    expected = scored(samples, real.float(), points, ["fd"]).scores["fd-points"].value
    assert result.scores["fd-points"].value == pytest.approx(expected, rel=1e-10)


def test_real_digits_are_nearer_to_digits_than_noise_is() -> None:
    """Held-out digits against training digits, beside random pixels: the metrics must agree on which is which."""
    data: LoadedDataset = load_dataset("digits", Location())
    noise = torch.randint(0, 256, data.test.items.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    names = ["fd", "kid", "is", "modes", "reverse-kl"]
    real, bad = (
        scored(items, data.train.items, extractor("digits-cnn"), names, ClassModes(10)) for items in (data.test.items, noise)
    )
    assert list(real.scores) == ["fd-digits-cnn", "kid-digits-cnn", "is-digits-cnn", "modes", "reverse-kl"]
    for label, held_out in real.scores.items():
        gain = bad.scores[label].value - held_out.value
        assert label == "modes" or (gain > 0 if held_out.better == "lower" else gain < 0), label
    assert real.scores["modes"].value == 10


# --- which metrics may be asked for


def pick(names: list[str], by: str, modes: Modes | None = None, *, statistics: bool = False) -> list[str]:
    found: Extractor = registry.find("extractors", by).load()
    return [metric.name for metric in choose_metrics(names, found, Given(modes, "made-data", statistics=statistics))]


def test_metrics_are_found_by_name_each_once_in_order() -> None:
    assert pick(["kid", "fd", "kid"], "digits-cnn") == ["kid", "fd"]
    assert pick(["fid", "fd", "is"], "inception-v3-compat") == ["fd", "is"]
    assert pick(["modes", "high-quality", "reverse-kl"], "points", SQUARE) == ["modes", "high-quality", "reverse-kl"]
    assert pick(["modes", "reverse-kl"], "mnist-cnn", ClassModes(10, 3)) == ["modes", "reverse-kl"]
    assert pick(["is"], "mnist-cnn", ClassModes(10)) == ["is"]


@pytest.mark.parametrize(
    ("names", "by", "modes", "said"),
    [
        (["fdd"], "points", None, r"no metric called 'fdd'; did you mean fd"),
        (["fid"], "digits-cnn", None, r"ask for fd, which is reported as fd-digits-cnn"),
        (["is"], "points", None, r"metric is reads class logits, which the extractor points"),
        (["is"], "mnist-cnn", ClassModes(10, 3), r"one a channel of made-data"),
        (["modes"], "points", None, r"metric modes counts known modes, and made-data has none"),
        (["reverse-kl"], "points", ClassModes(10), r"metric reverse-kl tells the modes of made-data .* extractor points"),
        (["high-quality"], "digits-cnn", ClassModes(10), r"metric high-quality is for points .* made-data has none"),
        ([], "points", None, r"No metric is asked for"),
    ],
)
def test_a_metric_that_cannot_be_had_is_refused_before_any_work(names: list[str], by: str, modes: Modes | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        pick(names, by, modes)


def test_statistics_serve_the_frechet_distance_alone() -> None:
    assert pick(["fd"], "points", statistics=True) == ["fd"]
    with pytest.raises(UsageError, match="metric kid compares features, which FID statistics do not hold"):
        pick(["kid"], "points", statistics=True)
