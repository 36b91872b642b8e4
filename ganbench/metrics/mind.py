"""Monge Inception Distance: a scaled sliced 2-Wasserstein distance between two sets of features (Berthet et al. 2026).

    MIND = 3 d mean_u W2^2(u . X, u . Y), arXiv:2605.06797, over 1000 random unit directions u in d dimensions

It follows torch-fidelity's main branch: directions are normal in float32 from a torch generator seeded with 2020, and the larger
side is cut to the size of the smaller by a permutation drawn before them. The products are float64 here. It is biased upwards:
two finite sets from one distribution are apart.
"""

import torch

from ganbench.errors import UsageError
from ganbench.extractor import Features
from ganbench.metric import Evidence, Metric, Value
from ganbench.projections import squared_distances

DIRECTIONS = 1000
SEED = 2020


def compute(evidence: Evidence) -> Value:
    """The distance, 0 or more, with its standard error over the directions. A note says where a side was cut."""
    if not isinstance(evidence.reference, Features):
        raise UsageError(
            "mind compares samples with a reference's features, which FID statistics do not hold; name another reference."
        )
    x, y = evidence.samples.features, evidence.reference.features
    size, width = min(len(x), len(y)), x.shape[1]
    notes: tuple[str, ...] = ()
    draws = torch.Generator().manual_seed(SEED)
    if len(x) != len(y):
        larger = "samples" if len(x) > len(y) else "reference"
        notes = (f"{max(len(x), len(y))} rows of the {larger} were cut to {size}, the size of the other side, drawn at random.",)
        rows = torch.randperm(max(len(x), len(y)), generator=draws)[:size].to(x.device)
        x, y = (x[rows], y) if larger == "samples" else (x, y[rows])
    directions = torch.randn(DIRECTIONS, width, generator=draws).double()
    directions /= directions.norm(dim=1, keepdim=True)
    distances = 3 * width * squared_distances(x, y, directions.to(x.device))
    error = distances.std(correction=1).item() / DIRECTIONS**0.5
    return Value(distances.mean().item(), error, f"standard error over {DIRECTIONS} directions", {"rows": size}, notes)


METRIC = Metric(
    name="mind",
    version=1,
    better="lower",
    needs=("reference-features",),
    paper="Berthet et al. 2026, arXiv:2605.06797",
    compute=compute,
    conventions={"directions": DIRECTIONS, "scale": "3 d", "unequal_sides": "the larger is cut at random", "seed": SEED},
    field_name="mind",
    least=0.0,
)
