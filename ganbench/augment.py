"""Augmentations of images (B, C, H, W) in [-1, 1] that gradients pass, and the probability that adapts how often they are used.

Nothing is drawn here. Amounts and flags are (B,), one a sample, made from noise that the caller was given; shapes never depend on
values, so that everything runs for stacked seeds. Images are moved by products with matrices of zeros and ones, which are exact and
whose gradients add in one order on every device; a gather's do not on a GPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ganbench.variant import Recipe, Space

TARGET = 0.6  # of the mean sign, and the three below: Karras et al. 2020, arXiv:2006.06676, section 3
BATCHES = 4  # from one change of the probability to the next
IMAGES = 500_000  # real images seen while the probability goes from 0 to 1
SHARE = 8  # an image is moved by at most a SHARE-th of its side, rounded: Zhao et al. 2020, arXiv:2006.10738
JITTER = 0.1  # the farthest that points are moved along an axis: our own, one tenth of the radius of the rings


def integers(uniform: Tensor, low: int, high: int) -> Tensor:
    """Whole numbers from `low` to `high`, both among them, all as likely, from uniform noise in [0, 1); of its shape and type."""
    return torch.floor(low + uniform * (high - low + 1))


def brightness(x: Tensor, amount: Tensor) -> Tensor:
    """Images (B, C, H, W) with `amount` (B,) added to every element."""
    return x + amount[:, None, None, None]


def saturation(x: Tensor, factor: Tensor) -> Tensor:
    """Each pixel's distance from its grey, the mean of its channels, times `factor` (B,): one channel alone stays as it is."""
    grey = x.mean(dim=1, keepdim=True)  # (B, 1, H, W)
    return (x - grey) * factor[:, None, None, None] + grey


def contrast(x: Tensor, factor: Tensor) -> Tensor:
    """Each element's distance from the mean of its image times `factor` (B,)."""
    mean = x.mean(dim=(1, 2, 3), keepdim=True)  # (B, 1, 1, 1)
    return (x - mean) * factor[:, None, None, None] + mean


def translated(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Images moved `down` and `right` by whole pixels (B,), of either sign; zeros come in."""
    rows, columns = _moves(down, x.shape[2]), _moves(right, x.shape[3])
    return rows[:, None] @ x @ columns.mT[:, None]


def cut_out(x: Tensor, row: Tensor, column: Tensor, height: int, width: int) -> Tensor:
    """Images with zeros in a box whose first pixel is at `row` and `column` (B,); what of it lies outside is lost."""
    inside = _covers(row, height, x.shape[2])[:, :, None] & _covers(column, width, x.shape[3])[:, None, :]  # (B, H, W)
    return torch.where(inside[:, None], torch.zeros_like(x), x)


def mirrored(x: Tensor) -> Tensor:
    """Images with left and right exchanged."""
    return x.flip(3)


def turned(x: Tensor, quarters: Tensor) -> Tensor:
    """Square images turned to the left by `quarters` (B,) of a full turn: 0, 1, 2 or 3."""
    result = x
    for count in (1, 2, 3):
        result = where(quarters == count, torch.rot90(x, count, (2, 3)), result)
    return result


def where(chosen: Tensor, changed: Tensor, x: Tensor) -> Tensor:
    """Of each sample the changed one where `chosen` (B,) is true, else the one of x; both are (B, ...)."""
    return torch.where(chosen.view(-1, *(1 for _ in x.shape[1:])), changed, x)


def shift_draws(space: Space, recipe: Recipe) -> tuple[int, ...]:
    """The shape of the uniform noise that `shifted` reads for one sample."""
    return space.shape if space.is_points else (2,)


def shifted(x: Tensor, uniform: Tensor) -> Tensor:
    """Images moved along both axes by at most an eighth of their side; points, by at most JITTER along each axis."""
    if x.ndim == 2:
        return x + JITTER * (2 * uniform - 1)
    most = [(side + SHARE // 2) // SHARE for side in x.shape[2:]]  # rounded, as DiffAugment's code has it
    down, right = (integers(uniform[:, axis], -reach, reach) for axis, reach in enumerate(most))
    return translated(x, down, right)


class AdaptiveProbability(nn.Module):
    """The probability p () of an augmentation, a buffer that starts at 0 and follows how sure D is of real samples.

    Karras et al. 2020, arXiv:2006.06676, section 3: after every BATCHES batches, p grows where the mean of sign(D(real)) over them
    is above TARGET, else shrinks, but never below 0, by the share of IMAGES that was seen meanwhile.
    """

    p: Tensor
    signs: Tensor
    waited: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("p", "signs", "waited"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, on_real: Tensor | None = None) -> Tensor:
        """p as it is, a copy; D's logits (B,) on real samples, where they are given, count for the p of the next call."""
        p = self.p.clone()
        if on_real is not None:
            self._follow(on_real)
        return p

    @torch.no_grad()
    def _follow(self, on_real: Tensor) -> None:
        signs, waited = self.signs + on_real.sign().mean(), self.waited + 1
        due = waited == BATCHES
        step = torch.sign(signs / waited - TARGET) * waited * len(on_real) / IMAGES
        self.p.copy_(torch.where(due, (self.p + step).clamp(min=0), self.p))
        self.signs.copy_(torch.where(due, 0.0, signs))
        self.waited.copy_(torch.where(due, 0.0, waited))


def _moves(steps: Tensor, side: int) -> Tensor:
    # (B, side, side): row i has its one where what is moved to i comes from, and none where that lies outside.
    at = torch.arange(side, device=steps.device)
    return (at[:, None] - steps[:, None, None] == at).to(steps.dtype)


def _covers(first: Tensor, length: int, side: int) -> Tensor:
    # (B, side), true at `length` places from `first` on.
    at = torch.arange(side, device=first.device)
    return (at >= first[:, None]) & (at < first[:, None] + length)
