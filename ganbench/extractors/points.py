"""Points are their own features: no network, no weights."""

from torch import Tensor

from ganbench.errors import UsageError
from ganbench.extractor import Extractor, Features, LoadedExtractor, Loading


def extract(points: Tensor) -> Features:
    """The points (B, D) in float64. Raises UsageError for images."""
    if points.ndim != 2:
        raise UsageError(
            f"points takes (N, D) points, and these items have shape {tuple(points.shape[1:])}; choose another extractor."
        )
    return Features(points.double())


def load(how: Loading) -> LoadedExtractor:
    """The extractor; the device does not matter. Raises UsageError when weights are named, for there are none."""
    if how.weights is not None:
        raise UsageError(f"The extractor points has no weights; leave out {how.weights}.")
    return LoadedExtractor(name="points", version=1, extract=extract, resize="none")


EXTRACTOR = Extractor(name="points", version=1, paper="none: the identity", feature_count=None, load=load)
