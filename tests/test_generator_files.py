"""Files of generators that are broken or hold code: refused in a sentence, and the code is not run."""

from __future__ import annotations

import io
import json
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from made_generators import LATENTS, SHAPE, write_onnx, write_pt2, write_safetensors, write_script, write_torchscript
from torch import nn

from ganbench.dataset import Location
from ganbench.errors import InvalidInputError, MissingDataError, UsageError
from ganbench.sources.open import open_samples
from ganbench.sources.samples import GeneratorOptions, Reading, Samples


def opened(reference: object, count: int | None = 10, **options: Any) -> Samples:
    return open_samples(str(reference), Location(), Reading(count, generator=GeneratorOptions(**options)))


class Mischief:
    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.made,)


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_that_holds_code(suffix: str, zipped: bool, tmp_path: Path) -> None:
    made = tmp_path / "made"
    path = tmp_path / f"hostile{suffix}"
    torch.save({"weight": torch.zeros(3), "more": Mischief(made)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InvalidInputError, match=r"holds code beside weights.*--trust"):
        opened(path, latent_dim=4, model="torch.nn:Flatten")
    assert not made.exists()
    with pytest.raises(InvalidInputError, match="should hold one state dict and holds none"):
        opened(path, latent_dim=4, model="torch.nn:Flatten", trust=True)
    assert made.exists()  # so the file was as hostile as it should be


def test_a_pickled_network_only_with_trust(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(4, 48), nn.Tanh(), nn.Unflatten(1, (3, 4, 4)))
    torch.save(network, tmp_path / "network.pt")
    with pytest.raises(InvalidInputError, match="--trust"):
        opened(tmp_path / "network.pt", 10, latent_dim=4)
    samples = opened(tmp_path / "network.pt", 10, latent_dim=4, trust=True)
    assert samples.items.shape == (10, 3, 4, 4)
    assert "unpickled" in samples.notes[1]


def altered(source: Path, target: Path, change: dict[str, Any]) -> Path:
    """A copy of a .pt2 in which parts, named without the outer folder, are others."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change.get(name.partition("/")[2], lambda part: part)(content))
        for name, add in change.items():
            if not any(each.partition("/")[2] == name for each in old.namelist()):
                new.writestr(f"{old.namelist()[0].partition('/')[0]}/{name}", add(b""))
    return target


def in_graph(path: str, value: Any) -> Any:
    """A change of one value of the graph, named by its keys."""

    def change(part: bytes) -> bytes:
        graph = json.loads(part)
        place: Any = graph
        *keys, last = path.split("/")
        for key in keys:
            place = place[int(key) if key.isdigit() else key]
        place[int(last) if last.isdigit() else last] = value
        return json.dumps(graph).encode()

    return change


def test_a_pt2_that_would_run_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch unpickles, evaluates text and looks functions up by name: read without a look, the first and the fourth make a file."""
    made = tmp_path / "made"
    good = write_pt2(tmp_path / "good.pt2", write_script(tmp_path, monkeypatch, "exported_here"))
    pickled = io.BytesIO()
    torch.save(Mischief(made), pickled)
    size = f"__import__('pathlib').Path({str(made)!r}).touch()"
    model = "models/model.json"
    bad: list[tuple[dict[str, Any], str]] = [
        ({"data/sample_inputs/model.pt": lambda part: pickled.getvalue()}, "Python objects"),
        ({model: in_graph("graph_module/graph/nodes/0/target", "torch.os.system")}, "the function torch.os.system"),
        ({model: in_graph("graph_module/graph/nodes/0/target", "torch.ops.aten.from_file.default")}, "from_file"),
        ({model: in_graph("graph_module/graph/tensor_values/z/sizes", [{"as_expr": {"expr_str": size}}])}, "the size"),
        ({model: in_graph("graph_module/graph/inputs/0", {"as_tensor": {"name": "z):\n import os"}})}, "the name"),
        ({"data/aotinductor/model/x.so": lambda part: b"ELF"}, "aotinductor"),
        (
            {
                "data/constants/model_constants_config.json": lambda part: json.dumps(
                    {"config": {"c": {"path_name": "opaque_0", "use_pickle": True}}}
                ).encode(),
                "data/constants/opaque_0": lambda part: pickle.dumps(Mischief(made)),
            },
            "opaque_0",
        ),
    ]
    for number, (change, said) in enumerate(bad):
        path = altered(good, tmp_path / f"bad{number}.pt2", change)
        with pytest.raises(InvalidInputError, match=rf"bad{number}\.pt2 holds .*{said}.*--trust"):
            opened(path)
    assert not made.exists()
    assert opened(altered(good, tmp_path / "same.pt2", {}), 4).items.shape == (4, *SHAPE)  # the copy itself is no reason
    assert "trusted" in opened(good, 4, trust=True).notes[1]


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch 2.11 and later deprecate TorchScript
def test_torchscript_that_writes_files(tmp_path: Path) -> None:
    class Writes(nn.Module):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            torch.save(z, "made")
            return z

    path = tmp_path / "writes.ts"
    torch.jit.save(torch.jit.script(Writes()), str(path))
    with pytest.raises(InvalidInputError, match=r"holds code that writes files.*--trust"):
        opened(path, latent_dim=4)


@pytest.mark.parametrize("kind", ["pt2", "ts", "pt", "pth", "safetensors", "onnx"])
def test_broken_files(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = write_script(tmp_path, monkeypatch, f"broken_{kind}")
    path = tmp_path / f"g.{kind}"
    if kind == "onnx":
        pytest.importorskip("onnxruntime")
        write_onnx(path, generator)
    elif kind in ("pt2", "ts"):
        (write_pt2 if kind == "pt2" else write_torchscript)(path, generator)
    elif kind == "safetensors":
        write_safetensors(path, generator)
    else:
        torch.save(generator.state_dict(), path, _use_new_zipfile_serialization=kind == "pt")
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"hello"):
        path.write_bytes(damaged)
        with pytest.raises(InvalidInputError, match=rf"g\.{kind}"):
            opened(path, latent_dim=LATENTS, model=f"broken_{kind}:Generator")


def test_onnx_without_its_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "g.onnx").write_bytes(b"x")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingDataError, match=r"ganbench\[onnx\]"):
        opened(tmp_path / "g.onnx")


def test_a_factory_that_imports_its_neighbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "neighbour_code.py").write_text("def G(z): return z\n")
    (tmp_path / "late_import.py").write_text("def make():\n    from neighbour_code import G\n    return G\n")
    assert opened("late_import:make", latent_dim=2).shape == (2,)


def test_options_that_are_missing_or_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = write_script(tmp_path, monkeypatch, "optional")
    path = write_pt2(tmp_path / "g.pt2", generator)
    for reference, options, kind, said in (
        ("optional:trained", {}, UsageError, "--latent-dim"),
        ("optional:trained", {"latent_dim": 5}, InvalidInputError, r"fails on latents of shape \(2, 5\)"),
        (path, {"latent_dim": 5}, UsageError, "takes 8 latents, not 5"),
        (path, {"classes": 3}, InvalidInputError, "takes 1 inputs, where latents and labels are given; give --classes"),
        (path, {"value_range": (1, -1)}, UsageError, "--range 1,-1"),
        (path, {"classes": 0}, UsageError, "--classes 0"),
        ("weights.pt", {"latent_dim": 8}, UsageError, "--model module:factory"),
        ("weights.pt", {"latent_dim": 8, "model": "gone_module:x"}, UsageError, "no module gone_module"),
        ("weights.pt", {"latent_dim": 8, "model": "torch.nn:Flatten"}, InvalidInputError, "do not fit torch.nn:Flatten"),
        ("weights.pt", {"latent_dim": 8, "model": "optional:SCRIPT"}, UsageError, "no object in optional called 'SCRIPT'"),
        ("gone_module:make", {}, UsageError, "no module gone_module"),
        (tmp_path / "gone.pt2", {}, MissingDataError, "gone.pt2"),
        (write_safetensors(tmp_path / "alone.safetensors", generator), {}, MissingDataError, r"alone\.json.*--model"),
    ):
        with pytest.raises(kind, match=said):
            opened(reference, **options)
