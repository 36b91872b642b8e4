"""Inception Score of an endless sample: IS extrapolated in 1 / N (Chong and Forsyth 2020, arXiv:1911.07023).

IS of N samples is too low by about c / N. Each subset's IS is taken as one split, unlike that of `is`; how subsets are drawn and
the line is fitted stands in `ganbench.extrapolation`. It reads no real data.
"""

from ganbench.class_scores import inception_score
from ganbench.errors import UsageError
from ganbench.extrapolation import CONVENTIONS, extrapolate
from ganbench.metric import Evidence, Metric, Value


def compute(evidence: Evidence) -> Value:
    """The intercept and its standard error.

    Raises InvalidInputError for too few samples, and UsageError for logits that an extractor gives a channel.
    """
    logits = evidence.samples.logits
    if logits is None:
        raise UsageError("is-infinity reads class logits, which this extractor does not give; choose another extractor.")
    if logits.ndim != 2:
        raise UsageError(
            f"is-infinity reads one set of class logits an image, and these images have {logits.shape[1]}, one a channel; "
            "leave it out."
        )
    return extrapolate("is-infinity", logits, lambda rows: inception_score(logits, rows))


METRIC = Metric(
    name="is-infinity",
    version=1,
    better="higher",
    needs=("logits",),
    paper="Chong and Forsyth 2020, arXiv:1911.07023",
    compute=compute,
    conventions={"splits": 1, **CONVENTIONS},
    field_name="is-infinity",
)
