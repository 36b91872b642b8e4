"""The floors of the house: a file imports only from lower floors."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ganbench"
FLOORS: list[set[str]] = [
    {"errors", "files", "registry", "rng", "record", "clock", "environment", "interval", "execution", "lanes", "ranks", "shares"},
    {
        "variant",
        "adversarial",
        "bound",
        "catalogue",
        "dataset",
        "extractor",
        "metric",
        "times",
        "losses",
        "games",
        "divergences",
        "augment",
        "penalties",
        "nets",
        "images",
        "idx",
        "mixture",
        "channels",
        "picture",
    }
    | {"weights", "resize", "kernels", "projections", "class_scores", "frechet", "extrapolation"}
    | {"distances", "neighbours", "cells", "relativistic", "moments"},
    {"variants", "datasets", "extractors", "metrics", "generator", "stack", "checkpoint", "cache", "find_extractor"},
    {"train", "batches", "compiled", "replay", "shared_check", "sources", "score"},
    {"harness", "leaderboard", "audit"},
    {"cli"},
    {"__main__"},
]
# Folders whose files are one idea each and know nothing of one another; the files of other folders make one whole.
STRANGERS = {"variants", "datasets", "extractors", "metrics"}


# Imports within a floor that are meant, each with its reason.
NEIGHBOURS = {
    ("adversarial", "variant"),  # two networks and two losses are one form of a variant
    ("games", "losses"),  # the losses in the signature that variants are built from
    ("record", "errors"),  # errors and files are what the rest of floor 0 raises and writes with
    ("record", "files"),
    ("registry", "errors"),
    ("registry", "files"),
    ("files", "errors"),
    ("environment", "record"),
    ("ranks", "errors"),  # a process that is lost, and rows that cannot be shared out, are told to the user
    ("execution", "errors"),
    ("lanes", "errors"),
    ("shares", "errors"),
    ("shares", "ranks"),
    ("mixture", "dataset"),  # a data set is drawn from its modes
    ("neighbours", "distances"),  # who is near whom is read off distances,
    ("neighbours", "extractor"),  # where the reference is features and no statistics
    ("moments", "extractor"),  # sums that are merged are those of one place
    ("frechet", "extractor"),  # a Gaussian is fitted to features or given as statistics
    ("extrapolation", "extractor"),  # rows are read in the same blocks,
    ("extrapolation", "metric"),  # an intercept and its error are a metric's value
    ("train", "batches"),  # what one training step reads,
    ("train", "compiled"),  # how its gradients are found,
    ("train", "replay"),  # how it is launched,
    ("train", "shared_check"),  # and whether it may be shared out over processes
    ("score", "sources"),  # scores are of samples: it reads their type
}


def floor_of(unit: str) -> int:
    for number, units in enumerate(FLOORS):
        if unit in units:
            return number
    raise AssertionError(f"{unit} stands on no floor: add it to FLOORS")


def imports(tree: ast.Module) -> set[str]:
    """Units of ganbench that a file imports when it runs, also inside functions; what is under TYPE_CHECKING is left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "ganbench":
            parts = node.module.split(".")[1:]
            found |= {".".join(parts)} if parts else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("ganbench.") for alias in node.names if alias.name.startswith("ganbench.")}
    return {name for name in found if name.split(".")[0] in set().union(*FLOORS)}


def upward(path: Path, tree: ast.Module) -> list[str]:
    """The imports of a file that do not go down."""
    unit = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    wrong = []
    for name in imports(tree):
        other = name.split(".")[0]
        same_house = other == unit and unit not in STRANGERS
        lower = floor_of(other) < floor_of(unit)
        neighbour = floor_of(other) == floor_of(unit) and (unit, other) in NEIGHBOURS
        if not (same_house or lower or neighbour):
            wrong.append(f"{path.relative_to(PACKAGE)} (floor {floor_of(unit)}) imports {name} (floor {floor_of(other)})")
    return wrong


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    assert upward(path, ast.parse(path.read_text())) == []


def test_an_upward_import_is_seen() -> None:
    tree = ast.parse("def late():\n    from ganbench.harness.plan import plan\n")
    assert upward(PACKAGE / "losses.py", tree) == ["losses.py (floor 1) imports harness.plan (floor 4)"]


def test_siblings_are_seen() -> None:
    tree = ast.parse("from ganbench.variants import gan")
    assert len(upward(PACKAGE / "variants" / "nsgan.py", tree)) == 1


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 300
