"""Mode coverage on data whose modes are known (VEEGAN, Srivastava et al. 2017; PacGAN, Lin et al. 2018, section 4).

Points of a mixture of Gaussians: a sample belongs to the nearest centre, and is of high quality when that centre is within 3 sigma;
`modes` counts the modes with a high-quality sample, `high-quality` is the percentage of such samples, and `reverse-kl` is the
divergence KL(p || uniform), natural logarithm, of the modes' frequencies p among them.

Images of known classes, such as stacked MNIST: a sample's mode is its class in each channel, by the classifier's largest logit.
Every sample has a mode, so there is no high quality, and frequencies are those of all samples.
"""

import math

import torch
from torch import Tensor

from ganbench.dataset import ClassModes, PointModes
from ganbench.errors import UsageError
from ganbench.extractor import Features
from ganbench.metric import Evidence, Metric, Value

HIGH_QUALITY_SIGMAS = 3.0
BLOCK = 65536  # points whose distances to all centres are held at a time


def counts(evidence: Evidence) -> Tensor:
    """How many samples show each mode, (modes,) int64: the high-quality ones for points, all of them for classes.

    Raises UsageError where the features or logits cannot be read as the data set's modes.
    """
    match evidence.modes:
        case PointModes() as modes:
            return _point_counts(evidence.samples.features, modes)
        case ClassModes() as modes:
            return _class_counts(evidence.samples, modes)
        case None:
            raise UsageError("The data set has no known modes to count; leave out modes, high-quality and reverse-kl.")


def covered(evidence: Evidence) -> Value:
    """The number of modes with at least one (high-quality) sample: 0 where no sample is of high quality."""
    return Value(float((evidence.once(counts) > 0).sum()))


def high_quality(evidence: Evidence) -> Value:
    """The percentage, 0 to 100, of points within 3 sigma of their nearest centre, 3 sigma itself included."""
    if not isinstance(evidence.modes, PointModes):
        raise UsageError("high-quality is for points of known Gaussian modes, which this data set does not have; leave it out.")
    return Value(100.0 * int(evidence.once(counts).sum()) / len(evidence.samples))


def reverse_kl(evidence: Evidence) -> Value:
    """KL(p || uniform) of the modes' frequencies p in nats, between 0 and log(modes).

    Without a high-quality sample there are no frequencies. The value is then log(modes), the largest that any frequencies reach,
    and a note says so: dropping the score would flatter the model, and a table must not.
    """
    seen = evidence.once(counts)
    total = int(seen.sum())
    if total == 0:
        note = "no sample is of high quality, so reverse-kl is undefined: log(modes), its largest value, stands in for it."
        return Value(math.log(len(seen)), notes=(note,))
    frequencies = seen.double() / total
    against_uniform = seen.double() * len(seen) / total  # exactly 1 for modes that are seen equally often
    return Value(max(0.0, torch.special.xlogy(frequencies, against_uniform).sum().item()))


def _point_counts(points: Tensor, modes: PointModes) -> Tensor:
    centres = torch.tensor(modes.centres, dtype=torch.float64)  # (modes, D)
    if points.shape[1] != centres.shape[1]:
        raise UsageError(
            f"The modes are points of {centres.shape[1]} coordinates, and the features have {points.shape[1]}; "
            "use the extractor points."
        )
    seen = torch.zeros(modes.count, dtype=torch.int64)
    for block in points.double().split(BLOCK):
        squares = (block[:, None] - centres).square().sum(dim=2)  # (B, modes)
        nearest, mode = squares.min(dim=1)
        seen += mode[nearest.sqrt() <= HIGH_QUALITY_SIGMAS * modes.sigma].bincount(minlength=modes.count)
    return seen


def _class_counts(samples: Features, modes: ClassModes) -> Tensor:
    logits = samples.logits
    if logits is None:
        raise UsageError("Modes that are classes need class logits, which this extractor does not give; choose another extractor.")
    per_channel = logits[:, None] if logits.ndim == 2 else logits  # (N, C, K)
    if tuple(per_channel.shape[1:]) != (modes.channels, modes.classes):
        raise UsageError(
            f"The modes are {modes.classes} classes in each of {modes.channels} channels, and the logits are "
            f"{per_channel.shape[2]} in each of {per_channel.shape[1]}; choose the extractor that the data set names."
        )
    place = modes.classes ** torch.arange(modes.channels - 1, -1, -1)  # the first channel is the most significant digit
    return (per_channel.argmax(dim=2) * place).sum(dim=1).bincount(minlength=modes.count)


MODES = Metric(
    name="modes",
    version=1,
    better="higher",
    needs=("modes",),
    paper="Srivastava et al. 2017, arXiv:1705.07761, section 5; Lin et al. 2018, arXiv:1712.04086, section 4",
    compute=covered,
    conventions={"high_quality_sigmas": HIGH_QUALITY_SIGMAS},
    least=0.0,
)
HIGH_QUALITY = Metric(
    name="high-quality",
    version=1,
    better="higher",
    needs=("point-modes",),
    paper="Srivastava et al. 2017, arXiv:1705.07761, section 5; Lin et al. 2018, arXiv:1712.04086, section 4",
    compute=high_quality,
    conventions={"high_quality_sigmas": HIGH_QUALITY_SIGMAS, "unit": "percent"},
    least=0.0,
    most=100.0,
)
REVERSE_KL = Metric(
    name="reverse-kl",
    version=1,
    better="lower",
    needs=("modes",),
    paper="Srivastava et al. 2017, arXiv:1705.07761, section 5; Lin et al. 2018, arXiv:1712.04086, section 4",
    compute=reverse_kl,
    conventions={"high_quality_sigmas": HIGH_QUALITY_SIGMAS, "against": "uniform", "without_high_quality_samples": "log(modes)"},
    least=0.0,
)
