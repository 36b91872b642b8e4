"""Random weights in the formats of the published files, so that extractors are tested without a network."""

import io
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch_fidelity import feature_extractor_inceptionv3 as theirs

LAYERS = ["2048", "logits_unbiased"]


def images(count: int, channels: int = 3, side: int = 20, width: int | None = None) -> Tensor:
    draws = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, channels, side, width or side), dtype=torch.uint8, generator=draws)


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Gains that keep activations alive, and statistics of batch norm that a mistake in folding would show in."""
    draws = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=draws)
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and module.running_var is not None:
            module.running_mean.normal_(0, 0.1, generator=draws)
            module.running_var.uniform_(0.5, 1.5, generator=draws)
            module.weight.data.uniform_(0.7, 1.3, generator=draws)
            module.bias.data.normal_(0, 0.1, generator=draws)
    return network


def random_inception(path: Path, seed: int = 0) -> theirs.FeatureExtractorInceptionV3:
    """torch-fidelity's network with random weights, which are written to `path` as its published file holds them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(theirs, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(theirs.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        torch.manual_seed(seed)
        made = theirs.FeatureExtractorInceptionV3("made", LAYERS)
    randomise(made, seed)
    torch.save(made.state_dict(), path)
    return made


def small_vgg16(**_: object) -> torchvision.models.VGG:
    """VGG16's layout with a sixteenth of its channels, which torchvision's own constructor fills at random."""
    plan = [4, 4, "M", 8, 8, "M", 16, 16, 16, "M", 32, 32, 32, "M", 32, 32, 32, "M"]
    made = torchvision.models.VGG(torchvision.models.vgg.make_layers(plan), num_classes=10, init_weights=False)
    made.classifier = nn.Sequential(
        nn.Linear(32 * 49, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 48), nn.ReLU(), nn.Dropout(), nn.Linear(48, 10)
    )
    return made


def torchscript_of(tensors: dict[str, Tensor], path: Path) -> None:
    """A TorchScript archive that holds tensors by dotted names, parameters and buffers, and a program, as OpenAI's files do."""
    root = _Program()
    for name, tensor in tensors.items():
        *folders, last = name.split(".")
        module: nn.Module = root
        for folder in folders:
            if not hasattr(module, folder):
                module.add_module(folder, _Program())
            module = getattr(module, folder)
        module.register_parameter(last, nn.Parameter(tensor.clone(), requires_grad=False))
    root.register_buffer("input_resolution", torch.tensor(28))
    torch.jit.save(torch.jit.script(root), path)


class _Program(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2


def saved(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()
