"""Scikit-learn's handwritten digits, 8 x 8 and grey: real images that need no download.

Grey levels 0..16 become uint8 by v * 255 / 16, halves rounded up. The test part is 600 images drawn at random, once, by the raw
bits of PCG64; the other 1,197 are for training. The draw is not balanced over the classes: balanced samples are closer to the whole
than independent ones are, and their KID would lie below 0. Scikit-learn ships the test half of the original data, of 13 writers,
so both parts share their writers.
"""

from ganbench.dataset import ClassModes, Dataset, LoadedDataset, Location, Part
from ganbench.rng import stream_seed

TEST_COUNT = 600


def load(location: Location) -> LoadedDataset:
    """1,197 training and 600 test images (N, 1, 8, 8) in scikit-learn's order, with the digits as labels."""
    import numpy as np
    import torch
    from sklearn.datasets import load_digits

    pixels, digits = load_digits(return_X_y=True)
    images = ((pixels.astype(np.int64) * 255 + 8) // 16).astype(np.uint8).reshape(-1, 1, 8, 8)
    keys = np.random.PCG64(stream_seed(0, "digits split")).random_raw(len(digits))
    is_test = np.zeros(len(digits), dtype=bool)
    is_test[np.argsort(keys)[:TEST_COUNT]] = True

    def part(name: str, chosen: np.ndarray) -> Part:
        return Part(name, torch.from_numpy(images[chosen]), torch.from_numpy(digits[chosen].astype(np.int64)))

    return LoadedDataset("digits", part("train", ~is_test), part("test", is_test), classes=10, modes=ClassModes(10))


DATASET = Dataset(
    name="digits",
    version=1,
    licence="CC BY 4.0",
    source="Optical Recognition of Handwritten Digits (Alpaydin and Kaynak 1998, UCI), as scikit-learn ships it",
    extractor="digits-cnn",
    metrics=("fd", "kid", "is", "modes", "reverse-kl"),
    samples=600,
    load=load,
    modes=10,
)
