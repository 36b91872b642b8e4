"""LPIPS as a space: the squared Euclidean distance of two images' features is their LPIPS distance (Zhang et al. 2018, VGG16).

arXiv:1801.03924, equation 1: over five layers l of VGG16, with activations of unit length in each of the H_l W_l places,
d(x, y) = sum_l 1 / (H_l W_l) sum_hw |sqrt(w_l) * (x_hw - y_hw)|^2. The features are the activations times sqrt(w_l / (H_l W_l)),
laid end to end: 499,712 of an image. As in torch-fidelity's perceptual path length, uint8 images of any size are first resized to
64x64: by area where both sides are larger, and bilinear otherwise. Grey ones are repeated to three channels.

Two files make the weights: the layers' w (torch-fidelity's `weights-vgg16-lpips.pth`), which `--weights FILE` names, and
torchvision's VGG16 from torch's cache or PyTorch's address. One file may hold both: the state dict of torch-fidelity's
SampleSimilarityLPIPS.
"""

import re
from dataclasses import replace

import torch
import torchvision
from torch import Tensor, nn

from ganbench.extractor import Extractor, Features, LoadedExtractor, Loading
from ganbench.files import digest
from ganbench.nets.pieces import describe, piece_on
from ganbench.weights.published import Published, Weights, fill, load_weights

NAME = "lpips-vgg16"
SIDE = 64
PIECE = 8
LAST = (3, 8, 15, 22, 29)  # the layers of torchvision's VGG16 whose activations count
EPSILON = 1e-10
PUBLISHED = Published(
    what="LPIPS weights",
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-vgg16-lpips.pth",
    megabytes=1,
)
VGG16 = Published(
    what="VGG16 weights", url="https://download.pytorch.org/models/vgg16-397923af.pth", megabytes=553, sha256="397923af"
)


class Lpips(nn.Module):
    """The convolutions of VGG16 and the weights of five layers."""

    def __init__(self) -> None:
        super().__init__()
        self.features = torchvision.models.vgg16(init_weights=False).features[: LAST[-1] + 1]
        self.layers = nn.ParameterList(torch.empty(1, channels, 1, 1) for channels in (64, 128, 256, 512, 512))

    def forward(self, x: Tensor) -> Tensor:
        """(B, F) of normalised images (B, 3, 64, 64)."""
        found: list[Tensor] = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in LAST:
                weight = self.layers[len(found)]
                length = x.square().sum(dim=1, keepdim=True).sqrt()  # (B, 1, H, W)
                found.append((x / (length + EPSILON) * (weight / (x.shape[2] * x.shape[3])).sqrt()).flatten(1))
        return torch.cat(found, dim=1)


def prepare(images: Tensor) -> Tensor:
    """uint8 images (B, 1 or 3, H, W) to the network's input (B, 3, 64, 64), by LPIPS's own constants."""
    shift = 1 + torch.tensor([-0.030, -0.088, -0.188], device=images.device)[:, None, None]
    scale = torch.tensor([0.458, 0.448, 0.450], device=images.device)[:, None, None]
    x = (images.float() - shift * 255 / 2) * (2 / (scale * 255))  # (B, 3, H, W)
    if min(x.shape[2:]) > SIDE:
        return nn.functional.interpolate(x, (SIDE, SIDE), mode="area")
    return nn.functional.interpolate(x, (SIDE, SIDE), mode="bilinear", align_corners=False)


def load(how: Loading) -> LoadedExtractor:
    """The extractor on a device; its weights' hash is the file's, or of two files the hash of both hashes.

    Raises MissingDataError where there is neither a file nor a network, InvalidInputError for files that hold other things, and for
    negative weights, under which there is no distance.
    """
    weights = load_weights(PUBLISHED, how.weights)
    if not any(name.startswith("net.") for name in weights.tensors):
        vgg = load_weights(VGG16, None)
        convolutions = {name: tensor for name, tensor in vgg.tensors.items() if name.startswith("features.")}
        weights = replace(weights, tensors=weights.tensors | convolutions, hash=digest([weights.hash, vgg.hash]))
    renamed = {_own_name(name): tensor for name, tensor in weights.tensors.items()}
    network = fill(Lpips, replace(weights, tensors=renamed), PUBLISHED).to(how.device)
    _refuse_negative(network, weights)

    def run(images: Tensor) -> tuple[Tensor, None]:
        features: Tensor = network(prepare(images))
        return features, None

    piece = piece_on(how.device, how.exact, PIECE)
    return LoadedExtractor(
        name=NAME,
        version=1,
        extract=lambda images: Features(*describe(NAME, run, images, how.device, piece)),
        resize="to 64x64 by area where both sides are larger, else bilinear with half-pixel centres; grey repeated to RGB",
        weights_hash=weights.hash,
        notes=weights.notes,
        side=SIDE,
    )


def _own_name(theirs: str) -> str:
    """torch-fidelity's name of a tensor, or torchvision's, as the network here has it."""
    theirs = re.sub(r"^lin(\d)\.model\.1\.weight$", r"layers.\1", theirs)
    return re.sub(r"^net\.slice\d\.", "features.", theirs)


def _refuse_negative(network: Lpips, weights: Weights) -> None:
    for index, layer in enumerate(network.layers):
        if bool((layer < 0).any()):
            raise PUBLISHED.refuse(weights.path, f"lin{index}.model.1.weight has negative values")


EXTRACTOR = Extractor(
    name="lpips-vgg16",
    version=1,
    paper="Zhang et al. 2018, arXiv:1801.03924, equation 1",
    feature_count=None,
    load=load,
)
