"""Ready features are their own features: what an extractor elsewhere gave, one row a sample. No network, no weights."""

import torch
from torch import Tensor

from ganbench.errors import UsageError
from ganbench.extractor import Extractor, Features, LoadedExtractor, Loading


def extract(features: Tensor) -> Features:
    """The rows (B, F) as they are in float32 or float64, in float32 where they came in less. Raises UsageError for other items."""
    if features.ndim != 2 or not features.is_floating_point():
        got = f"{str(features.dtype).removeprefix('torch.')} items of shape {tuple(features.shape[1:])}"
        raise UsageError(f"features takes (N, F) floating-point features, and these are {got}; choose another extractor.")
    return Features(features if features.dtype == torch.float64 else features.float())


def load(how: Loading) -> LoadedExtractor:
    """The extractor; the device does not matter. Raises UsageError when weights are named, for there are none."""
    if how.weights is not None:
        raise UsageError(f"The extractor features has no weights; leave out {how.weights}.")
    return LoadedExtractor(name="features", version=1, extract=extract, resize="none")


EXTRACTOR = Extractor(name="features", version=1, paper="none: the identity", feature_count=None, load=load)
