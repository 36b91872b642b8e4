"""Inception v3 after clean-fid's resize (Parmar et al. 2022): the network of `inception-v3-compat` on antialiased images.

2048 features of the last pooling layer, and the 1008 logits without bias. PIL resizes each channel in float32 with its bicubic
filter, clipped to 0..255 and not quantised again. Grey images are repeated to three channels. clean-fid runs the same weights as a
TorchScript program; here the network is torch-fidelity's, and exact means equal to that on these images.

The weights, 91 MB, are torch-fidelity's.
"""

from torch import Tensor

from ganbench.extractor import Extractor, Features, LoadedExtractor, Loading
from ganbench.nets import inception
from ganbench.resize import pil_bicubic
from ganbench.weights.published import Published, fill, load_weights

NAME = "inception-v3-clean-fid"
PUBLISHED = Published(
    what="Inception weights",
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    megabytes=91,
    sha256="6726825d",  # the head of the published file's sha256, which is part of its name
)
RESIZE = "PIL bicubic to 299x299 of each channel in float32, clipped, not quantised, then (x - 128) / 128; grey repeated to RGB"


def prepare(images: Tensor) -> Tensor:
    """uint8 images (B, C, H, W) to the network's input (B, C, 299, 299), from -1 to 127/128."""
    return pil_bicubic(images, inception.SIDE).sub_(128).div_(128)


def load(how: Loading) -> LoadedExtractor:
    """The extractor on a device. Weights other than the published ones are used, and a note says so.

    Raises MissingDataError where there is neither a file nor a network, InvalidInputError for a file that holds other things.
    """
    weights = load_weights(PUBLISHED, how.weights)
    network = fill(inception.Inception, weights, PUBLISHED)
    describe = inception.ready(network, NAME, prepare, how.device, how.exact)
    return LoadedExtractor(
        name=NAME,
        version=1,
        extract=lambda images: Features(*describe(images)),
        resize=RESIZE,
        weights_hash=weights.hash,
        notes=weights.notes,
        arithmetic="as torch-fidelity" if how.exact else "folded float32",
        side=inception.SIDE,
    )


EXTRACTOR = Extractor(
    name="inception-v3-clean-fid",
    version=1,
    paper="Szegedy et al. 2015, arXiv:1512.00567; Parmar et al. 2022, arXiv:2104.11222",
    feature_count=2048,
    load=load,
    logits="image",
    classes=1008,
)
