"""The extractors: the weights that ship, their facts, and what each refuses."""

import functools
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import safetensors.torch
import torch
from small_data import SHARED
from torch import Tensor

from ganbench import registry
from ganbench.dataset import LoadedDataset, Location, Part, load_dataset
from ganbench.errors import GanbenchError, InvalidInputError, MissingDataError, UsageError
from ganbench.extractor import Extractor, LoadedExtractor, Loading
from ganbench.extractors import digits_cnn, features, mnist_cnn, points
from ganbench.files import file_digest
from ganbench.find_extractor import find_extractor
from ganbench.nets import classifier

CLASSIFIERS = {"digits-cnn": (digits_cnn, 8, 32), "mnist-cnn": (mnist_cnn, 28, 64)}
ROUNDING = 1e-12  # float64 sums of some hundred terms near 1, in another order


def images(count: int, channels: int, side: int) -> Tensor:
    draws = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, channels, side, side), dtype=torch.uint8, generator=draws)


@functools.cache
def loaded(name: str) -> LoadedExtractor:
    extractor: LoadedExtractor = registry.find("extractors", name).load().load(Loading())
    return extractor


@functools.cache
def digits() -> LoadedDataset:
    return load_dataset("digits", Location())


def right(name: str, part: Part) -> float:
    logits = loaded(name).extract(part.items).logits
    assert logits is not None
    assert part.labels is not None
    return (logits.argmax(dim=1) == part.labels).double().mean().item()


# --- every extractor


@pytest.mark.parametrize("name", registry.entries("extractors"))
def test_an_extractor_says_what_it_is_before_it_is_loaded(name: str) -> None:
    entry = registry.find("extractors", name)
    extractor = entry.load()
    assert isinstance(extractor, Extractor)
    assert extractor.paper
    assert entry.doc
    assert entry.facts["name"] == extractor.name == name


@pytest.mark.parametrize("name", registry.entries("extractors"))
def test_an_extractor_refuses_weights_that_are_none(name: str, tmp_path: Path) -> None:
    load = registry.find("extractors", name).load().load
    with pytest.raises(GanbenchError):
        load(Loading(tmp_path / "absent"))
    (tmp_path / "other").write_bytes(b"not weights at all")
    with pytest.raises(GanbenchError, match="other"):
        load(Loading(tmp_path / "other"))


# --- points


def test_points_are_their_own_features() -> None:
    given = torch.randn(7, 2, generator=torch.Generator().manual_seed(0))
    found = points.EXTRACTOR.load(Loading()).extract(given)
    assert torch.equal(found.features, given.double())
    assert found.logits is None
    with pytest.raises(UsageError, match="points takes"):
        points.extract(images(3, 1, 8))


# --- features


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_features_are_kept_as_they_are(dtype: torch.dtype) -> None:
    given = torch.randn(7, 5, dtype=dtype, generator=torch.Generator().manual_seed(0))
    found = features.EXTRACTOR.load(Loading()).extract(given)
    assert torch.equal(found.features, given)
    assert found.features.dtype == dtype
    assert features.extract(given.half()).features.dtype == torch.float32


@pytest.mark.parametrize("wrong", [images(3, 1, 8), torch.zeros(3), torch.zeros(3, 2, dtype=torch.int64)])
def test_features_are_rows_of_floats(wrong: Tensor) -> None:
    with pytest.raises(UsageError, match=r"features takes \(N, F\) floating-point features"):
        features.extract(wrong)


@pytest.mark.parametrize("module", [points, features])
def test_extractors_without_weights_refuse_a_file(module: ModuleType) -> None:
    with pytest.raises(UsageError, match=r"has no weights; leave out some\.pth"):
        module.load(Loading(Path("some.pth")))


# --- by reference

OWN = """
import numpy as np
import torch

def mean(images):
    return images.float().mean(dim=(2, 3))

class Named:
    @staticmethod
    def array(images):
        return images.numpy().reshape(len(images), -1).astype(">f8")

def greedy(images):
    images.zero_()
    return images.flatten(1).float()

def fewer(images): return torch.zeros(1, 3)
def flat(images): return torch.zeros(len(images))
def whole(images): return images.flatten(1)
def integers(images): return np.zeros((len(images), 3), dtype=np.int64)
def nothing(images): return None
def empty(images): return torch.zeros(len(images), 0)
def failing(images): raise KeyError("conv1")
number = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's in the current folder, under a name that no other test imported."""
    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    return name


def test_any_function_is_an_extractor(own: str) -> None:
    before = list(sys.path)
    extractor = find_extractor(f"{own}:mean")
    described = extractor.load(Loading())
    assert sys.path == before
    assert torch.equal(described.extract(images(4, 3, 8)).features, images(4, 3, 8).float().mean(dim=(2, 3)))
    assert (extractor.name, described.name, described.weights_hash) == (f"{own}:mean",) * 2 + (None,)
    assert "no hash" in described.notes[0]
    array = find_extractor(f"{own}:Named.array").load(Loading()).extract(images(4, 3, 8)).features
    assert torch.equal(array, images(4, 3, 8).flatten(1).double())
    given = images(4, 3, 8)
    find_extractor(f"{own}:greedy").load(Loading()).extract(given)
    assert torch.equal(given, images(4, 3, 8))  # other extractors read the same images
    with pytest.raises(UsageError, match=r"loads its own weights; leave out some\.pth"):
        extractor.load(Loading(Path("some.pth")))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fewer", r"float32 of shape \(1, 3\) for 4 items"),
        ("flat", r"float32 of shape \(4,\)"),
        ("whole", "uint8 of shape"),
        ("integers", "an array of int64"),
        ("nothing", "a NoneType"),
        ("empty", r"shape \(4, 0\)"),
        ("failing", "KeyError: 'conv1'"),
    ],
)
def test_a_function_that_gives_other_things_is_refused(own: str, name: str, said: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"The extractor {own}:{name} .*{said}"):
        find_extractor(f"{own}:{name}").load(Loading()).extract(images(4, 3, 8))


def test_references_that_name_no_extractor_are_refused(own: str, tmp_path: Path) -> None:
    (tmp_path / f"{own}_broken.py").write_text("raise OSError('no camera')")
    (tmp_path / "other.py").write_text('EXTRACTOR = dict(name="other")')
    for reference, error, said in (
        (f"{own}:number", UsageError, "is a int, which cannot be called"),
        (f"{own}:absent", UsageError, "has no attribute 'absent'"),
        ("no_such_module:f", UsageError, "No module named 'no_such_module'"),
        (":f", UsageError, "names no function"),
        (f"{own}:", UsageError, "names no function"),
        (f"{own}_broken:f", InvalidInputError, "OSError: no camera"),
        ("digit-cnn", UsageError, "did you mean digits-cnn"),
        (str(tmp_path / "other.py"), InvalidInputError, "holds a dict, not an Extractor"),
    ):
        with pytest.raises(error, match=said):
            find_extractor(reference)
    assert find_extractor("digits-cnn") is digits_cnn.EXTRACTOR


# --- the classifiers


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_weights_that_ship_are_those_of_their_json_and_small(name: str) -> None:
    module, _, _ = CLASSIFIERS[name]
    facts = json.loads(module.WEIGHTS.with_suffix(".json").read_text())
    assert facts["weights_sha256"] == file_digest(module.WEIGHTS) == loaded(name).weights_hash
    assert module.WEIGHTS.stat().st_size < 600_000
    assert facts["command"] == module.COMMAND
    assert module.COMMAND in (module.__doc__ or "")


def test_digits_cnn_has_the_accuracy_of_its_json_on_the_held_out_part() -> None:
    facts = classifier.facts(digits_cnn.WEIGHTS)
    assert (facts["train_hash"], facts["test_hash"]) == (digits().train.hash, digits().test.hash)
    assert right("digits-cnn", digits().test) == facts["test_accuracy"] >= 0.98


@pytest.mark.skipif(not (SHARED / "MNIST/raw").is_dir(), reason="MNIST is not here")
def test_mnist_cnn_has_the_accuracy_of_its_json_on_the_test_set() -> None:
    facts = classifier.facts(mnist_cnn.WEIGHTS)
    data = load_dataset("mnist", Location(root=SHARED))
    assert (facts["train_hash"], facts["test_hash"]) == (data.train.hash, data.test.hash)
    assert right("mnist-cnn", data.test) == facts["test_accuracy"] >= 0.99


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_gives_features_and_logits_of_each_channel(name: str) -> None:
    _, side, width = CLASSIFIERS[name]
    colour = images(5, 3, side)
    found = loaded(name).extract(colour)
    assert found.features.shape == (5, 3 * width)
    assert found.logits is not None
    assert found.logits.shape == (5, 3, 10)
    for channel in range(3):
        grey = loaded(name).extract(colour[:, channel : channel + 1])
        assert grey.logits is not None
        torch.testing.assert_close(grey.logits, found.logits[:, channel], rtol=ROUNDING, atol=ROUNDING)
        expected = found.features[:, channel * width : (channel + 1) * width]
        torch.testing.assert_close(grey.features, expected, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_logits_are_a_linear_map_of_the_features(name: str) -> None:
    """The features are the last hidden layer: the file's own weights take them to the logits."""
    module, side, _ = CLASSIFIERS[name]
    weights = safetensors.torch.load_file(module.WEIGHTS)
    found = loaded(name).extract(images(6, 1, side))
    expected = found.features @ weights["classify.weight"].double().T + weights["classify.bias"].double()
    torch.testing.assert_close(found.logits, expected, rtol=ROUNDING, atol=ROUNDING)
    assert found.features.std(dim=0).max() > 0.01


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize(
    "wrong", [images(2, 1, 9), images(2, 1, 28)[:, :, :8], images(2, 1, 8)[:, 0], images(2, 1, 8).float(), torch.zeros(3, 2)]
)
def test_a_classifier_refuses_other_images(name: str, wrong: Tensor) -> None:
    with pytest.raises(UsageError, match=rf"{name} takes \d+x\d+ images in uint8"):
        loaded(name).extract(wrong)


def test_changed_weights_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = safetensors.torch.load_file(digits_cnn.WEIGHTS)
    weights["classify.bias"] += 1e-3
    safetensors.torch.save_file(weights, tmp_path / "digits-cnn.safetensors")
    (tmp_path / "digits-cnn.json").write_bytes(digits_cnn.WEIGHTS.with_suffix(".json").read_bytes())
    other = digits_cnn.load(Loading(tmp_path / "digits-cnn.safetensors"))  # named by the user: another extractor, by its hash
    assert other.weights_hash == file_digest(tmp_path / "digits-cnn.safetensors") != loaded("digits-cnn").weights_hash
    monkeypatch.setattr(digits_cnn, "WEIGHTS", tmp_path / "digits-cnn.safetensors")
    with pytest.raises(InvalidInputError, match="sha256"):
        digits_cnn.load(Loading())
    (tmp_path / "digits-cnn.safetensors").unlink()
    with pytest.raises(MissingDataError, match=r"digits-cnn\.safetensors"):
        digits_cnn.load(Loading())


def test_weights_of_another_classifier_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="does not hold this network's weights"):
        digits_cnn.load(Loading(mnist_cnn.WEIGHTS))


def test_nan_weights_of_a_classifier_are_refused(tmp_path: Path) -> None:
    weights = safetensors.torch.load_file(digits_cnn.WEIGHTS)
    weights["classify.bias"][3] = float("nan")
    safetensors.torch.save_file(weights, tmp_path / "nan.safetensors")
    with pytest.raises(InvalidInputError, match=r"nan\.safetensors has NaN or infinite values in classify\.bias"):
        digits_cnn.load(Loading(tmp_path / "nan.safetensors"))


def small_digits() -> LoadedDataset:
    train, test = digits().train, digits().test
    assert train.labels is not None
    return LoadedDataset("digits", Part("train", train.items[:640], train.labels[:640]), test)


def test_training_writes_weights_that_load_and_repeat(tmp_path: Path) -> None:
    """Twelve passes over half of the digits; a tenth would be chance. On one machine the same seed gives the same bytes."""
    how, said = classifier.Training(epochs=12, shift=0), list[str]()
    for name in ("one", "two"):
        classifier.train_and_save(digits_cnn.build, small_digits(), how, tmp_path / f"{name}.safetensors", "by hand", said.append)
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    facts = classifier.facts(tmp_path / "one.safetensors")
    assert facts["test_accuracy"] > 0.9
    assert facts["weights_sha256"] == digits_cnn.load(Loading(tmp_path / "one.safetensors")).weights_hash
    assert (facts["train_count"], facts["command"], len(said)) == (640, "by hand", 26)


def test_training_needs_labels(tmp_path: Path) -> None:
    bare = LoadedDataset("bare", Part("train", images(4, 1, 8)), Part("test", images(4, 1, 8)))
    with pytest.raises(UsageError, match="no labels"):
        classifier.train_and_save(digits_cnn.build, bare, digits_cnn.TRAINING, tmp_path / "w.safetensors", "", print)


def test_shifted_images_keep_their_pixels() -> None:
    """A shift by up to 2 of an image whose border of 2 is black moves the middle about and loses none of it."""
    inner = torch.full((400, 1, 8, 8), -1.0)
    inner[:, :, 2:6, 2:6] = torch.rand(400, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    moved = classifier.shifted(inner, 2, torch.Generator().manual_seed(1))
    torch.testing.assert_close(moved.flatten(1).sort().values, inner.flatten(1).sort().values)
    assert len({tuple((image[0] > -1).nonzero()[0].tolist()) for image in moved}) == 25


def test_the_command_trains_on_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits_cnn, "TRAINING", classifier.Training(epochs=1, shift=1))
    monkeypatch.setattr(sys, "argv", ["digits_cnn", "--out", str(tmp_path / "w.safetensors")])
    digits_cnn.main()
    assert classifier.facts(tmp_path / "w.safetensors")["train_hash"] == digits().train.hash
    assert digits_cnn.load(Loading(tmp_path / "w.safetensors")).weights_hash == file_digest(tmp_path / "w.safetensors")


def test_the_command_for_mnist_reads_the_root_that_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["mnist_cnn", "--data-root", str(tmp_path), "--out", str(tmp_path / "w.safetensors")])
    with pytest.raises(MissingDataError, match=str(tmp_path)):
        mnist_cnn.main()
