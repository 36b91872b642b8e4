"""Every published table that `baselines/` aims at is a suite that can be run, and its page names it."""

from pathlib import Path

import pytest

from ganbench import registry
from ganbench.harness.suite import load_suite

BASELINES = Path(__file__).parents[1] / "baselines"
PUBLISHED = BASELINES / "published.toml"
FILES = sorted(set(BASELINES.glob("*.toml")) - {PUBLISHED})


def test_there_is_a_suite_for_each_table() -> None:
    names = {path.stem for path in FILES}
    assert names == {"pacgan-table-1", "pacgan-table-2", "veegan", "unrolled-gan", "mimicry-cifar10"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_baseline_is_a_suite_of_known_names(path: Path) -> None:
    suite = load_suite(str(path))
    for name in suite.variants:
        registry.find("variants", name)
    for name, plan in suite.datasets.items():
        registry.find("datasets", name)
        for metric in plan.metrics or []:
            registry.find("metrics", metric)
        assert set(plan.overrides) <= set(suite.variants)
    assert {"real", "memorizer", "noise"} <= set(suite.variants)
    assert "arXiv:" in path.read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_page_names_each_baseline(path: Path) -> None:
    assert f"`{path.name}`" in (BASELINES / "README.md").read_text()


def test_the_halves_of_table_1_say_the_same_as_the_shipped_suites() -> None:
    whole = load_suite(str(BASELINES / "pacgan-table-1.toml"))
    for shipped, dataset in (("pacgan-ring", "ring-8"), ("pacgan-grid", "grid-25")):
        half = load_suite(shipped)
        assert (half.steps, half.seeds) == (whole.steps, whole.seeds)
        for variant in ("nsgan", "pacgan2", "pacgan3", "pacgan4"):
            settings = []
            for suite in (whole, half):
                plan = suite.datasets[dataset]
                override = plan.overrides.get(variant)
                settings.append({**plan.recipe.of_recipe(), **(override.of_recipe() if override else {})})
            assert settings[0] == settings[1]
