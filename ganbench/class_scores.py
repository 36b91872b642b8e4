"""The Inception Score of class logits, which `is` and `is-infinity` share (Salimans et al. 2016, arXiv:1606.03498, section 4).

    IS = exp(E_x KL(p(y | x) || p(y))) = exp(E_x sum_y p(y | x) log p(y | x) - sum_y p(y) log p(y))

In the second form a row's share is settled when the row has been read, so that rows are read in blocks that stay in a processor's
cache, and nothing of the size of all logits is held. With z the logits of a row less their largest one, e = exp(z) and s = sum(e),
a row's sum of p log p is sum(e z) / s - log(s): one exponential a logit and no logarithm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 1 << 17  # logits that are held in float64 at a time, in three buffers of 1 MiB
SURE = -800.0  # exp is 0 in float64 from -746 on; infinities, which differences of huge logits are, stop here too


def inception_score(logits: Tensor, rows: Tensor | None = None) -> float:
    """The Inception Score, between 1 and K, of logits (N, K) of any float dtype, taken as one split, in float64.

    `rows` (n,) int64 are those that count, in any order; None: all of them. It works on the logits' device and holds 3 MiB.
    """
    import torch

    count = len(logits) if rows is None else len(rows)
    size = max(1, BLOCK // logits.shape[1])
    marginal = torch.zeros(logits.shape[1], dtype=torch.float64, device=logits.device)
    negative_entropy = marginal.new_zeros(())
    for start in range(0, count, size):
        block = logits[start : start + size] if rows is None else logits[rows[start : start + size]]
        shifted = block.double()  # (B, K), a copy unless the logits are float64 already
        shifted = (shifted - shifted.amax(dim=1, keepdim=True)).clamp_(min=SURE)
        weights = shifted.exp()
        total = weights.sum(dim=1)  # (B,)
        marginal += (1 / total) @ weights
        negative_entropy += (torch.linalg.vecdot(weights, shifted) / total - total.log()).sum()
    marginal /= count
    divergence = negative_entropy / count - torch.special.xlogy(marginal, marginal).sum()
    return float(divergence.clamp(min=0).exp())  # rounding may put it below 0
