"""VGG16's second fully connected layer (Simonyan & Zisserman 2014), as torch-fidelity computes it for precision and recall.

4096 features after the ReLU, not negative: torch-fidelity's `fc2_relu`. Images of any size in uint8 are resized to 224x224 by TF1
bilinear interpolation and normalised by ImageNet's statistics; grey ones are repeated to three channels. StyleGAN's tools use a
network of the same architecture with other weights, so their numbers differ.

The weights are torchvision's file, 553 MB, from `--weights FILE`, torch's cache of downloads or PyTorch's address.
"""

import torchvision
from torch import Tensor, nn

from ganbench.extractor import Extractor, Features, LoadedExtractor, Loading
from ganbench.nets.pieces import describe, piece_on
from ganbench.resize import IMAGENET, normalised, tf1_bilinear
from ganbench.weights.published import Published, fill, load_weights

NAME = "vgg16"
SIDE = 224
RESIZE = "TF1 bilinear to 224x224 without half-pixel centres or antialias, ImageNet's mean and deviation; grey repeated to RGB"
PIECE = 8
PUBLISHED = Published(
    what="VGG16 weights",
    url="https://download.pytorch.org/models/vgg16-397923af.pth",
    megabytes=553,
    sha256="397923af",  # the head of the published file's sha256, which is part of its name
)


def build() -> nn.Module:
    """torchvision's network, untrained."""
    network: nn.Module = torchvision.models.vgg16(init_weights=False)
    return network


def load(how: Loading) -> LoadedExtractor:
    """The extractor on a device. Weights other than the published ones are used, and a note says so.

    Raises MissingDataError where there is neither a file nor a network, InvalidInputError for a file that holds other things.
    """
    weights = load_weights(PUBLISHED, how.weights)
    network = fill(build, weights, PUBLISHED)
    network.classifier = nn.Sequential(*list(network.get_submodule("classifier").children())[:4])  # up to fc2
    network = network.to(how.device)

    def run(images: Tensor) -> tuple[Tensor, None]:
        return nn.functional.relu(network(normalised(tf1_bilinear(images, SIDE), IMAGENET))), None

    piece = piece_on(how.device, how.exact, PIECE)
    return LoadedExtractor(
        name=NAME,
        version=1,
        extract=lambda images: Features(*describe(NAME, run, images, how.device, piece)),
        resize=RESIZE,
        weights_hash=weights.hash,
        notes=weights.notes,
        side=SIDE,
    )


EXTRACTOR = Extractor(
    name="vgg16",
    version=1,
    paper="Simonyan & Zisserman 2014, arXiv:1409.1556; Obukhov et al. 2020, torch-fidelity, doi:10.5281/zenodo.4957738",
    feature_count=4096,
    load=load,
)
