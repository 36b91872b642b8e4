"""Inception v3 as the original TensorFlow code of FID computes it, by torch-fidelity (Obukhov et al. 2020).

2048 features of the last pooling layer and the 1008 logits without bias (Szegedy et al. 2015, arXiv:1512.00567). Images of any size
in uint8; grey ones are repeated to three channels. Frechet distances in these features, and only these, are called FID.

The weights are 91 MB and do not ship with ganbench. They come from `--weights FILE`, from torch's cache of downloads, or from
torch-fidelity's release page. torch-fidelity unpickles without care, so a file is read here with `weights_only` first.
"""

import io
import pickle
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from ganbench.errors import InvalidInputError, MissingDataError, UsageError
from ganbench.extractor import Extractor, Features, LoadedExtractor
from ganbench.files import digest, write_atomically

NAME = "inception-v3-compat"
RELEASE = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
FILE = "weights-inception-2015-12-05-6726825d.pth"
PUBLISHED = "6726825d"  # the head of the published file's sha256, which is part of its name
RESIZE = "TF1 bilinear to 299x299 without half-pixel centres or antialias, then (x - 128) / 128; grey repeated to RGB"


def load(weights: Path | None, device: str) -> LoadedExtractor:
    """The extractor on a device. Weights other than the published ones are used, and a note says so.

    Raises MissingDataError where there is neither a file nor a network, InvalidInputError for a file that holds other things.
    """
    path = weights or Path(torch.hub.get_dir()) / "checkpoints" / FILE
    if weights is None and not path.exists():
        _download(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MissingDataError(f"{path} cannot be read ({error.strerror}); {_where()}") from None
    found = digest(content)
    if weights is None and not found.startswith(PUBLISHED):
        raise InvalidInputError(f"{path} is damaged: its sha256 starts with {found[:8]}, not {PUBLISHED}; delete it.")
    network = build(content, str(path)).to(device)

    def extract(images: Tensor) -> Features:
        """Features (B, 2048) and logits (B, 1008) in float32 of uint8 images (B, 1 or 3, H, W)."""
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
            got = f"{'x'.join(map(str, images.shape[1:]))} {str(images.dtype).removeprefix('torch.')}"
            raise UsageError(f"{NAME} takes uint8 images of 1 or 3 channels, and these are {got}; choose another extractor.")
        rgb = images.expand(-1, 3, -1, -1).to(device)
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # TF32 keeps 10 bits of a feature
            features, logits = network(rgb)
        return Features(features.cpu(), logits.cpu())

    other = (
        f"the Inception weights have sha256 {found[:8]}..., not the published {PUBLISHED}...: these scores compare with no paper's."
    )
    notes = () if found.startswith(PUBLISHED) else (other,)
    return LoadedExtractor(name=NAME, version=1, extract=extract, resize=RESIZE, weights_hash=found, notes=notes)


def build(content: bytes, path: str) -> nn.Module:
    """torch-fidelity's network with the state dict that a .pth file holds; `path` is for the error (InvalidInputError)."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can make torch.load raise almost anything
        unsafe = isinstance(error, pickle.UnpicklingError) and "weights_only" in str(error).lower()
        reason = "it holds more than tensors" if unsafe else "it is damaged, or no PyTorch file"
        raise InvalidInputError(f"{path} does not hold Inception weights: {reason}; {_where()}") from None
    network_of: Callable[..., nn.Module] = FeatureExtractorInceptionV3
    verified = io.BytesIO()
    torch.save(state, verified)
    verified.seek(0)
    try:
        return network_of(NAME, ["2048", "logits_unbiased"], feature_extractor_weights_path=verified)
    except (RuntimeError, TypeError, AttributeError):
        raise InvalidInputError(f"{path} does not hold Inception weights: its tensors are others; {_where()}") from None


def _download(path: Path) -> None:
    """Fetch the published weights to `path`, or raise MissingDataError. Content with another hash is not kept."""
    print(f"Fetching {RELEASE}{FILE} (91 MB)", file=sys.stderr)
    try:
        with urllib.request.urlopen(RELEASE + FILE, timeout=30) as answer:
            content: bytes = answer.read()
    except OSError:
        raise MissingDataError(f"The Inception weights are not on this machine and could not be downloaded; {_where()}") from None
    found = digest(content)
    if not found.startswith(PUBLISHED):
        raise MissingDataError(f"The download of the Inception weights has sha256 {found[:8]}, not {PUBLISHED}; {_where()}")
    write_atomically(path, content)


def _where() -> str:
    return f"get {RELEASE}{FILE} and pass it with --weights FILE."


EXTRACTOR = Extractor(
    name="inception-v3-compat",
    version=1,
    paper="Szegedy et al. 2015, arXiv:1512.00567; Obukhov et al. 2020, torch-fidelity, doi:10.5281/zenodo.4957738",
    feature_count=2048,
    load=load,
    logits="image",
)
