"""Perceptual path length: how far images move for a short step of the latent (Karras et al. 2019, arXiv:1812.04948, section 4.1).

    PPL = E[d(G(interp(z1, z2; t)), G(interp(z1, z2; t + epsilon))) / epsilon^2], d a squared distance in LPIPS features

As in the authors' code, distances below the 1st percentile (the data point at or below it) and above the 99th (at or above it) are
left out.
"""

import math

from ganbench.errors import InvalidInputError, UsageError
from ganbench.metric import Evidence, Metric, Value

LOWER, UPPER = 1.0, 99.0  # percentiles


def compute(evidence: Evidence) -> Value:
    """The mean of the steps that are kept, 0 or more, and its standard error; in squared distances for a whole path.

    Raises InvalidInputError for steps that are negative, not finite or fewer than 2, and for an epsilon that is not above 0.
    """
    path = evidence.path
    if path is None:
        raise UsageError("ppl follows paths in a generator's latent space, and there is none; score a generator, or leave it out.")
    steps = path.squared_distances.double()
    if not path.epsilon > 0:
        raise InvalidInputError(f"ppl needs an epsilon above 0, and it is {path.epsilon}; give a positive step.")
    bad = int((~(steps.isfinite() & (steps >= 0))).sum())
    if bad or len(steps) < 2:
        raise InvalidInputError(
            f"ppl needs at least 2 squared distances, all finite and 0 or more; {bad} of {len(steps)} are not: take more steps, "
            "or look at the generator's images."
        )
    ascending = steps.sort().values / path.epsilon**2
    last = len(steps) - 1
    lowest, highest = ascending[math.floor(last * LOWER / 100)], ascending[math.ceil(last * UPPER / 100)]
    kept = ascending[(ascending >= lowest) & (ascending <= highest)]
    settled: dict[str, str | int | float] = {"epsilon": path.epsilon, "interpolation": path.interpolation, "steps": len(steps)}
    error = kept.std(correction=1).item() / len(kept) ** 0.5
    return Value(kept.mean().item(), error, "standard error of the mean over the steps that are kept", settled)


METRIC = Metric(
    name="ppl",
    version=1,
    better="lower",
    needs=("path",),
    paper="Karras et al. 2019, arXiv:1812.04948, section 4.1",
    compute=compute,
    conventions={"kept_percentiles": "1 to 99, the data points outward"},
    field_name="ppl",
    home="lpips-vgg16",
    least=0.0,
)
