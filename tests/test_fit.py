"""A recipe that does not fit a variant's networks is told before any job begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ganbench.errors import UsageError
from ganbench.harness.fit import check_networks, unread
from ganbench.harness.harness import prepare
from ganbench.harness.plan import Setting
from ganbench.harness.suite import parse_suite
from ganbench.registry import find
from ganbench.variant import Recipe, Space

POINTS = Space((2,), 8, None)
DIGITS = Space((1, 8, 8), 10, None)


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("pacgan3", {"batch_size": 64}, "A batch of 64 cannot be packed by 3; choose a batch size that 3 divides."),
        ("infogan", {"latent_size": 2}, "A latent of 2 has no room for a code of 12"),
        ("mgan", {"latent_size": 1}, "A latent of 1 has no room beside the number that chooses the generator"),
        ("mad-gan", {"latent_size": 1}, "A latent of 1 has no room beside the number that chooses the generator"),
        ("nsgan", {"architecture": "resnet"}, "The architecture resnet has no networks for points"),
        ("nsgan", {"architecture": "dcgna"}, "There is no architecture called 'dcgna'; did you mean dcgan?"),
        ("sngan", {"architecture": "pacgan-toy"}, "The architecture pacgan-toy has its own normalisation"),
    ],
)
def test_told_in_the_plan(name: str, changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    """One sentence that names the job, before anything is trained."""
    content = {"name": "fit", "variants": [name, "real"], "steps": 1, "datasets": {"ring-8": {"overrides": {name: changes}}}}
    with pytest.raises(UsageError, match="^ring-8/" + name) as told:
        prepare(parse_suite(content, "fit.toml"), Setting(out=tmp_path))
    assert sentence in str(told.value)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("ddpm", "d_steps", 9),
        ("ddpm", "architecture", "dcgan-quarter"),
        ("vae", "d_lr", 1e-3),
        ("vae-gan", "g_steps", 4),
        ("vae-gan", "latent_law", "uniform"),
        ("biggan", "latent_size", 7),
        ("stylegan2", "architecture", "resnet"),
        ("real", "lr", 1e-3),
    ],
)
def test_what_a_variant_does_not_read_is_refused_in_its_overrides(name: str, field: str, value: object, tmp_path: Path) -> None:
    content = {"name": "fit", "variants": [name], "steps": 1, "datasets": {"digits": {}}, "overrides": {name: {field: value}}}
    with pytest.raises(UsageError, match=f"^digits/{name} reads no {field}, which the suite's overrides set; remove it there"):
        prepare(parse_suite(content, "fit.toml"), Setting(out=tmp_path))


def test_what_a_variant_does_not_read_is_not_in_its_recipe(tmp_path: Path) -> None:
    """A data set's recipe is for every variant: one that does not read a field keeps its own, and its record says so."""
    wide = {"architecture": "dcgan-quarter", "d_steps": 3, "lr": 1e-3}
    content = {"name": "fit", "variants": ["nsgan", "ddpm", "real"], "steps": 1, "datasets": {"digits": {"recipe": wide}}}
    jobs = {job.name: job.recipe for job in prepare(parse_suite(content, "fit.toml"), Setting(out=tmp_path)).jobs}
    nsgan, ddpm = jobs["nsgan"], jobs["ddpm"]
    assert nsgan is not None
    assert ddpm is not None
    assert (nsgan.architecture, nsgan.d_steps, nsgan.lr) == ("dcgan-quarter", 3, 1e-3)
    assert (ddpm.architecture, ddpm.d_steps, ddpm.lr) == ("default", 1, 1e-3)


def test_what_is_read() -> None:
    """wgan-gp reads all of it; stylegan2 adds its noise maps to the latent that is asked for."""
    every = {
        "architecture": "dcgan-half",
        "d_steps": 9,
        "g_steps": 2,
        "d_lr": 1.0,
        "latent_size": 7,
        "latent_law": "uniform",
        "lr": 1.0,
    }
    assert unread(find("variants", "wgan-gp").load(), DIGITS, every) == set()
    assert unread(find("variants", "stylegan2").load(), DIGITS, {"latent_size": 7}) == set()


def steps_of(recipe: Recipe) -> int:
    return {1: 1, 4: 2}[recipe.d_steps]


@pytest.mark.parametrize(
    ("variant", "changes"),
    [
        ({"recipe": Recipe(lr=1e-3, d_lr=2e-3)}, {"d_lr": 4e-3}),  # the usual ratio of two time scales
        ({"phases": steps_of}, {"d_steps": 4}),
        ({"phases": steps_of}, {"d_steps": 2}),  # one that fails is the job's to tell
        ({"latent_size": lambda space, recipe: recipe.latent_size // 4 * 4}, {"latent_size": 9}),
        (
            {"networks": lambda space, recipe: {"generator": nn.Linear(Recipe(**vars(recipe)).latent_size, 2)}},
            {"architecture": "mlp"},
        ),
        ({"networks": lambda space, recipe: {"generator": nn.Linear(recipe.d_steps, 2)}}, {"d_steps": 4, "g_steps": 1}),
    ],
)
def test_what_a_users_variant_reads_in_its_own_way_is_read(variant: dict[str, Any], changes: dict[str, Any]) -> None:
    base = find("variants", "nsgan").load()
    if "phases" in variant:
        variant = {"phases": (replace(base.phases[0], steps=variant["phases"]), *base.phases[1:])}
    assert unread(replace(base, points=None, **variant), POINTS, changes) == set()


def test_nothing_is_asked_where_nothing_is_changed() -> None:
    def never(space: Space, recipe: Recipe) -> int:
        raise AssertionError("asked")

    assert unread(replace(find("variants", "nsgan").load(), latent_size=never), POINTS, {"lr": 1.0, "batch_size": 8}) == set()


def test_what_fits_is_not_refused() -> None:
    """A batch that a pack divides, another latent; and the recipe of the variant, whose networks are not built at all."""
    variant = find("variants", "pacgan3").load()
    usual = variant.recipe_for(POINTS)
    check_networks(variant, POINTS, replace(usual, batch_size=66, latent_size=1))

    def never(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
        raise AssertionError("built")

    check_networks(replace(variant, networks=never), POINTS, replace(usual, lr=1.0))


def test_networks_that_need_numbers_are_left_to_the_job() -> None:
    """Networks of a user's that cannot be built without numbers are no reason to refuse a suite; and no random number is drawn."""
    variant = find("variants", "nsgan").load()

    def networks(space: Space, recipe: Recipe) -> dict[str, nn.Module]:
        return {"generator": nn.Linear(round(torch.ones(3).sum().item()), 2)}

    before = torch.get_rng_state()
    check_networks(replace(variant, networks=networks), POINTS, replace(variant.recipe_for(POINTS), latent_size=5))
    check_networks(variant, POINTS, replace(variant.recipe_for(POINTS), latent_size=5))
    assert torch.equal(torch.get_rng_state(), before)
