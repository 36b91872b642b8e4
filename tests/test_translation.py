"""Image to image: the toy pairs, the networks, the two methods' objectives by hand, and a run that scores them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from scipy import ndimage

from ganbench import registry
from ganbench.dataset import LoadedDataset, Location, Part, load_dataset
from ganbench.datasets.digits_edges import edges
from ganbench.errors import UsageError
from ganbench.harness.harness import prepare, run_suite
from ganbench.harness.plan import Setting
from ganbench.harness.suite import parse_suite
from ganbench.harness.workers import Crew
from ganbench.nets import translate
from ganbench.variant import Batch, Networks, Space


def objective(variant: str, phase: str):
    (found,) = [each for each in registry.find("variants", variant).load().phases if each.name == phase]
    return found.objective


def test_edges_are_the_morphological_gradient() -> None:
    # SciPy's maximum and minimum of a 3 x 3 window, where repeating the border changes neither.
    images = torch.randint(0, 256, (3, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for image, found in zip(images.numpy()[:, 0], edges(images).numpy()[:, 0], strict=True):
        wanted = ndimage.maximum_filter(image, 3, mode="nearest") - ndimage.minimum_filter(image, 3, mode="nearest")
        assert np.array_equal(found, wanted)


def test_pairs_keep_the_order_and_labels_of_digits() -> None:
    digits, pairs = load_dataset("digits", Location()), load_dataset("digits-edges", Location())
    for own, part in ((digits.train, pairs.train), (digits.test, pairs.test)):
        assert torch.equal(part.inputs, own.items)
        assert torch.equal(part.labels, own.labels)
    assert pairs.inputs == (1, 8, 8)


def test_inverted_mnist_is_the_negative_of_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    from ganbench.datasets import inverted_mnist

    images = torch.tensor([[[[0, 255], [100, 1]]]], dtype=torch.uint8)
    made = LoadedDataset("mnist", Part("train", images, torch.tensor([3])), Part("test", images, torch.tensor([3])), classes=10)
    monkeypatch.setattr(inverted_mnist, "load_dataset", lambda reference, location: made)
    loaded = inverted_mnist.load(Location())
    assert loaded.train.items.tolist() == [[[[255, 0], [155, 254]]]]
    assert torch.equal(loaded.test.inputs, images)


@pytest.mark.parametrize("side", [8, 12, 28, 32, 64])
def test_networks_give_images_and_one_logit_a_patch(side: int) -> None:
    network = translate.UNet(1, 3, 4)
    images = network(torch.randn(2, 4), torch.rand(2, 1, side, side))
    assert images.shape == (2, 3, side, side)
    assert images.abs().max() <= 1
    assert translate.patch_discriminator(3)(images).shape == (2, 1, side // 4, side // 4)


@pytest.mark.parametrize("shape", [(2,), (1, 10, 10), (1, 8, 12), (1, 4, 4)])
def test_other_data_are_refused(shape: tuple[int, ...]) -> None:
    for name in ("pix2pix", "cyclegan"):
        variant = registry.find("variants", name).load()
        assert variant.refuses(Space(shape, None, shape)).endswith(".")
        assert "pairs" in variant.refuses(Space((1, 8, 8)))


def test_pix2pix_by_hand() -> None:
    # G gives 0.5, the pair is 1: L1 = 0.5, weight 100. D's logit is 0 everywhere: G has -log sigmoid(0) = log 2, D (2 log 2) / 2.
    batch = Batch(real=torch.ones(2, 1, 8, 8), z=torch.zeros(2, 1), inputs=torch.zeros(2, 1, 8, 8))
    networks = Networks({"generator": lambda z, x: x + 0.5, "discriminator": lambda x: torch.zeros(2, 1, 2, 2)})
    assert objective("pix2pix", "g")(networks, batch)[0].item() == pytest.approx(50 + np.log(2), rel=1e-6)  # float32
    assert objective("pix2pix", "d")(networks, batch)[0].item() == pytest.approx(np.log(2), rel=1e-6)


def test_pix2pix_shows_the_discriminator_input_and_output_together() -> None:
    seen = []

    def discriminator(x):
        seen.append(x)
        return torch.zeros(2, 1, 2, 2)

    batch = Batch(real=torch.ones(2, 1, 8, 8), z=torch.zeros(2, 1), inputs=torch.full((2, 1, 8, 8), -1.0))
    objective("pix2pix", "d")(Networks({"generator": lambda z, x: x + 0.5, "discriminator": discriminator}), batch)
    assert [x[0, :, 0, 0].tolist() for x in seen] == [[-1.0, 1.0], [-1.0, -0.5]]


def test_cyclegan_by_hand() -> None:
    # G adds 1 and its inverse takes 0.75 away, so that each cycle is 0.25 off: 10 (0.25 + 0.25). D says 0.5: (0.5 - 1)^2 twice.
    half = torch.full((2, 1, 2, 2), 0.5)
    networks = Networks(
        {
            "generator": lambda z, x: x + 1,
            "inverse": lambda z, x: x - 0.75,
            "discriminator": lambda x: half,
            "inverse-discriminator": lambda x: half,
        }
    )
    batch = Batch(real=torch.zeros(2, 1, 8, 8), z=torch.zeros(2, 1), inputs=torch.ones(2, 1, 8, 8))
    assert objective("cyclegan", "g")(networks, batch)[0].item() == pytest.approx(5 + 0.5, rel=1e-6)  # float32
    # Each domain: ((0.5 - 1)^2 + 0.5^2) / 2 = 0.25.
    assert objective("cyclegan", "d")(networks, batch)[0].item() == pytest.approx(0.5, rel=1e-6)


def test_cyclegan_never_shows_a_pair() -> None:
    seen = []

    def generator(z, x):
        seen.append(x[:, 0, 0, 0].tolist())
        return x

    places = torch.arange(3.0)[:, None, None, None].expand(3, 1, 8, 8)
    networks = {"generator": generator, "inverse": lambda z, x: x}
    networks |= dict.fromkeys(("discriminator", "inverse-discriminator"), lambda x: x)
    objective("cyclegan", "d")(Networks(networks), Batch(real=places, z=torch.zeros(3, 1), inputs=places))
    assert seen[0] == [2.0, 0.0, 1.0]


def run(tmp_path: Path, variants: list[str]):
    content = {"name": "t", "variants": variants, "datasets": {"digits-edges": {}}, "seeds": 2, "steps": 3, "samples": 64}
    setting = Setting(out=tmp_path / "out")
    return run_suite(prepare(parse_suite({**content, "eval_every": 2}, "test"), setting), setting, Crew(0, 1), Console(quiet=True))


def test_translators_run_and_score_by_the_same_harness(tmp_path: Path) -> None:
    finished = run(tmp_path, ["pix2pix", "cyclegan", "real"])
    assert [(r.variant.name, r.status) for r in finished.records] == [
        (name, "ok") for name in ("pix2pix", "cyclegan", "real") for _ in range(2)
    ]
    assert all({"fd-digits-cnn", "kid-digits-cnn"} <= set(record.scores) for record in finished.records)


def test_translators_are_refused_where_there_are_no_pairs(tmp_path: Path) -> None:
    content = {"name": "t", "variants": ["pix2pix"], "datasets": {"digits": {}}, "seeds": 1, "steps": 3}
    with pytest.raises(UsageError, match="the data are no pairs"):
        prepare(parse_suite(content, "test"), Setting(out=tmp_path / "out"))
