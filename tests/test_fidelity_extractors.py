"""VGG16, CLIP, DINOv2 and LPIPS against torch-fidelity's own code, with small or random weights in the published formats."""

import os
import pickle
import types
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import torch_fidelity.feature_extractor_clip as their_clip
import torch_fidelity.feature_extractor_dinov2 as their_dinov2
import torch_fidelity.sample_similarity_lpips as their_lpips
import torchvision
from small_weights import images, randomise, small_vgg16, torchscript_of
from torch import Tensor, nn
from torch_fidelity.feature_extractor_vgg16 import FeatureExtractorVGG16

from ganbench import registry
from ganbench.errors import InvalidInputError, MissingDataError, UsageError
from ganbench.extractor import Extractor, Loading
from ganbench.extractors import clip, dinov2, lpips_vgg16, vgg16
from ganbench.files import digest, file_digest
from ganbench.nets.dinov2 import Architecture, DinoV2
from ganbench.weights.torchscript import read_tensors

CLOSE = 1e-5  # float32 (6e-8) through a few layers of at most some thousand terms, relative to the largest value
FAMILIES = ["vgg16", *(name for name in registry.entries("extractors") if name.startswith(("clip-", "dinov2-", "lpips-")))]
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
RGB_AND_GREY = [(3, 20), (1, 28), (3, 240)]


def assert_close(found: Tensor, expected: Tensor, relative: float = CLOSE) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= relative * expected.abs().max()


def rgb(given: Tensor) -> Tensor:
    return given.repeat(1, 3 // given.shape[1], 1, 1)


# --- VGG16


@pytest.fixture
def vgg_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torchvision.models, "vgg16", small_vgg16)
    torch.manual_seed(0)
    torch.save(randomise(small_vgg16()).state_dict(), tmp_path / "vgg16.pth")
    return tmp_path / "vgg16.pth"


@pytest.mark.parametrize("shape", RGB_AND_GREY)
def test_vgg16_is_torch_fidelitys(vgg_weights: Path, shape: tuple[int, int]) -> None:
    their = FeatureExtractorVGG16("vgg16", ["fc2_relu"], str(vgg_weights))
    loaded = vgg16.load(Loading(vgg_weights))
    found, (expected,) = loaded.extract(images(11, *shape)), their(rgb(images(11, *shape)))
    assert_close(found.features, expected)
    assert torch.equal(vgg16.load(Loading(vgg_weights, exact=True)).extract(images(11, *shape)).features, expected)
    assert found.features.shape == (11, 48)
    assert found.features.std(dim=0).max() > 1e-3
    assert (found.logits, loaded.side, loaded.weights_hash) == (None, 224, file_digest(vgg_weights))
    assert their.get_default_feature_layer_for_metric("prc") == "fc2_relu"


def test_the_real_vgg16_has_4096_features() -> None:
    with torch.device("meta"):
        network = vgg16.build()
    assert network.get_submodule("classifier.3").weight.shape == (vgg16.EXTRACTOR.feature_count, 4096)
    assert {"features.0.weight", "classifier.6.bias"} < set(network.state_dict())


# --- CLIP

SMALL_CLIP = clip.Model("clip-vit-b-32", 28, 14, 64, 2, 16, "none", 1, "")


def clip_tensors(dtype: torch.dtype = torch.float16) -> dict[str, Tensor]:
    """A small CLIP as OpenAI saves it: the matrices in float16, and a text encoder beside the visual one."""
    torch.manual_seed(0)
    made = their_clip.CLIPVisual(16, 28, 2, 64, 14)
    if dtype == torch.float16:
        their_clip.convert_weights(made)
    visual = {name: tensor.detach() for name, tensor in made.state_dict().items()}
    return visual | {"text_projection": torch.zeros(8, 16), "logit_scale": torch.zeros(()), "transformer.weight": torch.zeros(3)}


@pytest.fixture
def clip_archive(tmp_path: Path) -> Path:
    torchscript_of(clip_tensors(), tmp_path / "clip.pt")
    return tmp_path / "clip.pt"


@pytest.mark.parametrize("shape", RGB_AND_GREY)
def test_clip_is_torch_fidelitys(clip_archive: Path, shape: tuple[int, int]) -> None:
    their = their_clip.FeatureExtractorCLIP("clip-vit-b-32", ["clip"], str(clip_archive))
    loaded = clip.load(SMALL_CLIP, Loading(clip_archive))
    (expected,) = their(rgb(images(11, *shape)))
    assert_close(loaded.extract(images(11, *shape)).features, expected)
    assert torch.equal(clip.load(SMALL_CLIP, Loading(clip_archive, exact=True)).extract(images(11, *shape)).features, expected)
    assert expected.std(dim=0).max() > 1e-3
    assert (loaded.side, loaded.weights_hash) == (28, file_digest(clip_archive))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_clip_takes_a_state_dict(tmp_path: Path, dtype: torch.dtype) -> None:
    """As torch-fidelity rounds to float16 on its way, so do float32 files; only the visual part is needed."""
    tensors = clip_tensors(dtype)
    torchscript_of(tensors, tmp_path / "clip.pt")
    expected = clip.load(SMALL_CLIP, Loading(tmp_path / "clip.pt")).extract(images(2)).features
    (theirs,) = their_clip.FeatureExtractorCLIP("clip-vit-b-32", ["clip"], str(tmp_path / "clip.pt"))(images(2))
    assert_close(expected, theirs)
    torch.save({name: tensor for name, tensor in tensors.items() if name.startswith("visual.")}, tmp_path / "state.pt")
    safetensors.torch.save_file(tensors, tmp_path / "state.safetensors")
    for name in ("state.pt", "state.safetensors"):
        assert torch.equal(clip.load(SMALL_CLIP, Loading(tmp_path / name)).extract(images(2)).features, expected)


def test_another_clip_is_refused(clip_archive: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"clip\.pt does not hold clip-vit-b-32 weights: .*ViT-B-32\.pt"):
        clip.load(clip.B_32, Loading(clip_archive))


def test_the_addresses_of_clip_are_torch_fidelitys() -> None:
    for model in (clip.B_32, clip.B_16, clip.L_14, clip.L_14_336PX):
        assert model.published.url == their_clip.MODEL_URLS[model.name]


@pytest.mark.parametrize("model", [clip.B_32, clip.B_16, clip.L_14, clip.L_14_336PX], ids=lambda model: model.name)
def test_the_architectures_of_clip_are_those_of_their_names(model: clip.Model) -> None:
    """ViT-B has 12 layers of 768, ViT-L 24 of 1024 (Dosovitskiy et al. 2021, table 1); the rest stands in the name."""
    size, patch, *side = model.name.removeprefix("clip-vit-").split("-")
    expected = {"b": (768, 12), "l": (1024, 24)}[size]
    assert (model.width, model.depth) == expected
    assert (model.patch, model.side) == (int(patch), int(side[0].removesuffix("px")) if side else 224)


# --- TorchScript archives


def test_tensors_of_an_archive_are_those_of_torch_jit(clip_archive: Path) -> None:
    expected = torch.jit.load(clip_archive).state_dict()
    found = read_tensors(clip_archive)
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor)
        assert found[name].dtype == tensor.dtype


def test_views_of_one_storage_are_read(tmp_path: Path) -> None:
    storage = torch.arange(12.0)
    torchscript_of({"a": storage.view(3, 4).T, "b": storage[5:9]}, tmp_path / "views.pt")
    found = read_tensors(tmp_path / "views.pt")
    assert torch.equal(found["a"], storage.view(3, 4).T)
    assert torch.equal(found["b"], storage[5:9])


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def rewritten(archive: Path, path: Path, change: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(path, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, next((content for end, content in change.items() if name.endswith(end)), old.read(name)))


def test_an_archive_that_holds_code_in_its_pickle_is_refused(clip_archive: Path, tmp_path: Path) -> None:
    rewritten(clip_archive, tmp_path / "bad.pt", {"/data.pkl": pickle.dumps(Harmful(tmp_path / "harm"), protocol=2)})
    with pytest.raises(InvalidInputError, match=r"bad\.pt does not hold clip-vit-b-32 weights: it holds more than tensors"):
        clip.load(SMALL_CLIP, Loading(tmp_path / "bad.pt"))
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("change", [{"/data/0": b""}, {"/data/0": b"short"}, {"/data.pkl": b"junk"}])
def test_a_damaged_archive_is_refused(clip_archive: Path, tmp_path: Path, change: dict[str, bytes]) -> None:
    rewritten(clip_archive, tmp_path / "bad.pt", change)
    with pytest.raises(InvalidInputError, match=r"bad\.pt does not hold clip-vit-b-32 weights: it is damaged"):
        clip.load(SMALL_CLIP, Loading(tmp_path / "bad.pt"))


def test_an_archive_that_unpacks_to_more_than_its_size_is_refused(clip_archive: Path, tmp_path: Path) -> None:
    rewritten(clip_archive, tmp_path / "bad.pt", {}, zipfile.ZIP_DEFLATED)
    with pytest.raises(InvalidInputError, match=r"bad\.pt does not hold"):
        clip.load(SMALL_CLIP, Loading(tmp_path / "bad.pt"))


# --- DINOv2

SMALL_DINO = dinov2.Model("dinov2-vit-s-14", "none", Architecture(width=128, depth=2), 1)
GATED_DINO = dinov2.Model("dinov2-vit-g-14", "none", Architecture(width=128, depth=1, gated=True), 1)


def dino_tensors(model: dinov2.Model) -> dict[str, Tensor]:
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in DinoV2(model.architecture).state_dict().items()}
    draws = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=draws) * 0.1 for name, shape in shapes.items()}


class Dino(nn.Module):
    """DINOv2 from torch's own transformer layers: the factors of its blocks are multiplied into the matrices before them."""

    def __init__(self, tensors: dict[str, Tensor], width: int) -> None:
        super().__init__()
        self.tensors, self.width = tensors, width
        self.layers = [self.layer(f"blocks.{index}.") for index in range(2)]

    def layer(self, prefix: str) -> nn.Module:
        own = {name.removeprefix(prefix): tensor for name, tensor in self.tensors.items() if name.startswith(prefix)}
        made = nn.TransformerEncoderLayer(
            self.width, self.width // 64, 4 * self.width, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True
        )
        first, second = own["ls1.gamma"], own["ls2.gamma"]
        made.load_state_dict(
            {
                "self_attn.in_proj_weight": own["attn.qkv.weight"],
                "self_attn.in_proj_bias": own["attn.qkv.bias"],
                "self_attn.out_proj.weight": first[:, None] * own["attn.proj.weight"],
                "self_attn.out_proj.bias": first * own["attn.proj.bias"],
                "linear1.weight": own["mlp.fc1.weight"],
                "linear1.bias": own["mlp.fc1.bias"],
                "linear2.weight": second[:, None] * own["mlp.fc2.weight"],
                "linear2.bias": second * own["mlp.fc2.bias"],
                **{f"norm{n}.{kind}": own[f"norm{n}.{kind}"] for n in (1, 2) for kind in ("weight", "bias")},
            }
        )
        return made.eval()

    def forward(self, x: Tensor) -> Tensor:
        of = self.tensors
        patches = nn.functional.unfold(x, 14, stride=14).transpose(1, 2) @ of["patch_embed.proj.weight"].flatten(1).T
        grid = of["pos_embed"][0, 1:].T.reshape(1, self.width, 37, 37)
        scale = 16.1 / 37  # 224 / 14 patches of 518 / 14, and the 0.1 that Meta's code adds
        grid = nn.functional.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")
        assert grid.shape[2:] == (16, 16)
        tokens = patches + of["patch_embed.proj.bias"] + grid.flatten(2).transpose(1, 2)
        first = (of["cls_token"] + of["pos_embed"][:, :1]).expand(len(x), 1, self.width)
        tokens = torch.cat([first, tokens], 1)
        for layer in self.layers:
            tokens = layer(tokens)
        return nn.functional.layer_norm(tokens, (self.width,), of["norm.weight"], of["norm.bias"], 1e-6)[:, 0]


@pytest.mark.parametrize("shape", RGB_AND_GREY)
def test_dinov2_is_torch_fidelitys_around_torchs_own_layers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]
) -> None:
    tensors = dino_tensors(SMALL_DINO)
    torch.save(tensors, tmp_path / "dino.pth")
    monkeypatch.setattr(torch.hub, "load", lambda *_: Dino(tensors, 128))
    (expected,) = their_dinov2.FeatureExtractorDinoV2("dinov2-vit-s-14", ["dinov2"])(rgb(images(3, *shape)))
    loaded = dinov2.load(SMALL_DINO, Loading(tmp_path / "dino.pth"))
    assert_close(loaded.extract(images(3, *shape)).features, expected)
    assert expected.std(dim=0).max() > 1e-3
    assert (loaded.side, loaded.notes) == (224, ())


def test_the_gated_network_of_the_giant_is_swiglu(tmp_path: Path) -> None:
    """Shazeer 2020, arXiv:2002.05202, equation 6, in float64: (silu(x W) * x V) W2, with Meta's w12 = [W V] and w3 = W2."""
    tensors = dino_tensors(GATED_DINO)
    assert tensors["blocks.0.mlp.w12.weight"].shape == (2 * 344, 128)  # 2/3 of 512 is 341, up to a multiple of 8
    torch.save(tensors, tmp_path / "dino.pth")
    assert dinov2.load(GATED_DINO, Loading(tmp_path / "dino.pth")).extract(images(2)).features.shape == (2, 128)
    network = DinoV2(GATED_DINO.architecture)
    network.load_state_dict(tensors)
    x = torch.randn(1, 3, 128, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    of = {name.removeprefix("blocks.0.mlp."): tensor.double() for name, tensor in tensors.items()}
    gate, value = (x @ of["w12.weight"].T + of["w12.bias"]).split(344, dim=2)
    expected = (gate / (1 + (-gate).exp()) * value) @ of["w3.weight"].T + of["w3.bias"]
    torch.testing.assert_close(network.double().blocks[0].get_submodule("mlp")(x), expected, rtol=1e-12, atol=1e-12)


def test_meta_publishes_the_giant_with_4096_hidden() -> None:
    with torch.device("meta"):
        shape = DinoV2(Architecture(1536, 1, gated=True)).state_dict()["blocks.0.mlp.w12.weight"].shape
    assert shape == (8192, 1536)


# --- LPIPS


@pytest.fixture
def lpips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """torch-fidelity's LPIPS with random weights, kept in the two files that it reads: its own, and VGG16 in torch's cache."""
    torch.manual_seed(0)
    features = randomise(torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"]))
    draws = torch.Generator().manual_seed(1)
    widths = enumerate((64, 128, 256, 512, 512))
    lins = {f"lin{k}.model.1.weight": torch.rand(1, width, 1, 1, generator=draws) for k, width in widths}
    monkeypatch.setattr(their_lpips, "load_state_dict_from_url", lambda *_, **__: lins)
    monkeypatch.setattr(their_lpips, "torchvision_load_pretrained_vgg16", lambda: types.SimpleNamespace(features=features))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    vgg = {f"features.{name}": tensor for name, tensor in features.state_dict().items()} | {"classifier.6.bias": torch.zeros(3)}
    torch.save(vgg, tmp_path / "checkpoints" / "vgg16-397923af.pth")
    torch.save(lins, tmp_path / "lpips.pth")
    return lambda: their_lpips.SampleSimilarityLPIPS("lpips-vgg16", sample_similarity_resize=64)


@pytest.mark.parametrize("shape", [(3, 20), (1, 64), (3, 100)])
def test_squared_distances_are_torch_fidelitys_lpips(lpips: Any, tmp_path: Path, shape: tuple[int, int]) -> None:
    network = lpips()
    torch.save(network.state_dict(), tmp_path / "both.pth")
    loaded = lpips_vgg16.load(Loading(tmp_path / "both.pth"))
    given = images(6, *shape)
    features = loaded.extract(given).features.double()
    expected = network(rgb(given[:3]), rgb(given[3:])).flatten()
    found = (features[:3] - features[3:]).square().sum(dim=1)
    assert_close(found.float(), expected, 1e-4)  # torch-fidelity squares float32 differences: twice the relative error of those
    assert expected.min() > 0.01
    assert features.shape[1] == 499_712
    assert f"{features.shape[1]:,} of an image" in (lpips_vgg16.__doc__ or "")


def test_lpips_reads_vgg16_beside_its_own_file(lpips: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vgg = tmp_path / "checkpoints" / "vgg16-397923af.pth"
    monkeypatch.setattr(
        lpips_vgg16, "VGG16", lpips_vgg16.Published("VGG16 weights", lpips_vgg16.VGG16.url, 1, file_digest(vgg)[:8])
    )
    torch.save(lpips().state_dict(), tmp_path / "both.pth")
    apart, both = (lpips_vgg16.load(Loading(tmp_path / name)) for name in ("lpips.pth", "both.pth"))
    assert torch.equal(apart.extract(images(2)).features, both.extract(images(2)).features)
    assert apart.weights_hash == digest([file_digest(tmp_path / "lpips.pth"), file_digest(vgg)])


def test_negative_lpips_weights_are_refused(lpips: Any, tmp_path: Path) -> None:
    tensors = lpips().state_dict()
    torch.save(tensors | {"lin2.model.1.weight": -tensors["lin2.model.1.weight"]}, tmp_path / "negative.pth")
    with pytest.raises(InvalidInputError, match=r"negative\.pth does not hold LPIPS weights: lin2.*negative"):
        lpips_vgg16.load(Loading(tmp_path / "negative.pth"))


# --- all of them


@pytest.mark.parametrize("name", FAMILIES)
def test_without_a_file_and_a_network_it_says_where_the_weights_are(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    extractor: Extractor = registry.find("extractors", name).load()
    with pytest.raises(MissingDataError, match=r"https://\S+\.pth? and pass it with --weights FILE\.$") as caught:
        extractor.load(Loading())
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", FAMILIES)
def test_weights_of_another_network_are_refused(name: str, tmp_path: Path) -> None:
    torch.save({"Conv2d_1a_3x3.conv.weight": torch.zeros(32, 3, 3, 3)}, tmp_path / "inception.pth")
    extractor: Extractor = registry.find("extractors", name).load()
    if name == "lpips-vgg16":
        torch.save({"net.slice1.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "inception.pth")
    with pytest.raises(InvalidInputError, match=r"inception\.pth does not hold .* weights: its tensors are others"):
        extractor.load(Loading(tmp_path / "inception.pth"))


def test_nan_weights_are_refused(tmp_path: Path) -> None:
    tensors = dino_tensors(SMALL_DINO)
    tensors["norm.weight"][3] = float("nan")
    torch.save(tensors, tmp_path / "nan.pth")
    with pytest.raises(InvalidInputError, match=r"nan\.pth does not hold dinov2-vit-s-14 weights: norm\.weight has 1 values"):
        dinov2.load(SMALL_DINO, Loading(tmp_path / "nan.pth"))


def test_other_items_are_refused(clip_archive: Path) -> None:
    with pytest.raises(UsageError, match="clip-vit-b-32 takes uint8 images of 1 or 3 channels"):
        clip.load(SMALL_CLIP, Loading(clip_archive)).extract(torch.zeros(3, 2))
