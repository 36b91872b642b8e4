"""Whether a recipe that a suite changed is read by a variant and fits its networks, before any job of the suite begins."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import torch

from ganbench.errors import UsageError
from ganbench.nets.pack import Packed
from ganbench.variant import Recipe

if TYPE_CHECKING:
    from torch import nn

    from ganbench.variant import Space, Variant

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


def unread(variant: Variant, space: Space, changes: Mapping[str, Any]) -> set[str]:
    """Which of the recipe's fields that are to be changed a variant does not read. A record that named them would be false.

    They are steps that no phase takes, an architecture beside networks of the method's own, and a latent that the method fixes.
    """
    usual = variant.recipe_for(space)
    changed = replace(usual, **changes)
    reads = {
        "d_lr": _differs(variant, usual, d_lr=usual.lr * 2),
        "d_steps": _differs(variant, usual, d_steps=usual.d_steps + 1),
        "g_steps": _differs(variant, usual, g_steps=usual.g_steps + 1),
        "latent_law": variant.latent_law is None,
        "latent_size": variant.latent_size is None
        or variant.latent_size(space, usual) != variant.latent_size(space, replace(usual, latent_size=usual.latent_size + 1)),
        "architecture": changed.architecture == usual.architecture or _reads_architecture(variant, space, changed),
    }
    return {name for name in changes if not reads.get(name, True)}


def _differs(variant: Variant, usual: Recipe, **change: Any) -> bool:
    other = replace(usual, **change)
    return any(phase.steps(usual) != phase.steps(other) or phase.lr(usual) != phase.lr(other) for phase in variant.phases)


def _reads_architecture(variant: Variant, space: Space, recipe: Recipe) -> bool:
    seen: list[str] = []

    class Watched(Recipe):
        def __getattribute__(self, name: str) -> Any:
            seen.append(name)
            return super().__getattribute__(name)

    watched = Watched(**{each.name: getattr(recipe, each.name) for each in fields(recipe)})
    seen.clear()  # what it was checked for when it was made
    try:
        built = _without_memory(variant, space, watched)
    except UsageError:
        return True
    return not built or "architecture" in seen


def _without_memory(variant: Variant, space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of layers that have no numbers to start: the job shows what there is to show
        try:
            return variant.networks(space, recipe)
        except UsageError:
            raise
        except Exception:  # a user's networks may need numbers, which a meta tensor has not: then the job tells what is wrong
            return {}
