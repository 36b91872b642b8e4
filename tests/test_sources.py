"""Every kind of input as samples, and what is said of each that cannot be one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small_data import SHARED, image_bytes, random_images, save_array, write_files

from ganbench import registry
from ganbench.dataset import Location, Part, load_dataset
from ganbench.errors import InvalidInputError, MissingDataError, UsageError
from ganbench.generator import save_generator
from ganbench.sources.open import open_samples
from ganbench.sources.samples import Reading, Samples
from ganbench.variant import Recipe, Space

IMAGES = random_images(20)  # (N, H, W, C)
CHANNELS_FIRST = torch.from_numpy(IMAGES.transpose(0, 3, 1, 2).copy())


def opened(reference: object, count: int | None = None, **options: Any) -> Samples:
    return open_samples(str(reference), Location(), Reading(count, **options))


def image_files(count: int = 20) -> dict[str, bytes]:
    return {f"{k:02}.png": image_bytes(pixels) for k, pixels in enumerate(IMAGES[:count])}


def parts_files() -> dict[str, bytes]:
    return {f"{'train' if k < 14 else 'test'}/{name}": file for k, (name, file) in enumerate(image_files().items())}


# Data sets


@pytest.mark.parametrize("name", [name for name, entry in registry.entries("datasets").items() if not entry.facts.get("needs")])
def test_a_data_set_and_its_parts(name: str) -> None:
    loaded = load_dataset(name, Location())
    for part in (loaded.train, loaded.test):
        for samples in (opened(f"{name}:{part.name}"), opened(name, default_part=part.name)):
            assert torch.equal(samples.items, part.items)
            assert (samples.source, samples.hash) == (f"{name}:{part.name}", part.hash)
            assert (samples.dataset_name, samples.modes, samples.notes) == (name, loaded.modes, ())
            assert samples.dataset is registry.find("datasets", name).load()


def test_names_that_are_no_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for reference, said in (
        ("digts", "did you mean digits"),
        ("digts:test", "no parts"),
        ("digits:val", "digits:train or digits:test"),
    ):
        with pytest.raises(UsageError, match=said):
            opened(reference)
    with pytest.raises(MissingDataError, match="--data-root"):
        opened("mnist:test")
    monkeypatch.chdir(write_files(tmp_path / "here", {"digits/0.png": b"", "train/1.png": image_bytes(IMAGES[1])}))
    assert opened("digits").source == "digits:test"  # the data set comes before a folder of its name
    with pytest.raises(InvalidInputError, match="fewer than two"):
        opened("folder:train")


# Folders and archives


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("prefixed", [False, True])
def test_a_folder_or_zip_is_all_its_images(kind: str, prefixed: bool, tmp_path: Path) -> None:
    path = write_files(tmp_path / ("images.zip" if kind == "zip" else "images"), image_files())
    samples = opened(f"{kind}:{path}" if prefixed else path)
    assert torch.equal(samples.items, CHANNELS_FIRST)
    assert samples.source == samples.dataset_name == f"{kind}:{path}"
    assert samples.dataset is registry.find("datasets", kind).load()
    assert samples.hash == Part("test", CHANNELS_FIRST).hash


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_folder_or_zip_with_parts(kind: str, tmp_path: Path) -> None:
    path = write_files(tmp_path / ("images.zip" if kind == "zip" else "images"), parts_files())
    for reference, options, expected in (
        (f"{path}", {}, CHANNELS_FIRST[14:]),
        (f"{path}", {"default_part": "train"}, CHANNELS_FIRST[:14]),
        (f"{kind}:{path}:train", {}, CHANNELS_FIRST[:14]),
        (f"{path}:test", {"default_part": "train"}, CHANNELS_FIRST[14:]),
    ):
        assert torch.equal(opened(reference, **options).items, expected)
    assert opened(f"{path}:train").source == f"{kind}:{path}:train"


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_part_of_a_plain_folder_is_that_of_the_data_set(kind: str, tmp_path: Path) -> None:
    path = write_files(tmp_path / ("images.zip" if kind == "zip" else "images"), image_files())
    data = load_dataset(f"{kind}:{path}", Location())
    for part in (data.train, data.test):
        samples = opened(f"{path}:{part.name}")
        assert (samples.hash, samples.source) == (part.hash, f"{data.name}:{part.name}")


def test_only_chosen_images_are_read(tmp_path: Path) -> None:
    path = write_files(tmp_path / "images", image_files())
    chosen = opened(path, 5).items
    names = [f"{k:02}.png" for k in range(20) if not any(torch.equal(CHANNELS_FIRST[k], item) for item in chosen)]
    for name in names:
        (path / name).write_bytes(b"broken")
    assert torch.equal(opened(path, 5).items, chosen)
    with pytest.raises(InvalidInputError, match=f"{names[0]} cannot be read"):
        opened(path)


@pytest.mark.skipif(not (SHARED / "cifar10-jpeg.zip").is_file(), reason="the archive is not here")
def test_some_of_a_large_archive() -> None:
    samples = opened(f"zip:{SHARED / 'cifar10-jpeg.zip'}:test", 500)
    assert samples.items.shape == (500, 3, 32, 32)
    assert samples.notes[0].startswith("500 of the 10000 in")


# Checkpoints

OWN = """
from torch import nn
from ganbench.variant import Phase, Variant

def networks(space, recipe):
    return {"generator": nn.Sequential(nn.Linear(recipe.latent_size, 48), nn.Unflatten(1, (3, 4, 4)))}

VARIANT = Variant(name="own", family="loss", paper="none", networks=networks, phases=(Phase("g", ("generator",), None),))
"""


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_checkpoint(suffix: str, tmp_path: Path) -> None:
    variant_file = tmp_path / "own.py"
    variant_file.write_text(OWN)
    weights = {"0.weight": torch.randn(48, 5, generator=torch.Generator().manual_seed(1)), "0.bias": torch.zeros(48)}
    facts = {"variant": str(variant_file), "dataset": "digits", "seed": 0, "step": 1}
    written = save_generator(tmp_path / "seed-0.safetensors", weights, facts, Space((3, 4, 4)), Recipe(latent_size=5))
    path = tmp_path / f"seed-0{suffix}"
    samples = opened(path, 30, variant_file=variant_file)
    assert samples.items.shape == (30, 3, 4, 4)
    assert samples.items.dtype == torch.uint8
    assert (samples.source, samples.dataset_name) == (f"own:seed-0{suffix}", "digits")
    assert written in samples.notes[0]
    assert torch.equal(samples.items, opened(path, 30, variant_file=variant_file).items)
    assert not torch.equal(samples.items, opened(path, 30, variant_file=variant_file, seed=1).items)
    assert len(opened(path, variant_file=variant_file)) == registry.entries("datasets")["digits"].facts["samples"]
    with pytest.raises(UsageError, match="variant-file"):
        opened(path, 30)
    (tmp_path / "seed-0.json").unlink()
    with pytest.raises(MissingDataError, match=r"seed-0\.json"):
        opened(path, 30, variant_file=variant_file)


# Counts, seeds and names


@pytest.mark.parametrize("kind", ["digits", "images", "images.zip", "images.npz", "images.npy", "images:train"])
def test_counts(kind: str, tmp_path: Path) -> None:
    if kind.startswith("images."):
        path = tmp_path / kind
        reference = str(write_files(path, image_files()) if path.suffix == ".zip" else save_array(path, IMAGES))
    else:
        reference = "digits" if kind == "digits" else str(write_files(tmp_path / "images", image_files())) + kind[6:]
    whole = opened(reference)
    n = len(whole)
    fewer = opened(reference, n - 3)
    rows = {item.numpy().tobytes() for item in whole.items}
    chosen = [item.numpy().tobytes() for item in fewer.items]
    assert len(set(chosen)) == len(chosen) == n - 3
    assert set(chosen) <= rows
    assert str(n - 3) in fewer.notes[0]
    assert str(n) in fewer.notes[0]
    assert torch.equal(opened(reference, n // 2).items, fewer.items[: n // 2])  # a head of one permutation
    assert not torch.equal(opened(reference, n - 3, seed=1).items, fewer.items)
    assert opened(reference, n).hash == whole.hash
    with pytest.raises(UsageError, match=rf"{n + 1} samples are asked of .*holds {n};"):
        opened(reference, n + 1)
    with pytest.raises(UsageError, match="at least 2"):
        opened(reference, 1)


def test_names_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"x")
    (tmp_path / "plain").write_bytes(b"x")
    for name in ("model.pkl", "plain", "gone.gif"):
        with pytest.raises(UsageError, match=rf"{name} is not of a kind .*\.npz"):
            opened(tmp_path / name)
    for name in ("gone/", "gone.npy", "gone.npz", "gone.zip", "gone.safetensors", "gone"):
        with pytest.raises(MissingDataError, match="gone"):
            opened(tmp_path / name)
    with pytest.raises(UsageError, match="has no parts"):
        opened(f"{save_array(tmp_path / 'x.npy', IMAGES)}:train")
    with pytest.raises(UsageError, match="empty name"):
        opened("")
    with pytest.raises(UsageError, match="folder:PATH"):
        opened("folder:")
