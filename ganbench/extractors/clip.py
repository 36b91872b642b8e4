"""CLIP's image encoders (Radford et al. 2021), as torch-fidelity computes them: the projected class token's features.

Images of any size in uint8 are resized by TF1 bilinear interpolation to the encoder's input and normalised by CLIP's statistics;
grey ones are repeated to three channels. The original CMMD crops and resizes by PIL, so its numbers differ somewhat.

The weights are OpenAI's files (`ViT-L-14-336px.pt`, ...), from `--weights FILE`, torch's cache of downloads (under torch-fidelity's
name) or their address. Those are TorchScript programs: only the tensors are read from them, and nothing in them runs. A state dict
with the same names serves too.
"""

import functools
from dataclasses import dataclass, replace

from torch import Tensor, nn
from torch_fidelity.feature_extractor_clip import CLIPVisual, convert_weights

from ganbench.extractor import Extractor, Features, LoadedExtractor, Loading
from ganbench.nets.pieces import describe, piece_on
from ganbench.resize import CLIP, normalised, tf1_bilinear
from ganbench.weights.published import Published, fill, load_weights

PAPER = "Radford et al. 2021, arXiv:2103.00020; Obukhov et al. 2020, torch-fidelity, doi:10.5281/zenodo.4957738"
PIECE = 8


@dataclass(frozen=True)
class Model:
    """One of the family: pixels of the input and of a patch, width of a token, number of blocks, features, and OpenAI's file."""

    name: str
    side: int
    patch: int
    width: int
    depth: int
    feature_count: int
    file: str
    megabytes: int
    sha256: str

    @property
    def published(self) -> Published:
        """Where its weights are."""
        return Published(
            what=f"{self.name} weights",
            url=f"https://openaipublic.azureedge.net/clip/models/{self.sha256}/{self.file}.pt",
            megabytes=self.megabytes,
            sha256=self.sha256,
            kept_as=f"{self.name}-{self.sha256}.pt",
        )

    def build(self) -> nn.Module:
        """torch-fidelity's network, untrained."""
        encoder: nn.Module = CLIPVisual(self.feature_count, self.side, self.depth, self.width, self.patch)
        return encoder


def load(model: Model, how: Loading) -> LoadedExtractor:
    """The extractor on a device. Raises MissingDataError where there is neither a file nor a network, InvalidInputError for a file
    that holds other things, another member of the family among them."""
    weights = load_weights(model.published, how.weights)
    seen = {
        name: tensor for name, tensor in weights.tensors.items() if name.startswith("visual.")
    }  # the text encoder is not needed
    network = fill(model.build, replace(weights, tensors=seen), model.published)
    convert_weights(network)  # OpenAI's weights are float16; as in torch-fidelity, others are rounded to it
    network = network.float().to(how.device)

    def run(images: Tensor) -> tuple[Tensor, None]:
        features: Tensor = network.get_submodule("visual")(normalised(tf1_bilinear(images, model.side), CLIP))
        return features, None

    piece = piece_on(how.device, how.exact, PIECE)
    return LoadedExtractor(
        name=model.name,
        version=1,
        extract=lambda images: Features(*describe(model.name, run, images, how.device, piece)),
        resize=f"TF1 bilinear to {model.side}x{model.side} without half-pixel centres or antialias, CLIP's mean and deviation; "
        "grey repeated to RGB",
        weights_hash=weights.hash,
        notes=weights.notes,
        side=model.side,
    )


B_32 = Model(
    "clip-vit-b-32", 224, 32, 768, 12, 512, "ViT-B-32", 354, "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
)
B_16 = Model(
    "clip-vit-b-16", 224, 16, 768, 12, 512, "ViT-B-16", 351, "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f"
)
L_14 = Model(
    "clip-vit-l-14", 224, 14, 1024, 24, 768, "ViT-L-14", 933, "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"
)
L_14_336PX = Model(
    "clip-vit-l-14-336px",
    336,
    14,
    1024,
    24,
    768,
    "ViT-L-14-336px",
    934,
    "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
)

VIT_B_32 = Extractor(name="clip-vit-b-32", version=1, paper=PAPER, feature_count=512, load=functools.partial(load, B_32))
VIT_B_16 = Extractor(name="clip-vit-b-16", version=1, paper=PAPER, feature_count=512, load=functools.partial(load, B_16))
VIT_L_14 = Extractor(name="clip-vit-l-14", version=1, paper=PAPER, feature_count=768, load=functools.partial(load, L_14))
VIT_L_14_336PX = Extractor(
    name="clip-vit-l-14-336px", version=1, paper=PAPER, feature_count=768, load=functools.partial(load, L_14_336PX)
)
