"""The registry: found by file, from a path, and from another package's entry point; collisions and mistakes are errors."""

from pathlib import Path

import pytest

from ganbench import registry
from ganbench.errors import InvalidInputError, MissingDataError, UsageError
from ganbench.variant import Variant

MINE = '''
"""A variant of the user's own."""
import dataclasses
from ganbench.registry import find

HELPER = dict(a=1)
VARIANT = dataclasses.replace(find("variants", "nsgan").load(), name="my-gan", family="test")
'''


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    path = tmp_path / "my_gan.py"
    path.write_text(MINE)
    return path


def test_a_path_is_a_variant(own_file: Path) -> None:
    entry = registry.find("variants", str(own_file))
    assert (entry.name, entry.facts["family"], entry.reference) == ("my-gan", "test", str(own_file))
    assert isinstance(entry.load(), Variant)
    assert entry.load() is entry.load()
    assert len(entry.source_hash) == 64


def test_an_annotated_constant_is_a_variant_too(own_file: Path) -> None:
    own_file.write_text(MINE.replace("VARIANT =", "from ganbench.variant import Variant\n\nVARIANT: Variant ="))
    entry = registry.find("variants", str(own_file))
    assert (entry.name, entry.load().name) == ("my-gan", "my-gan")


def test_what_a_file_prints_does_not_mix_with_results(own_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own_file.write_text(f"print('hello')\n{MINE}")
    registry.find("variants", str(own_file)).load()
    assert capsys.readouterr() == ("", "hello\n")


def test_an_entry_point_of_another_package_is_a_variant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other_gans.py").write_text(MINE.replace("my-gan", "other-gan"))
    info = tmp_path / "other_gans-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-gans\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ganbench.variants]\nother-gan = other_gans:VARIANT\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry.entries.cache_clear()
    try:
        entry = registry.find("variants", "other-gan")
        assert entry.reference == "other-gan"
        assert entry.load().name == "other-gan"
        (tmp_path / "other_gans.py").write_text(MINE.replace("my-gan", "wgan"))
        registry.entries.cache_clear()
        with pytest.raises(InvalidInputError, match="Two of the variants are called 'wgan'"):
            registry.entries("variants")
    finally:
        registry.entries.cache_clear()


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("VARIANT = 3", UsageError, "defines 0 variants where one is wanted"),
        (MINE + MINE.replace("VARIANT", "SECOND"), UsageError, "defines 2 variants where one is wanted"),
        (MINE.replace("my-gan", "wgan"), UsageError, "calls its variant 'wgan', which is taken"),
        ("VARIANT = (", InvalidInputError, "is not a Python file that can be read"),
    ],
)
def test_a_file_with_a_mistake(tmp_path: Path, text: str, error: type, words: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(error, match=words):
        registry.find("variants", str(path))


def test_a_file_that_does_not_import(own_file: Path) -> None:
    own_file.write_text("import nowhere_at_all\n" + MINE)
    with pytest.raises(InvalidInputError, match=r"does not import: ModuleNotFoundError: .*nowhere_at_all"):
        registry.find("variants", str(own_file)).load()


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(MissingDataError, match="There is no file"):
        registry.find("variants", "nowhere.py")


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_entry_loads_under_its_name(kind: str) -> None:
    for name, entry in registry.entries(kind).items():
        assert entry.load().name == name
        assert name == name.lower()
        assert " " not in name
        assert entry.doc, f"{entry.path} has no docstring"


def test_a_fact_may_be_a_constant_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        'PAPER = "a paper"\nNEEDS = ("reference",)\nFIRST = make(name="first", paper=PAPER, needs=NEEDS, other=elsewhere)\n'
    )
    (entry,) = registry.scan_file("metrics", path)
    assert entry.facts == {"name": "first", "paper": "a paper", "needs": ("reference",)}
