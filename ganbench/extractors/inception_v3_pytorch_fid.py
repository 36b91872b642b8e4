"""Inception v3 as pytorch-fid computes it (Seitzer 2020): the network of `inception-v3-compat` after another resize.

2048 features of the last pooling layer, and the 1008 logits without bias. pytorch-fid resizes with half-pixel centres and scales by
127.5, so its FID differs from the original code's. Grey images are repeated to three channels. By default features are within 1e-4
of the largest one of pytorch-fid's own (measured: 1e-6); exact ones are equal to its to the bit at the same batch size.

The weights, 91 MB, are pytorch-fid's release or torch-fidelity's, which hold the same tensors under the same names.
"""

from torch import Tensor, nn

from ganbench.extractor import Extractor, Features, LoadedExtractor, Loading
from ganbench.nets import inception
from ganbench.weights.published import Published, fill, load_weights

NAME = "inception-v3-pytorch-fid"
PUBLISHED = Published(
    what="Inception weights",
    url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    megabytes=91,
    sha256="6726825d",  # the head of the published file's sha256, which is part of its name
)
RESIZE = "torch bilinear to 299x299 with half-pixel centres, no antialias, then (x - 127.5) / 127.5; grey repeated to RGB"


def prepare(images: Tensor) -> Tensor:
    """uint8 images (B, C, H, W) to the network's input (B, 3, 299, 299) in [-1, 1], in pytorch-fid's order of operations.

    Grey is repeated before the resize: torch rounds that of one channel differently.
    """
    rgb = images.expand(-1, 3, -1, -1).contiguous().float() / 255
    return 2 * nn.functional.interpolate(rgb, (inception.SIDE, inception.SIDE), mode="bilinear", align_corners=False) - 1


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
        arithmetic="as pytorch-fid" if how.exact else "folded float32",
        side=inception.SIDE,
    )


EXTRACTOR = Extractor(
    name="inception-v3-pytorch-fid",
    version=1,
    paper="Szegedy et al. 2015, arXiv:1512.00567; Seitzer 2020, github.com/mseitzer/pytorch-fid",
    feature_count=2048,
    load=load,
    logits="image",
    classes=1008,
)
