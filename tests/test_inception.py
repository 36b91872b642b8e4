"""Inception by torch-fidelity, pytorch-fid and clean-fid, with random weights in the published format; no network is asked."""

import io
import os
import pickle
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_fid.inception
import torch
from PIL import Image
from small_weights import images, random_inception
from torch import Tensor
from torch_fidelity import feature_extractor_inceptionv3 as theirs
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from ganbench import resize
from ganbench.errors import InvalidInputError, MissingDataError, UsageError
from ganbench.extractor import Features, LoadedExtractor, Loading
from ganbench.extractors import inception_v3_clean_fid, inception_v3_compat, inception_v3_pytorch_fid
from ganbench.files import file_digest

# Float32 rounds at 6e-8, and 48 layers add up to 4,000 terms in another order; torch-fidelity itself is 2.7e-5 from float64.
CLOSE = 1e-4
MODULES = [inception_v3_compat, inception_v3_pytorch_fid, inception_v3_clean_fid]
WEIGHTS = "6726825d"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    random_inception(path)
    return path


@pytest.fixture(scope="module")
def network(weights: Path) -> theirs.FeatureExtractorInceptionV3:
    return theirs.FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], str(weights))


@pytest.fixture(scope="module")
def fast(weights: Path) -> LoadedExtractor:
    return inception_v3_compat.load(Loading(weights))


def logits_of(found: Features) -> Tensor:
    assert found.logits is not None
    return found.logits


def assert_close(found: Tensor, expected: Tensor) -> None:
    assert (found - expected).abs().max() <= CLOSE * expected.abs().max()


# --- torch-fidelity


@pytest.mark.parametrize("shape", [(3, 20), (1, 28), (3, 320)])
def test_features_are_torch_fidelitys(network: torch.nn.Module, fast: LoadedExtractor, shape: tuple[int, int]) -> None:
    given = images(3, *shape)
    features, logits = network(given.expand(-1, 3, -1, -1))
    for batch_size in (1, 2, 3):
        found = [fast.extract(batch) for batch in given.split(batch_size)]
        assert_close(torch.cat([each.features for each in found]), features)
        assert_close(torch.cat([logits_of(each) for each in found]), logits)
    assert features.std(dim=0).max() > 0.01  # the images can be told apart
    assert (found[0].features.dtype, fast.arithmetic) == (torch.float32, "folded float32")


def test_exact_features_are_torch_fidelitys_to_the_bit(network: torch.nn.Module, weights: Path) -> None:
    loaded = inception_v3_compat.load(Loading(weights, exact=True))
    for given in (images(5), images(1, 3, 40, 330), images(2, 1)):
        features, logits = network(given.expand(-1, 3, -1, -1))
        found = loaded.extract(given)
        assert torch.equal(found.features, features)
        assert torch.equal(logits_of(found), logits)
    assert loaded.arithmetic == "as torch-fidelity"
    assert loaded.facts["arithmetic"] == "as torch-fidelity"
    assert loaded.weights_hash == file_digest(weights)
    assert "not the published" in loaded.notes[0]


@pytest.mark.parametrize("shape", [(8, 8), (20, 33), (299, 299), (300, 500), (700, 650), (1000, 40)])
def test_the_resize_is_torch_fidelitys_to_the_bit(shape: tuple[int, int]) -> None:
    given = images(2, 3, *shape)
    expected = interpolate_bilinear_2d_like_tensorflow1x(given.float(), (299, 299), align_corners=False)
    assert torch.equal(resize.tf1_bilinear(given, 299), expected)


# --- pytorch-fid and clean-fid


@pytest.fixture(scope="module")
def pytorch_fids(weights: Path) -> torch.nn.Module:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pytorch_fid.inception, "load_state_dict_from_url", lambda *_, **__: torch.load(weights, weights_only=True))
        return pytorch_fid.inception.InceptionV3().eval()


@pytest.mark.parametrize("shape", [(3, 310), (1, 28)])
def test_features_are_pytorch_fids(pytorch_fids: torch.nn.Module, weights: Path, shape: tuple[int, int]) -> None:
    given = images(3, *shape)
    with torch.no_grad():
        expected = pytorch_fids(given.repeat(1, 3 // shape[0], 1, 1).float() / 255)[0][:, :, 0, 0]
    assert_close(inception_v3_pytorch_fid.load(Loading(weights)).extract(given).features, expected)
    exact = inception_v3_pytorch_fid.load(Loading(weights, exact=True))
    assert torch.equal(exact.extract(given).features, expected)
    assert exact.arithmetic == "as pytorch-fid"


def test_pytorch_fids_own_file_of_weights_is_taken(pytorch_fids: Any, weights: Path, tmp_path: Path) -> None:
    """Its network is torchvision's with other blocks; what that saves is the file that it publishes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pytorch_fid.inception, "load_state_dict_from_url", lambda *_, **__: torch.load(weights, weights_only=True))
        torch.save(pytorch_fid.inception.fid_inception_v3().state_dict(), tmp_path / "pt_inception.pth")
    found = inception_v3_pytorch_fid.load(Loading(tmp_path / "pt_inception.pth")).extract(images(2))
    assert torch.equal(found.features, inception_v3_pytorch_fid.load(Loading(weights)).extract(images(2)).features)


@pytest.mark.parametrize("shape", [(3, 310), (1, 28)])
def test_clean_fids_images_are_resized_by_pil(network: torch.nn.Module, weights: Path, shape: tuple[int, int]) -> None:
    """Written out for each channel as clean-fid does it; then torch-fidelity's layers, one after the other, without its resize."""
    given = images(2, *shape).expand(-1, 3, -1, -1)
    resized = np.empty((2, 3, 299, 299), np.float32)
    for index, channel in np.ndindex(2, 3):
        picture = Image.fromarray(given[index, channel].numpy().astype(np.float32))
        resized[index, channel] = np.asarray(picture.resize((299, 299), Image.Resampling.BICUBIC)).clip(0, 255)
    assert np.unique(resized).size > 256  # not quantised
    x = (torch.from_numpy(resized) - 128) / 128
    for name, layer in network.named_children():
        if name != "fc":
            x = layer(x)
    exact = inception_v3_clean_fid.load(Loading(weights, exact=True))
    assert torch.equal(exact.extract(images(2, *shape)).features, x.flatten(1))
    assert_close(inception_v3_clean_fid.load(Loading(weights)).extract(images(2, *shape)).features, x.flatten(1))


def test_the_three_protocols_differ(weights: Path) -> None:
    found = [module.load(Loading(weights)) for module in MODULES]
    features = [each.extract(images(1)).features for each in found]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (features[one] - features[other]).abs().max() > 10 * CLOSE * features[one].abs().max()
        assert found[one].resize != found[other].resize


# --- images and files that are refused


@pytest.mark.parametrize("wrong", [images(2, channels=2), images(2).float(), images(2)[0], torch.zeros(3, 2)])
def test_other_items_are_refused(fast: LoadedExtractor, wrong: Tensor) -> None:
    with pytest.raises(UsageError, match="uint8 images of 1 or 3 channels"):
        fast.extract(wrong)


class Harmful:
    """Unpickled without care, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_file_is_never_unpickled_without_care(tmp_path: Path) -> None:
    torch.save({"conv": Harmful(tmp_path / "harm")}, tmp_path / "new.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Harmful(tmp_path / "harm"), protocol=2))
    for name in ("new.pth", "old.pth"):
        with pytest.raises(InvalidInputError, match=rf"{name} does not hold Inception weights"):
            inception_v3_compat.load(Loading(tmp_path / name))
    assert not (tmp_path / "harm").exists()


def test_damaged_and_other_files_are_refused(tmp_path: Path, weights: Path) -> None:
    files = {"short.pth": weights.read_bytes()[:5000], "empty.pth": b"", "text.pth": b"<html>Not Found</html>"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "other.pth")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    torch.save({"epoch": 3}, tmp_path / "number.pth")
    for name in (*files, "folder", "other.pth", "tensor.pth", "number.pth"):
        with pytest.raises(InvalidInputError, match=rf"{name} does not hold Inception weights: .*--weights FILE"):
            inception_v3_compat.load(Loading(tmp_path / name))
    with pytest.raises(MissingDataError, match=r"absent\.pth cannot be read"):
        inception_v3_compat.load(Loading(tmp_path / "absent.pth"))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("Mixed_5b.branch1x1.conv.weight", lambda t: t.clone().fill_(float("nan")), "NaN or infinite"),
        ("fc.bias", lambda t: t + float("inf"), "1008 values that are NaN or infinite"),
        ("Mixed_7c.branch_pool.bn.running_var", lambda t: -t, "negative"),
        ("Conv2d_1a_3x3.conv.weight", lambda t: t[:, :1], r"Conv2d_1a_3x3.conv.weight has shape \(32, 1, 3, 3\)"),
        ("fc.weight", lambda t: t.int(), "fc.weight is int32"),
        ("fc.weight", None, "fc.weight is not there"),
        ("AuxLogits.fc.weight", lambda _: torch.zeros(3), "AuxLogits.fc.weight is one too many"),
    ],
)
def test_wrong_tensors_are_refused_when_loaded(weights: Path, tmp_path: Path, name: str, change: Any, said: str) -> None:
    state = torch.load(weights, weights_only=True)
    if change is None:
        del state[name]
    else:
        state[name] = change(state.get(name))
    torch.save(state, tmp_path / "wrong.pth")
    with pytest.raises(InvalidInputError, match=rf"wrong\.pth does not hold Inception weights: .*{said}"):
        inception_v3_compat.load(Loading(tmp_path / "wrong.pth"))


def test_loading_leaves_the_global_random_stream_alone(weights: Path) -> None:
    before = torch.get_rng_state()
    inception_v3_compat.load(Loading(weights))
    assert torch.equal(torch.get_rng_state(), before)


# --- without a file


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of torch's downloads, empty, on a machine without a network."""

    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    return tmp_path / "checkpoints" / inception_v3_compat.PUBLISHED.kept.name


@pytest.mark.parametrize("module", MODULES)
def test_without_a_file_and_a_network_it_says_where_the_weights_are(cache: Path, module: Any) -> None:
    with pytest.raises(MissingDataError, match=r"https://github\.com/.*6726825d\.pth.*--weights FILE") as caught:
        module.load(Loading())
    assert caught.value.exit_code == 3
    assert not cache.exists()


def test_the_addresses_are_the_tools_own() -> None:
    assert theirs.URL_INCEPTION_V3 == inception_v3_compat.PUBLISHED.url == inception_v3_clean_fid.PUBLISHED.url
    assert inception_v3_pytorch_fid.PUBLISHED.url == pytorch_fid.inception.FID_WEIGHTS_URL


def test_a_download_is_kept_only_with_the_published_hash(cache: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO(weights.read_bytes()))
    with pytest.raises(MissingDataError, match="not 6726825d"):
        inception_v3_compat.load(Loading())
    assert list(cache.parent.glob("*")) == []
    found = inception_v3_compat.PUBLISHED.__class__("Inception weights", theirs.URL_INCEPTION_V3, 91, file_digest(weights)[:8])
    monkeypatch.setattr(inception_v3_compat, "PUBLISHED", found)
    fetched = inception_v3_compat.load(Loading())
    assert (fetched.weights_hash, fetched.notes) == (file_digest(weights), ())
    assert cache.read_bytes() == weights.read_bytes()
    cache.write_bytes(b"damaged")
    with pytest.raises(InvalidInputError, match=r"damaged.*delete it"):
        inception_v3_compat.load(Loading())
