"""Inception v3 as the original TensorFlow code of FID computes it, with torch-fidelity's weights (Obukhov et al. 2020).

2048 features of the last pooling layer and the 1008 logits without bias (Szegedy et al. 2015, arXiv:1512.00567). Images of any size
in uint8; grey ones are repeated to three channels. Frechet distances in these features, and only these, are called FID.

By default features are within 1e-4 of the largest one of torch-fidelity's own (measured: 1e-6), at any batch size; exact ones are
equal to its to the bit at the same batch size. Both are float32: bfloat16 moves a feature by 20 to 30 %, and is not offered.

The weights are 91 MB and do not ship with ganbench. They come from `--weights FILE`, from torch's cache of downloads, or from
torch-fidelity's release page. torch-fidelity unpickles without care, so a file is read here with `weights_only`.
"""

from torch import Tensor

from ganbench.extractor import Extractor, Features, LoadedExtractor, Loading
from ganbench.nets import inception
from ganbench.resize import tf1_bilinear
from ganbench.weights.published import Published, fill, load_weights

NAME = "inception-v3-compat"
PUBLISHED = Published(
    what="Inception weights",
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    megabytes=91,
    sha256="6726825d",  # the head of the published file's sha256, which is part of its name
)
RESIZE = "TF1 bilinear to 299x299 without half-pixel centres or antialias, then (x - 128) / 128; grey repeated to RGB"


def prepare(images: Tensor) -> Tensor:
    """uint8 images (B, C, H, W) to the network's input (B, C, 299, 299), from -1 to 127/128."""
    return tf1_bilinear(images, inception.SIDE).sub_(128).div_(128)


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
    name="inception-v3-compat",
    version=1,
    paper="Szegedy et al. 2015, arXiv:1512.00567; Obukhov et al. 2020, torch-fidelity, doi:10.5281/zenodo.4957738",
    feature_count=2048,
    load=load,
    logits="image",
    classes=1008,
)
