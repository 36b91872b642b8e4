"""Inception Score: exp of the mean KL divergence between a sample's class probabilities and their mean (Salimans et al. 2016).

    IS = exp(E_x KL(p(y | x) || p(y))), arXiv:1606.03498, section 4

It follows torch-fidelity: samples shuffled by numpy's RandomState(2020), 10 splits, softmax of the logits in float64, the mean over
splits and their standard deviation with ddof 0. With Inception the logits are the 1008 without bias. It reads no real data.
"""

import itertools

import numpy as np
import torch

from ganbench.class_scores import inception_score
from ganbench.errors import InvalidInputError, UsageError
from ganbench.metric import Evidence, Metric, Value

SPLITS = 10
SEED = 2020


def compute(evidence: Evidence) -> Value:
    """The mean and the standard deviation over 10 splits.

    Raises UsageError for logits that an extractor gives a channel, for then no one class distribution belongs to an image.
    """
    logits = evidence.samples.logits
    if logits is None:
        raise UsageError("is reads class logits, which this extractor does not give; choose another extractor.")
    if logits.ndim != 2:
        raise UsageError(
            f"is reads one set of class logits an image, and these images have {logits.shape[1]}, one a channel; leave it out."
        )
    count = len(logits)
    if count < SPLITS:
        raise InvalidInputError(f"is needs at least {SPLITS} samples, one a split, and there are {count}; give more.")
    shuffled = torch.from_numpy(np.random.RandomState(SEED).permutation(count)).to(logits.device)
    bounds = [i * count // SPLITS for i in range(SPLITS + 1)]
    scores = np.array([inception_score(logits, shuffled[start:end]) for start, end in itertools.pairwise(bounds)])
    return Value(float(scores.mean()), float(scores.std()), f"std over {SPLITS} splits, ddof 0")


METRIC = Metric(
    name="is",
    version=1,
    better="higher",
    needs=("logits",),
    paper="Salimans et al. 2016, arXiv:1606.03498, section 4",
    compute=compute,
    conventions={"splits": SPLITS, "shuffle_seed": SEED},
    field_name="is",
    least=1.0,
)
