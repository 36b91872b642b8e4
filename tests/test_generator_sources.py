"""Generators from elsewhere as samples: every route gives the same images, and what cannot be a generator is said so."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_generators import LATENTS, SHAPE, write_onnx, write_pt2, write_safetensors, write_script, write_torchscript
from small_data import image_bytes, write_files
from torch import nn

from ganbench.dataset import Location
from ganbench.errors import GanbenchError, InvalidInputError, UsageError
from ganbench.generator import save_generator
from ganbench.rng import stream
from ganbench.sources.generators import interpolate, rebatched
from ganbench.sources.open import open_samples
from ganbench.sources.samples import GeneratorOptions, Reading, Samples
from ganbench.variant import Recipe, Space

COUNT = 300  # more than one batch of 256, and no multiple of it


def opened(reference: object, count: int | None = COUNT, seed: int = 0, **options: Any) -> Samples:
    return open_samples(str(reference), Location(), Reading(count, seed, generator=GeneratorOptions(**options)))


def expected(generator: nn.Module, count: int = COUNT, seed: int = 0) -> torch.Tensor:
    """Latents of the seed's stream through the network, each value floored after 127.5 x + 128."""
    z = torch.randn(count, LATENTS, generator=stream(seed, "sample"))
    with torch.no_grad():
        return (generator(z) * 127.5 + 128).clamp(0, 255).floor().to(torch.uint8)


def levels_apart(one: torch.Tensor, other: torch.Tensor) -> int:
    return int((one.int() - other.int()).abs().max())


# Routes

ROUTES = [
    "factory",
    "class",
    "torchscript",
    "torchscript.pt",
    "pt2",
    "pt2-fixed",
    "weights.pt",
    "weights.safetensors",
    "npz",
    "folder",
    "onnx",
]


def route(kind: str, folder: Path, generator: nn.Module, module: str) -> tuple[object, dict[str, Any]]:
    sized = {"latent_dim": LATENTS}
    model = {"model": f"{module}:Generator", **sized}
    match kind:
        case "factory":
            return f"{module}:trained", sized
        case "class":
            torch.save({"step": 3, "g_ema": {f"module.{k}": v for k, v in generator.state_dict().items()}}, folder / "whole.pth")
            return folder / "whole.pth", model
        case "torchscript":
            return write_torchscript(folder / "g.ts", generator), sized
        case "torchscript.pt":
            return write_torchscript(folder / "g.pt", generator), sized
        case "pt2":
            return write_pt2(folder / "g.pt2", generator), {}
        case "pt2-fixed":
            return write_pt2(folder / "g.pt2", generator, batch=16), {}
        case "weights.pt":
            return folder / "weights.pt", model
        case "weights.safetensors":
            return write_safetensors(folder / "w.safetensors", generator), model
        case "onnx":
            pytest.importorskip("onnxruntime")
            return write_onnx(folder / "g.onnx", generator), {}
    drawn = opened(folder / "weights.pt", **model).items.numpy().transpose(0, 2, 3, 1)
    if kind == "npz":
        np.savez(folder / "samples.npz", drawn)
        return folder / "samples.npz", {}
    return write_files(folder / "pngs", {f"{k:04}.png": image_bytes(pixels) for k, pixels in enumerate(drawn)}), {}


@pytest.mark.parametrize("kind", ROUTES)
def test_every_route_gives_the_same_images(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = f"route_{kind.replace('.', '_').replace('-', '_')}"
    generator = write_script(tmp_path, monkeypatch, module)
    reference, options = route(kind, tmp_path, generator, module)
    samples = opened(reference, **options)
    base = opened(tmp_path / "weights.pt", model=f"{module}:Generator", latent_dim=LATENTS).items
    assert (samples.count, samples.shape) == (COUNT, SHAPE)
    assert samples.items.dtype == torch.uint8
    # Another runtime, or a batch of another size, rounds in another order: where a value lies on the edge of a level, one level.
    assert levels_apart(samples.items, base) <= (1 if kind in ("onnx", "pt2-fixed", "torchscript", "torchscript.pt", "pt2") else 0)
    assert (samples.items != base).float().mean() < 1e-3
    assert levels_apart(samples.items, expected(generator)) <= 1
    assert samples.items.float().std() > 10  # not flat, so that equality says something


def test_a_count_and_a_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = write_script(tmp_path, monkeypatch, "counted")
    path = write_pt2(tmp_path / "g.pt2", generator)
    whole = opened(path)
    assert opened(path, None).count == 10_000
    assert torch.equal(opened(path, 256).items, whole.items[:256])  # a padded last batch leaves the first ones as they are
    assert not torch.equal(opened(path, seed=1).items, whole.items)
    assert [len(batch) for batch in whole.read(128)] == [128, 128, 44]
    assert torch.equal(torch.cat(list(whole.read(7))), whole.items)
    prints = [opened(path, 300).fingerprint, opened(path, 299).fingerprint, opened(path, 300, 1).fingerprint]
    prints += [opened(path, 300, latent_law="uniform").fingerprint, opened(path, 300, value_range=(-2, 2)).fingerprint]
    assert len(set(prints)) == len(prints)
    assert prints[0] == opened(path, 300).fingerprint
    assert "seed 0" in whole.notes[0]
    assert opened("counted:trained", latent_dim=LATENTS).fingerprint is None  # code may change without a trace


def test_the_latent_law(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_module(tmp_path, monkeypatch, "laws", "def show(z):\n    return z\n")
    normal, uniform = (opened("laws:show", 20_000, latent_dim=1, latent_law=law).items.double() for law in ("normal", "uniform"))
    # Five standard errors of the mean of 20,000 draws of the square, whose variance is 2 and 4/45.
    assert abs(normal.square().mean() - 1) < 5 * math.sqrt(2 / 20_000)
    assert abs(uniform.square().mean() - 1 / 3) < 5 * math.sqrt(4 / 45 / 20_000)
    assert uniform.abs().max() <= 1


def test_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import torch\ndef G(z, y):\n    return (y[:, None, None, None] / 2 - 1).expand(-1, 1, 4, 4)\n"
    write_module(tmp_path, monkeypatch, "classes_here", code)
    samples = opened("classes_here:G", 10, latent_dim=4, classes=3)
    assert samples.labels is not None
    assert samples.labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]
    assert samples.items[:, 0, 0, 0].tolist() == [int(127.5 * (y / 2 - 1) + 128) for y in samples.labels.tolist()]


def test_ranges_and_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import torch
ramp = torch.linspace(0, 1, 16).view(1, 1, 4, 4)
def unit(z): return ramp.expand(len(z), -1, -1, -1)
def levels(z): return (17 * torch.arange(16, dtype=torch.uint8)).view(1, 1, 4, 4).expand(len(z), -1, -1, -1)
def array(z): return unit(z).numpy()
"""
    write_module(tmp_path, monkeypatch, "ranges", code)
    ramp = torch.linspace(0, 1, 16, dtype=torch.float64)
    unit = opened("ranges:unit", 4, latent_dim=1, value_range=(0, 1)).items[0].flatten()
    assert levels_apart(unit, (127.5 * (2 * ramp - 1) + 128).clamp(0, 255).floor()) <= 1  # the edge of a level in float32
    assert torch.equal(opened("ranges:array", 4, latent_dim=1, value_range=(0, 1)).items[0].flatten(), unit)
    assert torch.equal(opened("ranges:levels", 4, latent_dim=1).items[0].flatten(), 17 * torch.arange(16, dtype=torch.uint8))
    assert opened("ranges:levels", 4, latent_dim=1).paths is None
    assert "upper half of the range -1,1" in opened("ranges:unit", 4, latent_dim=1).notes[1]
    assert len(opened("ranges:unit", 4, latent_dim=1, value_range=(0, 1)).notes) == 1


def test_a_latent_of_three_axes(tmp_path: Path) -> None:
    network = nn.Sequential(nn.ConvTranspose2d(LATENTS, 3, 4), nn.Tanh()).eval()
    program = torch.export.export(network, (torch.zeros(2, LATENTS, 1, 1),), dynamic_shapes=({0: torch.export.Dim("rows")},))
    torch.export.save(program, tmp_path / "g.pt2")
    samples = opened(tmp_path / "g.pt2", 20)
    z = torch.randn(20, LATENTS, generator=stream(0, "sample"))[:, :, None, None]
    assert levels_apart(samples.items, (network(z) * 127.5 + 128).clamp(0, 255)) <= 1


# Paths


def test_path_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a generator that is linear, the ends of a step are known: a step is d/dt of the arc, times epsilon."""
    code = """
import torch
def G(z): return torch.cat([z, z], 1).view(-1, 1, 2, 4) / 8
"""
    write_module(tmp_path, monkeypatch, "paths_here", code)
    samples = opened("paths_here:G", 4, latent_dim=4)
    assert samples.paths is not None
    ends = samples.paths(50, 3)
    assert (ends.count, ends.epsilon, ends.interpolation) == (50, 1e-4, "slerp")
    one, other = (torch.cat(side) for side in zip(*ends.read(16), strict=True))
    assert [len(a) for a, _ in ends.read(16)] == [16, 16, 16, 2]
    assert one.dtype == torch.float32
    assert one.shape == (50, 1, 2, 4)
    first, second = (torch.randn(50, 4, generator=stream(3, "path", end), dtype=torch.float64) for end in (0, 1))
    angle = torch.cosine_similarity(first, second).acos()[:, None]
    t = torch.rand(50, 1, generator=stream(3, "path place"), dtype=torch.float64)
    slope = angle * (-torch.cos((1 - t) * angle) * first + torch.cos(t * angle) * second) / torch.sin(angle)
    moved = (other - one).double().flatten(1)[:, :4] / 127.5 * 8 / ends.epsilon
    # Float32 images near 127 are right to 1.5e-5, so slopes to 1.5e-5 / 127.5 * 8 / 1e-4, and the curve bends over a step by 1e-4.
    assert (moved - slope).abs().max() < 0.02
    assert opened("paths_here:G", 4, latent_dim=4, latent_law="uniform").paths(2, 0).interpolation == "lerp"  # type: ignore[misc]


def test_interpolation() -> None:
    a, b = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([[0.0, 1.0]]).double()
    third = torch.full((1, 1), 1 / 3).double()
    assert torch.allclose(interpolate(a, b, third, "slerp"), torch.tensor([[math.cos(math.pi / 6), 0.5]]).double(), atol=1e-7)
    assert torch.allclose(interpolate(a, b, third, "lerp"), torch.tensor([[2 / 3, 1 / 3]]).double(), atol=1e-7)
    assert torch.allclose(interpolate(a, 2 * a, third, "slerp"), a * 4 / 3, atol=1e-7)  # no arc along one line
    assert interpolate(a, -a, third, "slerp").isfinite().all()


def test_a_checkpoint_has_paths_and_reads_in_batches(tmp_path: Path) -> None:
    weights = {"0.weight": torch.zeros(48, 5), "0.bias": torch.zeros(48)}
    (tmp_path / "own.py").write_text(
        "from torch import nn\nfrom ganbench.variant import Phase, Variant\n"
        "def networks(space, recipe):\n"
        "    return {'generator': nn.Sequential(nn.Linear(recipe.latent_size, 48), nn.Unflatten(1, (3, 4, 4)))}\n"
        "VARIANT = Variant(name='own-paths', family='loss', paper='none', networks=networks, "
        "phases=(Phase('g', ('generator',), None),))\n"
    )
    facts = {"variant": str(tmp_path / "own.py"), "dataset": "digits", "seed": 0, "step": 1}
    save_generator(tmp_path / "g.safetensors", weights, facts, Space((3, 4, 4)), Recipe(latent_size=5))
    samples = open_samples(str(tmp_path / "g.safetensors"), Location(), Reading(300, variant_file=tmp_path / "own.py"))
    assert [tuple(batch.shape) for batch in samples.read(200)] == [(200, 3, 4, 4), (100, 3, 4, 4)]
    assert samples.paths is not None
    one, other = next(samples.paths(4, 0).read(4))
    assert torch.equal(one, torch.full((4, 3, 4, 4), 127.5))
    assert torch.equal(one, other)


@pytest.mark.parametrize("sizes", [[1], [5, 5, 5], [7, 0, 2], [256, 44]])
@pytest.mark.parametrize("size", [1, 3, 5, 100])
def test_batches_of_another_size(sizes: list[int], size: int) -> None:
    rows = torch.arange(sum(sizes))
    again = list(rebatched(iter(rows.split(sizes)), size))
    assert torch.equal(torch.cat(again), rows)
    assert {len(batch) for batch in again[:-1]} <= {size}


# What cannot be a generator


def write_module(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str) -> None:
    monkeypatch.chdir(folder)
    (folder / f"{name}.py").write_text(code)


BAD = """
import torch
from torch import nn
text = "hello"
def text_factory(): return "hello"
def broken_factory(): raise OSError("no weights here")
def fails(z): raise ValueError("boom")
def wide(z): return 3 * torch.ones(len(z), 3, 4, 4)
def nan(z): return torch.where(torch.arange(len(z)) == 7, torch.nan, 0.0)[:, None, None, None].expand(-1, 3, 4, 4)
def whole(z): return torch.zeros(len(z), 3, 4, 4, dtype=torch.int64)
def four(z): return torch.zeros(len(z), 4, 4, 4)
def flat(z): return torch.zeros(len(z))
def one(z): return torch.zeros(1, 3, 4, 4)
def none(z): return None
def changing(z): return torch.zeros(len(z), 3, 4, 4 if len(z) == 2 else 5)
"""


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("text", InvalidInputError, "is a str, which cannot be called"),
        ("text_factory", InvalidInputError, "is a str, which cannot be called"),
        ("broken_factory", InvalidInputError, "fails without an argument: OSError: no weights here"),
        ("fails", InvalidInputError, r"fails on latents of shape \(2, 4\) \(ValueError: boom\); give --latent-dim"),
        ("wide", InvalidInputError, r"images from 3 to 3, with 480 of 480 values outside the range -1,1; say with --range"),
        ("nan", InvalidInputError, r"NaN or infinite values in 1 of 10 samples, first in sample 7 \(from 0\)"),
        ("whole", InvalidInputError, "gives int64 where images are uint8 or floating-point"),
        ("four", InvalidInputError, r"gives \(2, 4, 4, 4\) for 2 latents; images are"),
        ("flat", InvalidInputError, r"gives \(2,\) for 2 latents"),
        ("one", InvalidInputError, r"gives \(1, 3, 4, 4\) for 2 latents"),
        ("none", InvalidInputError, "gives a NoneType, not a dense tensor"),
        ("changing", InvalidInputError, r"gives \(256, 3, 4, 5\) for 256 latents, where \(256, 3, 4, 4\) is expected"),
        ("nam", UsageError, "did you mean nan"),
    ],
)
def test_generators_that_break_their_word(
    name: str, kind: type[GanbenchError], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_module(tmp_path, monkeypatch, "bad_ones", BAD)
    with pytest.raises(kind, match=said):
        _ = opened(f"bad_ones:{name}", 10, latent_dim=4).items
