"""Several generators in one module, which share all layers but one; the latent's last coordinate says whose sample is given."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ganbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganbench.variant import Recipe


def recipe_of_one(recipe: Recipe) -> Recipe:
    """Each generator's: without the latent's last number, which chooses one. Raises UsageError where that is the only one."""
    if recipe.latent_size < 2:
        raise UsageError("A latent of 1 has no room beside the number that chooses the generator; make latent_size larger.")
    return replace(recipe, latent_size=recipe.latent_size - 1)


def one_of(z: Tensor, count: int) -> Tensor:
    """One-hot choices (B, count) for N(0, 1) numbers (B,): each of equal chance, by the normal distribution function."""
    place = (torch.special.ndtr(z) * count).floor().clamp(max=count - 1)  # rounding may carry the last to `count`
    return _one_hot(place, count)


def in_turn(z: Tensor, count: int) -> Tensor:
    """One-hot choices (B, count) for a batch z (B, ...): equally many of each, by the place in the batch."""
    return _one_hot(torch.arange(len(z), device=z.device) % count, count).to(z.dtype)


def _one_hot(place: Tensor, count: int) -> Tensor:
    return (place[:, None] == torch.arange(count, device=place.device)).to(place.dtype)


class ManyGenerators(nn.Module):
    """`generators`, chains of layers of one form, made one but for a layer: their first with parameters, or their last.

    z is (B, latent_size + 1), its last coordinate N(0, 1); all own layers are computed, and one output a sample is kept.
    """

    def __init__(self, generators: Sequence[nn.Module], own_first: bool) -> None:
        super().__init__()
        chains = [list(each.children()) for each in generators]
        trained = [place for place, layer in enumerate(chains[0]) if list(layer.parameters())]
        own = trained[0] if own_first else trained[-1]
        self.before = nn.Sequential(*chains[0][:own])
        self.own = nn.ModuleList(chain[own] for chain in chains)
        self.after = nn.Sequential(*chains[0][own + 1 :])

    def forward(self, z: Tensor, choice: Tensor | None = None) -> Tensor:
        """Samples (B, *shape) of the generators that z chooses, or `choice` (B, count), one-hot."""
        if choice is None:
            choice = one_of(z[:, -1], len(self.own))
        hidden = self.before(z[:, :-1])
        outputs = torch.stack([layer(hidden) for layer in self.own], dim=1)  # (B, count, ...)
        kept: Tensor = self.after((outputs * choice.view(*choice.shape, *(1 for _ in outputs.shape[2:]))).sum(dim=1))
        return kept
