"""Classification accuracy score: how well a classifier trained on labelled samples tells real data apart (Ravuri & Vinyals 2019).

arXiv:1905.10887, section 3, with one departure: the paper trains a ResNet-50 on pixels, here a multinomial logistic regression is
trained on features (standardised by the samples' mean and standard deviation, L2 penalty, C = 1). Its numbers compare with no
paper's. It is tested on the held-out data where there are some with labels, else on the reference. A class that the samples lack
is never predicted, so that all its items count as errors.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from ganbench.errors import InvalidInputError, UsageError
from ganbench.extractor import Features
from ganbench.metric import Evidence, Metric, Value

PENALTY = 1.0
ITERATIONS = 1000
TOLERANCE = 1e-6


def compute(evidence: Evidence) -> Value:
    """The percentage, 0 to 100, of real items that are classified rightly, and its binomial standard error.

    Raises UsageError where a side has no labels, and InvalidInputError for samples of a single class.
    """
    held_out = evidence.held_out
    real, tested_on = evidence.reference, "reference"
    if held_out is not None and held_out.labels is not None:
        real, tested_on = held_out, "held-out data"
    if not isinstance(real, Features) or real.labels is None or evidence.samples.labels is None:
        raise UsageError("cas needs the classes of the samples and of the real data; give labels on both sides, or leave it out.")
    labels, truth = evidence.samples.labels.cpu().numpy(), real.labels.cpu().numpy()
    classes = np.unique(labels)
    if len(classes) < 2:
        raise InvalidInputError(f"All samples are of class {classes[0]}, and cas needs 2 classes or more; give samples of others.")
    x, y = (side.features.double().cpu().numpy() for side in (evidence.samples, real))
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation[deviation == 0] = 1  # a constant feature becomes 0 on the samples and tells nothing
    notes = []
    lacking = np.setdiff1d(truth, classes)
    if len(lacking):
        notes.append(
            f"the samples lack {len(lacking)} of the real data's classes, first {lacking[0]}: all of their items are errors."
        )
    classifier = LogisticRegression(C=PENALTY, max_iter=ITERATIONS, tol=TOLERANCE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is told in a note
        classifier.fit((x - mean) / deviation, labels)
    if classifier.n_iter_.max() >= ITERATIONS:
        notes.append(f"the classifier had not converged after {ITERATIONS} iterations.")
    share = float((classifier.predict((y - mean) / deviation) == truth).mean())
    error = 100 * (share * (1 - share) / len(truth)) ** 0.5
    return Value(100 * share, error, "binomial standard error", {"tested_on": tested_on, "items": len(truth)}, tuple(notes))


METRIC = Metric(
    name="cas",
    version=1,
    better="higher",
    needs=("reference-features", "labels"),
    paper="Ravuri & Vinyals 2019, arXiv:1905.10887, section 3",
    compute=compute,
    conventions={
        "unit": "percent",
        "classifier": "logistic regression on features standardised by the samples",
        "penalty": "L2, C = 1",
        "max_iterations": ITERATIONS,
        "tolerance": TOLERANCE,
    },
    field_name="cas",
    least=0.0,
    most=100.0,
)
