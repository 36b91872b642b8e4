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
    Whatever cannot be found out counts as read.
    """
    idle = changes.keys() & {"architecture", "d_lr", "d_steps", "g_steps"}
    if idle:
        idle -= _read(variant, space, changes)
    if "latent_law" in changes and variant.latent_law is not None:
        idle.add("latent_law")
    if "latent_size" in changes and _fixes_latent_size(variant, space, changes):
        idle.add("latent_size")
    return idle


def _fixes_latent_size(variant: Variant, space: Space, changes: Mapping[str, Any]) -> bool:
    if variant.latent_size is None:
        return False
    usual = variant.points if space.is_points and variant.points is not None else variant.recipe
    recipe, seen = _watched(replace(usual, **changes))
    try:
        variant.latent_size(space, recipe)
    except Exception:  # a user's own code, which the plan asks again
        return False
    return not seen & {"latent_size", "__dict__"}


def _read(variant: Variant, space: Space, changes: Mapping[str, Any]) -> set[str]:
    """The fields that the variant's functions read, all of them where one takes the recipe apart or fails."""
    try:
        recipe, seen = _watched(variant.recipe_for(space, changes))
        for phase in variant.phases:
            phase.steps(recipe)
            phase.lr(recipe)
            for noise in phase.noise.values():
                noise.shape(space, recipe)
        if variant.latent_size is not None:
            variant.latent_size(space, recipe)
        built = _without_memory(variant, space, recipe)
    except Exception:  # an architecture that is not known, or a user's own code: the plan or the job tells
        return set(changes)
    return set(changes) if not built or "__dict__" in seen else seen


def _watched(recipe: Recipe) -> tuple[Recipe, set[str]]:
    """The recipe, and the names that are read of it from now on."""
    seen: set[str] = set()

    class Watched(Recipe):
        def __getattribute__(self, name: str) -> Any:
            seen.add(name)
            return super().__getattribute__(name)

    watched = Watched(**{each.name: getattr(recipe, each.name) for each in fields(recipe)})
    seen.clear()  # what it was checked for when it was made
    return watched, seen


def _without_memory(variant: Variant, space: Space, recipe: Recipe) -> dict[str, nn.Module]:
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of layers that have no numbers to start: the job shows what there is to show
        try:
            return variant.networks(space, recipe)
        except UsageError:
            raise
        except Exception:  # a user's networks may need numbers, which a meta tensor has not: then the job tells what is wrong
            return {}
