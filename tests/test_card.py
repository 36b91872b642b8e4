"""The model card, read back by huggingface_hub's own parser; what is copied beside it, and what is never pushed unasked."""

import json
import sys
from pathlib import Path

import huggingface_hub
import pytest
import yaml
from huggingface_hub.repocard_data import model_index_to_eval_results
from made_records import FD, made_record, seeds
from typer.testing import CliRunner

from ganbench.cli.app import app
from ganbench.errors import InvalidInputError, MissingDataError, RunFailedError, UsageError
from ganbench.files import digest
from ganbench.leaderboard.card import card, rows_of
from ganbench.leaderboard.summary import summarise
from ganbench.record import Record

EVIL = "evil: [x] <script>alert(1)</script>\n---\n# `title` | *b* \U0001f600 {{x}} !!python/object"


def card_of(records: list[Record], variant: str) -> huggingface_hub.ModelCard:
    return huggingface_hub.ModelCard(card(rows_of(summarise(records), variant), []))


def saved(records: list[Record], folder: Path) -> list[Record]:
    """The records as a run leaves them, with a checkpoint beside each."""
    kept = []
    for record in records:
        name = f"checkpoints/{record.dataset.name}/{record.variant.name}/seed-{record.seed}.safetensors"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        content = f"weights of {record.variant.name} {record.seed}".encode()
        (folder / name).write_bytes(content)
        (folder / name).with_suffix(".json").write_text(json.dumps({"sha256": digest(content)}))
        kept.append(record.model_copy(update={"files": {"checkpoint": name}, "checkpoint_hash": digest(content)}))
        kept[-1].save(folder / "records" / record.dataset.name / record.variant.name / f"seed-{record.seed}.json")
    return kept


def run(*words: object):
    return CliRunner().invoke(app, ["card", *map(str, words)])


def test_the_hubs_own_parser_reads_the_records_numbers(tmp_path: Path) -> None:
    records = [*seeds("wgan-gp", [1.0, 2.0, 3.0, 4.0]), made_record("wgan-gp", 4, {}, status="diverged"), made_record("nsgan")]
    records += [made_record("wgan-gp", 0, {"fd-made-up-net": 0.1, "modes": 7.5}, dataset="ring")]
    (tmp_path / "README.md").write_text(card(rows_of(summarise(records), "wgan-gp"), []), encoding="utf-8")
    loaded = huggingface_hub.ModelCard.load(tmp_path / "README.md")
    index = yaml.safe_load((tmp_path / "README.md").read_text().split("---\n")[1])["model-index"]
    name, results = model_index_to_eval_results(index)
    assert name == "wgan-gp"
    assert results == loaded.data.eval_results
    found = {(each.dataset_type, each.metric_name): each for each in results}
    assert {key: each.metric_value for key, each in found.items()} == {
        ("mnist", FD): 2.5, ("ring", FD): 0.1, ("ring", "modes"): 7.5,
    }  # fmt: skip
    mnist = found["mnist", FD]
    assert mnist.metric_config == f"protocol {records[0].protocol.key(FD)}"
    assert (mnist.metric_args["seeds"], mnist.metric_args["seeds_lost"], mnist.metric_args["better"]) == (4, 1, "lower")
    assert mnist.metric_args["ci95_half_width"] == pytest.approx(3.182446 * (5 / 3) ** 0.5 / 2, rel=5e-7)  # t(0.975, 3)
    assert mnist.task_type == "unconditional-image-generation"
    assert found["ring", FD].task_type == "other"
    for part in ("2.5 ± 2.1", "4 + 1 diverged", records[0].command, "Student-t interval", records[0].protocol.key(FD)):
        assert part in loaded.text


def test_specifications_of_one_variant_stay_apart() -> None:
    records = [made_record("a", 0, {FD: 1.0}), made_record("a", 0, {FD: 2.0}, specification={"steps": 800})]
    results = card_of(records, "a").data.eval_results
    assert [(each.dataset_name, each.metric_value) for each in results] == [
        ("mnist: a (steps 400)", 1.0), ("mnist: a (steps 800)", 2.0),
    ]  # fmt: skip
    assert len({each.dataset_config for each in results}) == 2


def test_nothing_of_a_record_is_obeyed() -> None:
    record = made_record(EVIL, 0, {"modes": 1.0}, command=EVIL)
    facts = record.dataset.model_copy(update={"name": EVIL, "train_hash": "yes"})
    found = card_of([record.model_copy(update={"dataset": facts})], EVIL)
    (result,) = found.data.eval_results
    shown = " ".join(EVIL.split("\n"))
    assert (result.dataset_type, found.data.model_name, result.dataset_revision) == (shown, shown, "yes")
    prose = "\n".join(line for line in found.text.splitlines() if not line.startswith("    "))  # the rest is code, shown as it is
    assert "<script" not in prose
    assert r"\[x\]" in prose
    assert not any(line.startswith(("---", "# `title`")) for line in found.text.splitlines())


def test_a_variant_without_scores_has_a_card_and_no_results() -> None:
    found = card_of([made_record("a", 0, {}, status="diverged"), made_record("b")], "a")
    assert found.data.eval_results is None
    assert "No seed has a score: 0 + 1 diverged" in found.text


def test_a_variant_that_is_not_there_and_a_control_are_refused() -> None:
    tables = summarise([made_record("wgan-gp"), made_record("real", control=True)])
    with pytest.raises(UsageError, match="did you mean wgan-gp"):
        rows_of(tables, "wgan-pg")
    with pytest.raises(UsageError, match="no trained variant in the records called 'real'"):
        rows_of(tables, "real")


def test_checkpoints_are_copied_when_they_are_what_the_records_state(tmp_path: Path) -> None:
    records = saved([*seeds("a", [1.0, 2.0]), *seeds("b", [3.0])], tmp_path / "run")
    ran = run(tmp_path / "run", "--variant", "a", "--out", tmp_path / "card", "--json")
    document = json.loads(ran.stdout)
    weights = [name for name in document["files"] if name.endswith(".safetensors")]
    assert [digest((tmp_path / "card" / name).read_bytes()) for name in weights] == [r.checkpoint_hash for r in records[:2]]
    assert all((tmp_path / "card" / name).with_suffix(".json").is_file() for name in weights)
    assert document["pushed"] is None
    text = (tmp_path / "card" / "README.md").read_text()
    assert all(name in text for name in weights)
    described = (tmp_path / "run" / records[1].files["checkpoint"]).with_suffix(".json")
    described.write_text("[]")
    assert "does not describe the checkpoint" in str(run(tmp_path / "run", "--variant", "a", "--out", tmp_path / "x").exception)
    (tmp_path / "run" / records[0].files["checkpoint"]).write_bytes(b"another generator")
    broken = run(tmp_path / "run", "--variant", "a", "--out", tmp_path / "other")
    assert isinstance(broken.exception, InvalidInputError)
    assert "is not the checkpoint whose hash its record states" in str(broken.exception)
    assert not (tmp_path / "other" / "README.md").exists()


def test_a_checkpoint_outside_the_folder_is_refused_and_one_not_kept_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    record = made_record("a", files={"checkpoint": "../secret"})
    record.save(tmp_path / "run" / "records" / "mnist" / "a" / "seed-0.json")
    refused = run(tmp_path / "run", "--variant", "a", "--out", tmp_path / "card")
    assert "lies outside its folder" in str(refused.exception)
    record.model_copy(update={"files": {"checkpoint": "gone.safetensors"}}).save(
        tmp_path / "run" / "records" / "mnist" / "a" / "seed-0.json"
    )
    assert run(tmp_path / "run", "--variant", "a", "--out", tmp_path / "card").exit_code == 0
    assert "None were kept beside the records" in (tmp_path / "card" / "README.md").read_text()


class Hub:
    """Stands for the Hub: notes what it is sent, or refuses it."""

    sent: list[tuple[str, list[str]]] = []
    refuses = False

    def create_repo(self, repository: str, exist_ok: bool) -> str:
        if self.refuses:
            raise ValueError("401\nno token")
        return f"https://huggingface.co/{repository}"

    def upload_folder(self, *, repo_id: str, folder_path: Path, allow_patterns: list[str], commit_message: str) -> None:
        self.sent.append((repo_id, allow_patterns))


def test_it_is_pushed_only_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    saved(seeds("a", [1.0]), tmp_path / "run")
    words = (tmp_path / "run", "--variant", "a", "--out", tmp_path / "card")
    run(*words)
    assert Hub.sent == []
    (tmp_path / "card" / "private.txt").write_text("not ours to publish")
    assert "Pushed to https://huggingface.co/me/a" in run(*words, "--push", "me/a").stdout
    ((repository, files),) = Hub.sent
    assert repository == "me/a"
    assert len(files) == 3
    assert "private.txt" not in files
    monkeypatch.setattr(Hub, "refuses", True)
    refused = run(*words, "--push", "me/a")
    assert isinstance(refused.exception, RunFailedError)
    assert "me/a was not pushed: 401 no token; log in" in str(refused.exception)


def test_without_huggingface_hub_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_record("a").save(tmp_path / "a.json")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    refused = run(tmp_path, "--variant", "a", "--out", tmp_path / "card")
    assert isinstance(refused.exception, MissingDataError)
    assert "pip install 'ganbench[hub]'" in str(refused.exception)


def test_records_without_a_trained_variant_are_told_so(tmp_path: Path) -> None:
    made_record("real", control=True).save(tmp_path / "a.json")
    refused = run(tmp_path, "--variant", "real", "--out", tmp_path.parent / "card")
    assert isinstance(refused.exception, UsageError)
    assert str(refused.exception) == "The records hold no trained variant, and a card is of one; give records of its runs."
