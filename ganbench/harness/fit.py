"""Whether a recipe that a suite changed fits a variant's networks, before any job of the suite begins."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch

from ganbench.errors import UsageError
from ganbench.nets.pack import Packed

if TYPE_CHECKING:
    from torch import nn

    from ganbench.variant import Recipe, Space, Variant

# What decides whether networks can be built and take a batch. A variant's own values do, so that most jobs need no check.
SHAPING = ("architecture", "latent_size", "batch_size")


def check_networks(variant: Variant, space: Space, recipe: Recipe) -> None:
    """Build the networks without memory, where the recipe's architecture, latent or batch is another than the variant's own.

    Raises UsageError for an architecture that is not known or not for such data, a latent that is too small, and a batch that
    a pack does not divide.
    """
    usual = variant.recipe_for(space)
    if all(getattr(recipe, field) == getattr(usual, field) for field in SHAPING):
        return
    for network in _without_memory(variant, space, recipe).values():
        for module in network.modules():
            if isinstance(module, Packed):
                module.check(recipe.batch_size)


def _without_memory(variant: Variant, space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of layers that have no numbers to start: the job shows what there is to show
        try:
            return variant.networks(space, recipe)
        except UsageError:
            raise
        except Exception:  # a user's networks may need numbers, which a meta tensor has not: then the job tells what is wrong
            return {}
