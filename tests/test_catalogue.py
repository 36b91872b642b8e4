"""The catalogue of variants, its page in the docs, and `ganbench show`."""

import json
import subprocess
import sys
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from made_records import made_record

from ganbench import registry
from ganbench.catalogue import FAMILIES, catalogue, departures, listed, markdown
from ganbench.variant import Variant

ROOT = Path(__file__).parents[1]


def ganbench(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "ganbench", *arguments], capture_output=True, text=True, check=False, cwd=cwd)


def test_every_variant_is_listed_once_in_a_known_family_with_a_year() -> None:
    rows = catalogue()
    assert sorted(row.name for row in rows) == sorted(registry.entries("variants"))
    assert {row.family for row in rows} <= set(FAMILIES)
    for row in rows:
        assert row.summary
        if row.family != "control":
            assert row.year is not None, row.name
            assert 1990 < row.year < 2027, row.name


def test_families_stand_together() -> None:
    families = [row.family for row in catalogue()]
    changes = [one for one, other in pairwise(families) if one != other]
    assert len(changes) == len(set(changes)) == len(set(families)) - 1


def test_an_arxiv_number_is_no_year() -> None:
    entry = registry.find("variants", "wgan-gp")
    assert (entry.facts["paper"], listed(entry).year) == ("Gulrajani et al. 2017, arXiv:1704.00028", 2017)


def test_departures_are_the_words_after_departs() -> None:
    doc = "A method. Departs from it: one thing, and\nanother: two.\n\nMore."
    assert departures(doc) == "One thing, and another: two."
    assert departures("A method.") == ""


def test_the_page_in_the_docs_is_up_to_date() -> None:
    assert (ROOT / "docs" / "variants.md").read_text() == markdown(), "run: ganbench list variants --markdown > docs/variants.md"


def test_show_counts_what_is_built(tmp_path: Path) -> None:
    shown = ganbench("show", "wgan-gp", "--json", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    facts = json.loads(shown.stdout)
    # By hand, layers of 64 and a latent of 2: G 2-64-64-64-2, D 2-64-64-64-1, each with biases.
    middle = (2 * 64 + 64) + 2 * (64 * 64 + 64)
    assert facts["parameters"]["points of 2"] == {"generator": middle + 64 * 2 + 2, "discriminator": middle + 64 + 1}
    assert facts["recipes"]["images"]["d_steps"] == 5
    assert facts["year"] == 2017
    plain = ganbench("show", "wgan-gp", cwd=tmp_path).stdout
    assert "Gulrajani" in plain
    assert "d_steps 5" in plain
    assert plain.endswith("Scores: none here; --records PATH reads them from records.\n")


def test_show_tells_scores_from_records(tmp_path: Path) -> None:
    for seed, value in enumerate((1.0, 4.0)):
        record = made_record("wgan-gp", seed=seed)
        score = next(iter(record.scores.values())).model_copy(update={"value": value})
        label = next(iter(record.scores))
        record.model_copy(update={"scores": {**record.scores, label: score}}).save(tmp_path / f"{seed}.json")
    shown = json.loads(ganbench("show", "wgan-gp", "--json", "--records", str(tmp_path)).stdout)
    (found,) = [each for each in shown["scores"] if each["metric"] == label]
    assert (found["mean"], found["seeds"]) == (2.5, 2)


def test_show_finds_records_where_they_usually_lie(tmp_path: Path) -> None:
    made_record("wgan-gp").save(tmp_path / "results" / "board" / "0.json")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "0.json").write_text("{}")
    shown = ganbench("show", "wgan-gp", cwd=tmp_path)
    assert shown.returncode == 0
    assert "mnist: fd-made-up-net 0.5, 1 seed, " in shown.stdout
    assert shown.stderr == ""
    (tmp_path / "results" / "board" / "1.json").write_text("{}")
    shown = ganbench("show", "wgan-gp", cwd=tmp_path)
    assert (shown.returncode, shown.stdout[-59:]) == (0, "Scores: none here; --records PATH reads them from records.\n")
    assert "No scores from results:" in shown.stderr
    assert "No scores from runs:" in shown.stderr


def test_show_counts_the_seeds_that_were_lost(tmp_path: Path) -> None:
    made_record("wgan-gp", 0).save(tmp_path / "0.json")
    made_record("wgan-gp", 1, {}, status="diverged").save(tmp_path / "1.json")
    for seed in (0, 1):
        made_record("wgan-gp", seed, {}, dataset="ring", status="failed").save(tmp_path / f"ring-{seed}.json")
    made_record("nsgan", 0, dataset="ring").save(tmp_path / "other.json")
    shown = ganbench("show", "wgan-gp", "--json", "--records", str(tmp_path))
    assert [(each["metric"], each["seeds"], each["diverged"], each["failed"]) for each in json.loads(shown.stdout)["scores"]] == [
        ("fd-made-up-net", 1, 1, 0),
        (None, 0, 0, 2),
    ]
    plain = ganbench("show", "wgan-gp", "--records", str(tmp_path)).stdout
    assert "mnist: fd-made-up-net 0.5, 1 + 1 diverged seeds" in plain
    assert "ring: no score, 0 + 2 failed seeds" in plain


OWN = """
from dataclasses import replace
from ganbench.registry import find
from ganbench.variant import Control

BASE = find("variants", "nsgan").load()


def for_points(space, recipe):
    if not space.is_points:
        raise ValueError("only points")
    return BASE.networks(space, recipe)


"""


def test_what_a_users_own_variant_cannot_build_is_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OWN + 'VARIANT = replace(BASE, name="mine", family="own", networks=for_points)\n')
    shown = ganbench("show", str(file), "--json", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    facts = json.loads(shown.stdout)
    assert (facts["family"], list(facts["parameters"]), list(facts["recipes"])) == ("own", ["points of 2"], ["points"])
    assert facts["refused"]["1x28x28"] == "It cannot be built: ValueError: only points."
    file.write_text(OWN + 'VARIANT = replace(BASE, name="mine", networks=lambda space, recipe: None)\n')
    shown = ganbench("show", str(file), cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("mine  (loss, Goodfellow et al. 2014")
    file.write_text(OWN + 'VARIANT = Control(name="mine", paper="", draw=None)\n')
    assert ganbench("show", str(file), cwd=tmp_path).stdout.startswith("mine  (control)")


def test_a_recipe_is_called_by_the_sizes_it_is_for(tmp_path: Path) -> None:
    facts = json.loads(ganbench("show", "biggan", "--json", cwd=tmp_path).stdout)
    sizes = {kind: recipe["latent_size"] for kind, recipe in facts["recipes"].items()}
    # A part of 20 for the first layer and one for each block: of one at 8 pixels (4 to 8), of four at 64 (4 to 64).
    assert (sizes["images of 1x8x8"], sizes["images of 3x64x64"]) == (40, 100)
    assert list(json.loads(ganbench("show", "wgan-gp", "--json", cwd=tmp_path).stdout)["recipes"]) == ["points", "images"]


def test_a_score_says_how_it_was_trained(tmp_path: Path) -> None:
    own = registry.find("variants", "wgan-gp").load().recipe
    recipe = asdict(own) | {"betas": list(own.betas), "lr": 0.5, "d_steps": 7}
    made_record("wgan-gp", 0, specification={"recipe": recipe, "steps": 9}).save(tmp_path / "0.json")
    shown = ganbench("show", "wgan-gp", "--records", str(tmp_path)).stdout
    assert "1 seed, made-up (steps 9, lr 0.5, d_steps 7)" in " ".join(shown.split())


@pytest.mark.parametrize("code", ['dict(name="mine")', 'type("Other", (), {"name": "mine"})()  # (name="mine")'])
def test_a_file_whose_variant_is_something_else_gets_a_sentence(code: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"def made(name):\n    return {code}\n\n\nVARIANT = made(name='mine')\n")
    shown = ganbench("show", str(file), cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (4, "")
    assert "not a Variant or a Control; bind VARIANT to one" in " ".join(shown.stderr.split())
    assert "Traceback" not in shown.stderr


@pytest.mark.parametrize(("arguments", "code"), [(["show", "wgan-gq"], 2), (["list", "metrics", "--markdown"], 2)])
def test_wrong_words_get_a_sentence(arguments: list[str], code: int) -> None:
    done = ganbench(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_all_variants_can_be_shown() -> None:
    from ganbench.cli.showing import _built

    for name, entry in registry.entries("variants").items():
        loaded = entry.load()
        if isinstance(loaded, Variant):
            torch.manual_seed(0)
            facts = _built(loaded)
            assert facts["parameters"], name
            assert all(reason.endswith(".") for reason in facts["refused"].values()), name
