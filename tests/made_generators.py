"""One small generator in every form that a stranger may keep it in."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

LATENTS = 8
SHAPE = (3, 8, 8)
SCRIPT = """
import torch
from torch import nn

class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.start, self.norm = nn.Linear(8, 8 * 4 * 4), nn.BatchNorm2d(8)
        self.grow = nn.ConvTranspose2d(8, 3, 4, 2, 1)

    def forward(self, z):
        return torch.tanh(self.grow(torch.relu(self.norm(self.start(z).view(-1, 8, 4, 4)))))

def trained():
    generator = Generator()
    generator.load_state_dict(torch.load("weights.pt"))
    return generator
"""


def write_script(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> nn.Module:
    """Write NAME.py and its weights.pt, make `folder` the current one, and give the generator in evaluation mode."""
    monkeypatch.chdir(folder)
    (folder / f"{name}.py").write_text(SCRIPT)
    scope: dict[str, type[nn.Module]] = {"__name__": name}
    exec(SCRIPT, scope)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = scope["Generator"]()
        for _ in range(3):  # running statistics that differ from those of any batch
            generator(torch.randn(64, LATENTS))
    torch.save(generator.state_dict(), folder / "weights.pt")
    return generator.eval()


def write_torchscript(path: Path, generator: nn.Module) -> Path:
    """The generator as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch 2.11 and later deprecate it; files of it are about for long
        torch.jit.save(torch.jit.trace(generator, torch.zeros(2, LATENTS)), str(path))
    return path


def write_pt2(path: Path, generator: nn.Module, batch: int | None = None, labels: bool = False) -> Path:
    """The generator as an exported program, for any batch or for one of `batch` rows."""
    rows = batch or 2
    inputs = (torch.zeros(rows, LATENTS), *([torch.zeros(rows, dtype=torch.int64)] if labels else []))
    dynamic = None if batch else tuple({0: torch.export.Dim("rows")} for _ in inputs)
    torch.export.save(torch.export.export(generator, inputs, dynamic_shapes=dynamic), path)
    return path


def write_safetensors(path: Path, generator: nn.Module) -> Path:
    """The generator's weights alone."""
    save_file(generator.state_dict(), path)
    return path


def write_onnx(path: Path, generator: nn.Module) -> Path:
    """The test generator as an ONNX graph, written node by node so that no exporter is needed."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    state = {name: value.float().numpy() for name, value in generator.state_dict().items() if value.is_floating_point()}
    nodes = [
        helper.make_node("Gemm", ["z", "start.weight", "start.bias"], ["a"], transB=1),
        helper.make_node("Reshape", ["a", "sides"], ["b"]),
        helper.make_node(
            "BatchNormalization", ["b", *(f"norm.{k}" for k in ("weight", "bias", "running_mean", "running_var"))], ["c"]
        ),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("ConvTranspose", ["d", "grow.weight", "grow.bias"], ["e"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Tanh", ["e"], ["x"]),
    ]
    weights = [numpy_helper.from_array(value, name) for name, value in state.items()]
    weights.append(helper.make_tensor("sides", TensorProto.INT64, [4], [-1, 8, 4, 4]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", *shape])
        for name, shape in (("z", (LATENTS,)), ("x", SHAPE))
    ]
    graph = helper.make_graph(nodes, "generator", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path
