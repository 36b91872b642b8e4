"""A small convolutional classifier of grey images, whose last hidden layer is a feature space: the network, its training, its file.

The extractors `digits-cnn` and `mnist-cnn` are two of these. An image of several channels is classified channel by channel, each as
a grey image by itself, as stacked MNIST is scored (Srivastava et al. 2017, arXiv:1705.07761, section 5.2).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from ganbench.errors import InvalidInputError, MissingDataError, UsageError
from ganbench.files import digest, file_digest, write_atomically
from ganbench.rng import stream, stream_seed

if TYPE_CHECKING:
    from ganbench.dataset import LoadedDataset

CLASSES = 10


class Classifier(nn.Module):
    """Blocks of convolution, batch norm, ReLU and max pooling, then one hidden layer (the features) and a linear layer."""

    def __init__(self, side: int, widths: tuple[int, ...], feature_count: int) -> None:
        super().__init__()
        self.side = side
        blocks: list[nn.Module] = []
        for before, after in zip((1, *widths), widths, strict=False):
            blocks += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
        flat = widths[-1] * (side // 2 ** len(widths)) ** 2
        self.convolutions = nn.Sequential(*blocks, nn.Flatten())
        self.hidden = nn.Sequential(nn.Linear(flat, feature_count, bias=False), nn.BatchNorm1d(feature_count), nn.ReLU())
        self.classify = nn.Linear(feature_count, CLASSES)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, F), not negative, and logits (B, 10) of images (B, 1, side, side) in [-1, 1]."""
        features = self.hidden(self.convolutions(images))  # (B, F)
        return features, self.classify(features)


@dataclass(frozen=True)
class Training:
    """How a classifier is trained: Adam under a one-cycle schedule, cross entropy, and images shifted by up to `shift` pixels."""

    epochs: int
    shift: int
    batch_size: int = 64
    peak_lr: float = 4e-3
    seed: int = 0


def scaled(images: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 0..255 to floats in [-1, 1]."""
    return images.to(dtype) / 127.5 - 1


def train(network: Classifier, images: Tensor, labels: Tensor, how: Training, report: Callable[[str], None]) -> None:
    """Train in place on images (N, 1, side, side) uint8 and labels (N,); leaves the network in evaluation mode."""
    draws = stream(how.seed, "classifier")
    steps = how.epochs * (len(images) // how.batch_size)
    adam = torch.optim.Adam(network.parameters(), lr=how.peak_lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, max_lr=how.peak_lr, total_steps=steps)
    network.train()
    for epoch in range(how.epochs):
        order = torch.randperm(len(images), generator=draws)
        losses = []
        for rows in order.split(how.batch_size)[: len(images) // how.batch_size]:
            _, logits = network(shifted(scaled(images[rows], torch.float32), how.shift, draws))
            loss = nn.functional.cross_entropy(logits, labels[rows])
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
            losses.append(loss.detach())
        report(f"epoch {epoch + 1} of {how.epochs}: mean loss {torch.stack(losses).mean().item():.4f}")
    network.eval()


def describe(network: Classifier, name: str, images: Tensor, device: str) -> tuple[Tensor, Tensor]:
    """Features (B, C * F) and logits, (B, 10) where C is 1 and (B, C, 10) otherwise, of images (B, C, side, side) uint8.

    Both on the CPU, in the network's precision. `name` is the extractor's, for the error. Raises UsageError for other sizes.
    """
    side = network.side
    if images.dtype != torch.uint8 or images.ndim != 4 or tuple(images.shape[2:]) != (side, side):
        got = f"{'x'.join(map(str, images.shape[1:]))} {str(images.dtype).removeprefix('torch.')}"
        raise UsageError(f"{name} takes {side}x{side} images in uint8, and these are {got}; choose another extractor.")
    count, channels = images.shape[:2]
    features, logits = _in_pieces(network, images.reshape(count * channels, 1, side, side), device)
    per_channel = logits.reshape(count, channels, CLASSES)  # (B, C, 10)
    return features.reshape(count, -1), per_channel[:, 0] if channels == 1 else per_channel


def accuracy(network: Classifier, images: Tensor, labels: Tensor) -> float:
    """The share, in [0, 1], of grey images whose largest logit is their label."""
    _, logits = _in_pieces(network, images, "cpu")
    return (logits.argmax(1) == labels).double().mean().item()


def load(build: Callable[[], Classifier], path: Path, sha256: str | None, device: str) -> tuple[Classifier, str]:
    """The network that `build` makes with the weights of a safetensors file, in evaluation mode, and the file's sha256.

    It computes in float64, for then machines, devices and batch sizes agree to about 1e-14, and no GPU rounds to TF32.
    Raises MissingDataError without the file, InvalidInputError when it is not such a file or its sha256 is not the one given.
    """
    if not path.is_file():
        raise MissingDataError(f"There is no weights file {path}; name a safetensors file, or install ganbench again.")
    found = file_digest(path)
    if sha256 is not None and found != sha256:
        raise InvalidInputError(f"{path} has sha256 {found}, not {sha256}: it was changed; install ganbench again.")
    network = build()
    try:
        tensors = safetensors.torch.load_file(path)
        network.load_state_dict(tensors)
    except (SafetensorError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise InvalidInputError(
            f"{path} does not hold this network's weights ({first}); name the file that its training wrote."
        ) from None
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise InvalidInputError(f"{path} has NaN or infinite values in {name}; name the file that its training wrote.")
    return network.to(device, torch.float64).requires_grad_(False).eval(), found


def load_shipped(build: Callable[[], Classifier], shipped: Path, named: Path | None, device: str) -> tuple[Classifier, str]:
    """`load` of the file that the user named, or of the one that ships, checked against the sha256 in the JSON beside it."""
    return load(build, named or shipped, None if named else facts(shipped)["weights_sha256"], device)


def facts(path: Path) -> dict[str, Any]:
    """The JSON beside a weights file: `test_accuracy`, `weights_sha256`, `train_hash`, `command`, `seed`, versions."""
    loaded: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return loaded


def train_and_save(
    build: Callable[[], Classifier], data: LoadedDataset, how: Training, path: Path, command: str, report: Callable[[str], None]
) -> None:
    """Train on `data.train`, measure on `data.test`, and write the weights to `path` and their facts to the JSON beside it.

    One thread, so that one machine gives one file; another machine's rounding gives other weights of about the same accuracy.
    """
    if data.train.labels is None or data.test.labels is None:
        raise UsageError(f"{data.name} has no labels; name a data set that has.")
    torch.set_num_threads(1)
    torch.manual_seed(stream_seed(how.seed, "classifier-weights"))
    network = build()
    train(network, data.train.items, data.train.labels, how, report)
    weights = safetensors.torch.save(network.state_dict())
    described = {
        "test_accuracy": accuracy(network, data.test.items, data.test.labels),
        "test_count": len(data.test),
        "test_hash": data.test.hash,
        "train_count": len(data.train),
        "train_hash": data.train.hash,
        "weights_sha256": digest(weights),
        "command": command,
        "seed": how.seed,
        "epochs": how.epochs,
        "torch_version": str(torch.__version__),
    }
    write_atomically(path, weights)
    write_atomically(path.with_suffix(".json"), json.dumps(described, indent=1) + "\n")
    report(f"accuracy {described['test_accuracy']:.4f} on {len(data.test)} held-out images; wrote {path}")


def command_options(command: str) -> argparse.Namespace:
    """The options of a training command as they were typed: `out`, and `data_root` where the command has it."""
    parser = argparse.ArgumentParser(prog=command.partition(" --")[0], description="Train the classifier and write its weights.")
    if "--data-root" in command:
        parser.add_argument("--data-root", type=Path, required=True, help="folder that holds the data, as torchvision lays it out")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    return parser.parse_args()


def to_stderr(line: str) -> None:
    """What training reports, where a command's messages go."""
    print(line, file=sys.stderr)


def shifted(images: Tensor, most: int, draws: torch.Generator) -> Tensor:
    """Each image (B, 1, side, side) moved by its own offset of up to `most` pixels a direction; what comes in is black."""
    count, _, side, _ = images.shape
    padded = nn.functional.pad(images, (most, most, most, most), value=-1.0)[:, 0]
    offsets = torch.randint(0, 2 * most + 1, (2, count, 1), generator=draws)
    rows, columns = offsets + torch.arange(side)  # (B, side) each
    return padded[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]][:, None]


def _in_pieces(network: Classifier, images: Tensor, device: str) -> tuple[Tensor, Tensor]:
    """Features (B, F) and logits (B, 10) of grey images, on the CPU; pieces of 128 stay in a processor's cache."""
    dtype = network.classify.weight.dtype
    with torch.no_grad():
        pieces = [network(scaled(some.to(device), dtype)) for some in images.split(128)]
    features, logits = zip(*pieces, strict=True)
    return torch.cat(features).cpu(), torch.cat(logits).cpu()
