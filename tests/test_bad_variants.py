"""Variants with a mistake: the run says what it is, and no number comes of it."""

import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from safetensors.torch import save as save_tensors

from ganbench.errors import GanbenchError, InvalidInputError, UsageError
from ganbench.files import digest
from ganbench.generator import load_generator
from ganbench.harness.harness import prepare, run_suite
from ganbench.harness.plan import Setting
from ganbench.harness.suite import parse_suite
from ganbench.harness.workers import Crew
from ganbench.record import Record
from ganbench.variant import Recipe

HEAD = """
import dataclasses, sys, torch
from ganbench.registry import find
from ganbench.variant import Control, Phase, Recipe, Variant
BASE = find("variants", "nsgan").load()
PHASE = BASE.phases[1]
NETWORKS = BASE.networks
"""
TAIL = 'VARIANT = Variant(name="my-gan", family="test", paper="", networks=NETWORKS, phases=(PHASE,), points=BASE.points)'


def run(tmp_path: Path, text: str, seeds: int = 1) -> list[Record]:
    file = tmp_path / "mine.py"
    file.write_text(text)
    content = {"name": "t", "variants": [str(file)], "datasets": {"ring-8": {}}, "seeds": seeds, "steps": 2, "samples": 64}
    setting = Setting(out=tmp_path / "out")
    return run_suite(prepare(parse_suite(content, "test"), setting), setting, Crew(0, 1), Console(quiet=True)).records


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('NETWORKS = lambda s, r: {"critic": BASE.networks(s, r)["discriminator"]}', "builds no network called"),
        ('PHASE = dataclasses.replace(PHASE, updates=("nope",))', "builds no network called 'nope'"),
        ("PHASE = dataclasses.replace(PHASE, objective=lambda n, b: n.generator(b.z).mean())", "something else than a scalar loss"),
        ("PHASE = dataclasses.replace(PHASE, objective=lambda n, b: (None, {}))", "something else than a scalar loss"),
        ("PHASE = dataclasses.replace(PHASE, objective=lambda n, b: sys.exit(0))", "SystemExit"),
        (
            "def NETWORKS(s, r):\n"
            '    made = BASE.networks(s, r)\n    return made | {"generator": torch.nn.Linear(r.latent_size, 1)}\n'
            "PHASE = dataclasses.replace(PHASE, objective=lambda n, b: (n.generator(b.z).mean(), {}))",
            r"samples of shape \(1,\), not \(2,\)",
        ),
    ],
)
def test_a_job_with_a_mistake_fails_and_says_why(tmp_path: Path, body: str, words: str) -> None:
    (record,) = run(tmp_path, HEAD + body + "\n" + TAIL)
    assert (record.status, record.scores) == ("failed", {})
    assert re.search(words, record.message)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("b.real.mean()", r"does not depend, in this step, on what its phase updates \(generator\)"),
        ("(n.generator(b.z) + torch.randn_like(b.real)).mean()", "draws random numbers of its own"),
        ("n.generator(b.z).mean() * b.real.mean().item()", "makes a number of a tensor"),
        ("n.generator(b.z).mean() if b.real.mean() > 0 else n.generator(b.z).sum()", "branches on a tensor's values"),
    ],
)
def test_an_objective_that_cannot_be_of_stacked_seeds_says_why(tmp_path: Path, loss: str, words: str) -> None:
    body = f"PHASE = dataclasses.replace(PHASE, objective=lambda n, b: ({loss}, {{}}))"
    first, second = run(tmp_path, f"{HEAD}{body}\n{TAIL}", seeds=2)
    assert (first.status, first.message) == (second.status, second.message) == ("failed", first.message)
    assert re.search(words, first.message)
    assert "RuntimeError" not in first.message


def test_random_numbers_of_its_own_are_refused_of_one_seed_too(tmp_path: Path) -> None:
    loss = "(n.generator(b.z) + torch.randn_like(b.real)).mean()"
    body = f"PHASE = dataclasses.replace(PHASE, objective=lambda n, b: ({loss}, {{}}))"
    (record,) = run(tmp_path, f"{HEAD}{body}\n{TAIL}")
    assert record.status == "failed"
    assert "draws random numbers of its own" in record.message


def test_an_error_of_the_users_own_is_told_as_it_is(tmp_path: Path) -> None:
    body = "def wrong(n, b):\n    raise RuntimeError('no .item() of mine')\nPHASE = dataclasses.replace(PHASE, objective=wrong)"
    for record in run(tmp_path, f"{HEAD}{body}\n{TAIL}", seeds=2):
        assert record.message.startswith("RuntimeError: no .item() of mine")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + TAIL.replace("(PHASE,)", "()"), "has no phases"),
        (HEAD + TAIL.replace('"my-gan"', '"My Gan/../x"'), "cannot be a variant's name"),
        (HEAD + TAIL.replace('family="test"', "family=3"), "has family 3"),
        (HEAD + "sys.exit(0)\n" + TAIL, "SystemExit"),
        (HEAD + TAIL.replace("(PHASE,)", "(PHASE, PHASE)"), "several phases called 'g'"),
        (HEAD + TAIL.replace("(PHASE,)", "(dataclasses.replace(PHASE, every=0),)"), "runs in every 0th step"),
        (
            HEAD + TAIL[:-1] + ", supports=lambda space: space.shape[7] and None)",
            "supports of the variant my-gan raised IndexError",
        ),
        (HEAD + TAIL[:-1] + ", supports=lambda space: 7)", "supports of the variant my-gan gave 7"),
        (HEAD + TAIL + '\nVARIANT.__dict__["name"] = "other"', "the name 'my-gan', and it has 'other'"),
        (HEAD + 'RECIPE = Recipe(optimizer="sgd")\n' + TAIL, "optimizer = 'sgd'"),
    ],
)
def test_a_file_with_a_mistake_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(GanbenchError, match=words):
        run(tmp_path, text)


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 0.0},
        {"lr": float("nan")},
        {"latent_law": "zzz"},
        {"batch_size": 1},
        {"betas": (0.5, 1.0)},
        {"ema_decay": 1.0},
        {"d_steps": 0},
    ],
)
def test_a_recipe_that_cannot_be(change: dict) -> None:
    with pytest.raises(UsageError, match=f"A recipe cannot have {next(iter(change))} = "):
        Recipe(**change)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    run(tmp_path, HEAD + TAIL)
    return tmp_path / "out" / "checkpoints" / "ring-8" / "my-gan" / "seed-0.json"


@pytest.mark.parametrize(
    "change",
    [
        {"variant": "real"},
        {"variant": 3},
        {"dataset": 3},
        {"space": {"shape": [], "classes": None}},
        {"space": {"shape": ["a"], "classes": None}},
        {"recipe": {"latent_law": "zzz", "betas": [0.5, 0.9]}},
        {"recipe": {"latent_size": -3, "betas": [0.5, 0.9]}},
        {"format": 99},
    ],
)
def test_an_edited_checkpoint_is_invalid(checkpoint: Path, change: dict) -> None:
    checkpoint.write_text(json.dumps(json.loads(checkpoint.read_text()) | change))
    with pytest.raises(InvalidInputError, match=r"seed-0\.json"):
        load_generator(checkpoint)


def test_weights_that_are_none(checkpoint: Path, tmp_path: Path) -> None:
    for content in (b"garbage", save_tensors({})):
        checkpoint.with_suffix(".safetensors").write_bytes(content)
        checkpoint.write_text(json.dumps(json.loads(checkpoint.read_text()) | {"sha256": digest(content)}))
        with pytest.raises(InvalidInputError, match="weights"):
            load_generator(checkpoint, variant_file=tmp_path / "mine.py")
    with pytest.raises(UsageError, match="--variant-file wgan is not a Python file"):
        load_generator(checkpoint, variant_file=Path("wgan"))
