"""What holds of every registered data set, and how one is found. A new data set is tested with no edit here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from small_data import locate

from ganbench import registry
from ganbench.dataset import Dataset, LoadedDataset, Location, Part, content_hash, find_dataset, load_dataset
from ganbench.errors import InvalidInputError, MissingDataError, UsageError

ENTRIES = registry.entries("datasets")


@pytest.fixture(scope="module", params=ENTRIES)
def loaded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Dataset, list[LoadedDataset]]]:
    """A data set's definition, and what two loads of it give."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        reference, location = locate(ENTRIES[request.param], tmp_path_factory.mktemp("data"), monkeypatch)
        try:
            yield ENTRIES[request.param].load(), [load_dataset(reference, location) for _ in range(2)]
        except MissingDataError:
            pytest.skip("the tests write no small data for it")


def test_two_loads_are_equal(loaded: tuple[Dataset, list[LoadedDataset]]) -> None:
    first, second = loaded[1]
    assert (first.train.hash, first.test.hash) == (second.train.hash, second.test.hash)
    for one, other in ((first.train, second.train), (first.test, second.test)):
        assert torch.equal(one.items, other.items)
        assert (one.labels is None) == (other.labels is None)
        assert one.labels is None or torch.equal(one.labels, other.labels)


def test_parts_are_what_they_say(loaded: tuple[Dataset, list[LoadedDataset]]) -> None:
    definition, (data, _) = loaded
    assert data.name.partition(":")[0] == definition.name
    assert (data.train.name, data.test.name) == ("train", "test")
    assert data.train.hash != data.test.hash
    for part in (data.train, data.test):
        assert part.items.is_contiguous()
        assert part.items.dtype == (torch.float32 if len(data.shape) == 1 else torch.uint8)
        assert len(data.shape) == 1 or data.shape[0] in (1, 3)
        if part.labels is not None:
            assert data.classes is not None
            assert part.labels.min() >= 0
            assert part.labels.max() < data.classes


def test_no_item_is_in_both_parts(loaded: tuple[Dataset, list[LoadedDataset]]) -> None:
    data = loaded[1][0]
    rows = [{item.tobytes() for item in part.items.flatten(1).numpy()} for part in (data.train, data.test)]
    assert not rows[0] & rows[1]


def test_the_modes_that_are_stated_are_those_of_the_data(loaded: tuple[Dataset, list[LoadedDataset]]) -> None:
    modes = loaded[1][0].modes
    assert loaded[0].modes == (None if modes is None else modes.count)


def test_modes_fit_the_classes(loaded: tuple[Dataset, list[LoadedDataset]]) -> None:
    data = loaded[1][0]
    if data.modes is not None and data.classes is not None:
        assert data.modes.count == data.classes


@pytest.mark.parametrize("name", ENTRIES)
def test_facts(name: str) -> None:
    """The command line reads facts from the syntax tree; they are those of the object."""
    definition, facts = ENTRIES[name].load(), ENTRIES[name].facts
    assert {key: facts[key] for key in facts} == {key: getattr(definition, key) for key in facts}
    assert {"name", "version", "licence", "source", "extractor", "metrics", "samples"} <= facts.keys()
    assert definition.needs in ("", "root", "path")
    assert definition.samples >= 2
    assert definition.extractor in registry.entries("extractors")
    assert set(definition.metrics) <= registry.entries("metrics").keys()
    assert ENTRIES[name].doc


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if entry.facts.get("needs") == "root"])
def test_missing_data(name: str, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"needs the folder that holds .*--data-root DIR.*--download"):
        load_dataset(name, Location())
    with pytest.raises(MissingDataError, match=rf"{tmp_path}: there is no .*--data-root DIR.*--download"):
        load_dataset(name, Location(root=tmp_path))


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if entry.facts.get("needs") == "path"])
def test_missing_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{name}:PATH"):
        load_dataset(name, Location())
    with pytest.raises(MissingDataError, match="nothing-here"):
        load_dataset(f"{name}:{tmp_path}/nothing-here", Location())


def test_references() -> None:
    assert find_dataset("digits") == (ENTRIES["digits"].load(), None)
    assert find_dataset("folder:/a/b:c") == (ENTRIES["folder"].load(), "/a/b:c")
    with pytest.raises(UsageError, match="did you mean digits"):
        find_dataset("digit")
    with pytest.raises(UsageError, match=r"takes no path such as 'x'.*digits:train"):
        find_dataset("digits:x")


OWN = """
import torch
from ganbench.dataset import Dataset, LoadedDataset, Part

def load(location):
    return LoadedDataset("own", Part("train", {train}, {labels}), Part("test", torch.zeros(5, 3)), classes=2)

DATASET = Dataset(name="own", version=1, licence="none", source="", extractor="points", metrics=("fd",), samples=5, load=load)
"""


def test_a_file_of_the_users(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN.format(train="torch.ones(4, 3)", labels="torch.zeros(4).long()"))
    assert load_dataset(str(path), Location()).shape == (3,)


@pytest.mark.parametrize(
    ("train", "labels", "said"),
    [
        ("torch.ones(4, 3, dtype=torch.float64)", "None", "float64 of shape (4, 3)"),
        ("torch.ones(4, 8, 8, dtype=torch.uint8)", "None", "uint8 of shape (4, 8, 8)"),
        ("torch.ones(4, 3, 8, 8)", "None", "float32 of shape (4, 3, 8, 8)"),
        ("torch.ones(0, 3)", "None", "shape (0, 3)"),
        ("torch.ones(4, 2)", "None", "items of shape (3,), its train part (2,)"),
        ("torch.full((4, 3), float('nan'))", "None", "NaN"),
        ("torch.ones(4, 3)", "torch.zeros(3).long()", "labels of shape (3,)"),
        ("torch.ones(4, 3)", "torch.zeros(4)", "labels of shape (4,) and torch.float32"),
    ],
)
def test_a_file_that_gives_no_data_set(tmp_path: Path, train: str, labels: str, said: str) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN.format(train=train, labels=labels))
    with pytest.raises(InvalidInputError) as raised:
        load_dataset(str(path), Location())
    assert said in str(raised.value)


def test_a_file_with_another_object(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text('DATASET = dict(name="own")\n')
    with pytest.raises(InvalidInputError, match="holds a dict, not a Dataset"):
        load_dataset(str(path), Location())


def test_the_hash_is_of_shape_type_and_bytes() -> None:
    items = torch.arange(6, dtype=torch.uint8).reshape(2, 3)
    assert content_hash(items) == Part("train", items, torch.zeros(2).long()).hash == content_hash(items.t().contiguous().t())
    different = [items.flatten(), items.to(torch.int8), items + 1, items.flip(0)]
    assert len({content_hash(items), *map(content_hash, different)}) == 5
