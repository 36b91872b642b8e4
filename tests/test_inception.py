"""Inception by torch-fidelity, with random weights in the published file's format; no network is asked."""

import io
import os
import pickle
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch_fidelity import feature_extractor_inceptionv3 as theirs

from ganbench.errors import InvalidInputError, MissingDataError, UsageError
from ganbench.extractors import inception_v3_compat as inception
from ganbench.files import file_digest

LAYERS = ["2048", "logits_unbiased"]


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """torch-fidelity's network as it is initialised, with gains that keep its activations alive."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(theirs, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(theirs.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        torch.manual_seed(0)
        made = theirs.FeatureExtractorInceptionV3("made", LAYERS)
    for module in made.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    return made


@pytest.fixture(scope="module")
def weights(network: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of torch's downloads, empty, on a machine without a network."""

    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    return tmp_path / "checkpoints" / inception.FILE


def images(count: int, channels: int = 3, side: int = 20) -> Tensor:
    return torch.randint(0, 256, (count, channels, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_it_is_torch_fidelitys_network(network: torch.nn.Module, weights: Path) -> None:
    loaded = inception.load(weights, "cpu")
    found = loaded.extract(images(3))
    features, logits = network(images(3))
    assert torch.equal(found.features, features)
    assert found.logits is not None
    assert torch.equal(found.logits, logits)
    assert (found.features.shape, found.logits.shape) == ((3, 2048), (3, 1008))
    assert found.features.std(dim=0).max() > 0.01  # the images can be told apart
    assert loaded.weights_hash == file_digest(weights)
    assert "not the published" in loaded.notes[0]


def test_grey_is_repeated_to_three_channels_and_batches_change_only_rounding(weights: Path) -> None:
    extract = inception.load(weights, "cpu").extract
    grey = images(3, channels=1)
    together = extract(grey).features
    assert torch.equal(together, extract(grey.repeat(1, 3, 1, 1)).features)
    alone = torch.cat([extract(grey[i : i + 1]).features for i in range(3)])
    scale = together.abs().max().item()
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-4 * scale)  # float32 (6e-8) through 48 layers of up to 4,000 terms


@pytest.mark.parametrize("wrong", [images(2, channels=2), images(2).float(), images(2)[0], torch.zeros(3, 2)])
def test_other_items_are_refused(weights: Path, wrong: Tensor) -> None:
    with pytest.raises(UsageError, match="uint8 images of 1 or 3 channels"):
        inception.load(weights, "cpu").extract(wrong)


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
        with pytest.raises(InvalidInputError, match=f"{name} does not hold Inception weights"):
            inception.load(tmp_path / name, "cpu")
    assert not (tmp_path / "harm").exists()


def test_damaged_and_other_files_are_refused(tmp_path: Path, weights: Path) -> None:
    files = {
        "short.pth": weights.read_bytes()[:5000],
        "empty.pth": b"",
        "text.pth": b"<html>Not Found</html>",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "other.pth")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    for name in (*files, "other.pth", "tensor.pth"):
        with pytest.raises(InvalidInputError, match=f"{name} does not hold Inception weights.*--weights FILE"):
            inception.load(tmp_path / name, "cpu")
    with pytest.raises(MissingDataError, match=r"absent\.pth cannot be read"):
        inception.load(tmp_path / "absent.pth", "cpu")


def test_without_a_file_and_a_network_it_says_where_the_weights_are(cache: Path) -> None:
    with pytest.raises(
        MissingDataError, match=r"https://github\.com/toshas/torch-fidelity/releases/.*6726825d\.pth.*--weights FILE"
    ) as caught:
        inception.load(None, "cpu")
    assert caught.value.exit_code == 3
    assert not cache.exists()


def test_the_address_is_torch_fidelitys_own() -> None:
    assert theirs.URL_INCEPTION_V3 == inception.RELEASE + inception.FILE


def test_a_download_is_kept_only_with_the_published_hash(cache: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO(weights.read_bytes()))
    with pytest.raises(MissingDataError, match="not 6726825d"):
        inception.load(None, "cpu")
    assert not cache.exists()
    monkeypatch.setattr(inception, "PUBLISHED", file_digest(weights)[:8])
    fetched = inception.load(None, "cpu")
    assert (fetched.weights_hash, fetched.notes) == (file_digest(weights), ())
    assert cache.read_bytes() == weights.read_bytes()
    cache.write_bytes(b"damaged")
    with pytest.raises(InvalidInputError, match=r"damaged.*delete it"):
        inception.load(None, "cpu")
