"""A small classifier of 28x28 digits, trained by ganbench on MNIST's 60,000 training images: 64 features.

It also scores stacked MNIST, whose images are three digits in three channels: each channel is classified by itself, and gives 64
features and 10 logits. Its weights ship with the package, and the JSON beside them tells the accuracy on MNIST's test set, the
training part's hash, the seed and the command. To train it again:

    python -m ganbench.extractors.mnist_cnn --data-root DIR --out mnist-cnn.safetensors
"""

import functools
from pathlib import Path

from torch import Tensor

from ganbench.dataset import Location, load_dataset
from ganbench.extractor import Extractor, Features, LoadedExtractor, Loading
from ganbench.nets import classifier

NAME = "mnist-cnn"
WEIGHTS = Path(__file__).parent / "weights" / "mnist-cnn.safetensors"
TRAINING = classifier.Training(epochs=8, shift=2, batch_size=128)
COMMAND = "python -m ganbench.extractors.mnist_cnn --data-root DIR --out mnist-cnn.safetensors"


def build() -> classifier.Classifier:
    """The untrained network: 28x28 pixels, 64 features."""
    return classifier.Classifier(side=28, widths=(16, 32, 64), feature_count=64)


def extract(network: classifier.Classifier, device: str, images: Tensor) -> Features:
    """Features (B, C * 64) and logits, (B, 10) for one channel and (B, C, 10) for more, of uint8 images (B, C, 28, 28)."""
    return Features(*classifier.describe(network, NAME, images, device))


def load(how: Loading) -> LoadedExtractor:
    """The extractor with the package's weights, checked against their sha256, or with a file that the training command wrote."""
    network, found = classifier.load_shipped(build, WEIGHTS, how.weights, how.device)
    return LoadedExtractor(
        NAME, 1, functools.partial(extract, network, how.device), resize="none: 28x28, each channel by itself", weights_hash=found
    )


EXTRACTOR = Extractor(
    name="mnist-cnn",
    version=1,
    paper="none: ganbench's own classifier of MNIST",
    feature_count=64,
    load=load,
    logits="channel",
    classes=10,
)


def main() -> None:
    """Train the classifier and write its weights with their JSON."""
    options = classifier.command_options(COMMAND)
    data = load_dataset("mnist", Location(root=options.data_root))
    classifier.train_and_save(build, data, TRAINING, options.out, COMMAND, classifier.to_stderr)


if __name__ == "__main__":
    main()
