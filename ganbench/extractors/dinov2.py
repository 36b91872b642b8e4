"""DINOv2 vision transformers (Oquab et al. 2023), on images as torch-fidelity prepares them: the class token's features.

Images of any size in uint8 are resized to 224x224 by TF1 bilinear interpolation and normalised by ImageNet's statistics; grey ones
are repeated to three channels. Other tools resize with antialias (edm2), so their numbers differ.

The weights are Meta's own files (`dinov2_vits14_pretrain.pth`, ...), from `--weights FILE`, torch's cache of downloads or their
address. Meta publishes no hash with them: the protocol tells the one found. torch-fidelity takes no file and runs Meta's code as
torch.hub downloads it; here the network is ganbench's own, and nothing that is downloaded runs.
"""

import functools
from dataclasses import dataclass

from torch import Tensor

from ganbench.extractor import Extractor, Features, LoadedExtractor, Loading
from ganbench.nets.dinov2 import Architecture, DinoV2
from ganbench.nets.pieces import describe, piece_on
from ganbench.resize import IMAGENET, normalised, tf1_bilinear
from ganbench.weights.published import Published, fill, load_weights

SIDE = 224
RESIZE = "TF1 bilinear to 224x224 without half-pixel centres or antialias, ImageNet's mean and deviation; grey repeated to RGB"
PAPER = "Oquab et al. 2023, arXiv:2304.07193"
PIECE = 8


@dataclass(frozen=True)
class Model:
    """One of the family: its name, Meta's name for it, its architecture and the size of its file."""

    name: str
    theirs: str
    architecture: Architecture
    megabytes: int

    @property
    def published(self) -> Published:
        """Where its weights are."""
        address = f"https://dl.fbaipublicfiles.com/dinov2/{self.theirs}/{self.theirs}_pretrain.pth"
        return Published(f"{self.name} weights", address, self.megabytes)


def load(model: Model, how: Loading) -> LoadedExtractor:
    """The extractor on a device. Raises MissingDataError where there is neither a file nor a network, InvalidInputError for a file
    that holds other things, another member of the family among them."""
    weights = load_weights(model.published, how.weights)
    network = fill(lambda: DinoV2(model.architecture), weights, model.published).to(how.device)

    def run(images: Tensor) -> tuple[Tensor, None]:
        resized = normalised(tf1_bilinear(images, SIDE), IMAGENET)
        features: Tensor = network(resized)
        return features, None

    piece = piece_on(how.device, how.exact, PIECE)
    return LoadedExtractor(
        name=model.name,
        version=1,
        extract=lambda images: Features(*describe(model.name, run, images, how.device, piece)),
        resize=RESIZE,
        weights_hash=weights.hash,
        notes=weights.notes,
        side=SIDE,
    )


SMALL = Model("dinov2-vit-s-14", "dinov2_vits14", Architecture(384, 12), 88)
BASE = Model("dinov2-vit-b-14", "dinov2_vitb14", Architecture(768, 12), 346)
LARGE = Model("dinov2-vit-l-14", "dinov2_vitl14", Architecture(1024, 24), 1218)
GIANT = Model("dinov2-vit-g-14", "dinov2_vitg14", Architecture(1536, 40, gated=True), 4546)

VIT_S = Extractor(name="dinov2-vit-s-14", version=1, paper=PAPER, feature_count=384, load=functools.partial(load, SMALL))
VIT_B = Extractor(name="dinov2-vit-b-14", version=1, paper=PAPER, feature_count=768, load=functools.partial(load, BASE))
VIT_L = Extractor(name="dinov2-vit-l-14", version=1, paper=PAPER, feature_count=1024, load=functools.partial(load, LARGE))
VIT_G = Extractor(name="dinov2-vit-g-14", version=1, paper=PAPER, feature_count=1536, load=functools.partial(load, GIANT))
