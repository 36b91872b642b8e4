"""A small classifier of 8x8 digits, trained by ganbench on the training part of `digits` (1,197 images): 32 features.

Its weights ship with the package, and the JSON beside them tells the accuracy on the held-out part, the training part's hash, the
seed and the command. An image of several channels gives 32 features and 10 logits a channel. To train it again:

    python -m ganbench.extractors.digits_cnn --out digits-cnn.safetensors
"""

import functools
from pathlib import Path

from torch import Tensor

from ganbench.dataset import Location, load_dataset
from ganbench.extractor import Extractor, Features, LoadedExtractor, Loading
from ganbench.nets import classifier

NAME = "digits-cnn"
WEIGHTS = Path(__file__).parent / "weights" / "digits-cnn.safetensors"
TRAINING = classifier.Training(epochs=120, shift=1, batch_size=64)  # chosen, with the widths, by 4 folds of the training part
COMMAND = "python -m ganbench.extractors.digits_cnn --out digits-cnn.safetensors"


def build() -> classifier.Classifier:
    """The untrained network: 8x8 pixels, 32 features."""
    return classifier.Classifier(side=8, widths=(64, 96), feature_count=32)


def extract(network: classifier.Classifier, device: str, images: Tensor) -> Features:
    """Features (B, C * 32) and logits, (B, 10) for one channel and (B, C, 10) for more, of uint8 images (B, C, 8, 8)."""
    return Features(*classifier.describe(network, NAME, images, device))


def load(how: Loading) -> LoadedExtractor:
    """The extractor with the package's weights, checked against their sha256, or with a file that the training command wrote."""
    network, found = classifier.load_shipped(build, WEIGHTS, how.weights, how.device)
    return LoadedExtractor(
        NAME, 1, functools.partial(extract, network, how.device), resize="none: 8x8, each channel by itself", weights_hash=found
    )


EXTRACTOR = Extractor(
    name="digits-cnn",
    version=1,
    paper="none: ganbench's own classifier of scikit-learn's digits",
    feature_count=32,
    load=load,
    logits="channel",
    classes=10,
)


def main() -> None:
    """Train the classifier and write its weights with their JSON."""
    options = classifier.command_options(COMMAND)
    data = load_dataset("digits", Location())
    classifier.train_and_save(build, data, TRAINING, options.out, COMMAND, classifier.to_stderr)


if __name__ == "__main__":
    main()
