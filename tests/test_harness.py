"""The harness: a suite becomes records; what is done is skipped; a killed run goes on; a bad job costs itself alone."""

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from made_records import made_record
from rich.console import Console

from ganbench.environment import available_cores, visible_gpus
from ganbench.errors import InvalidInputError, UsageError
from ganbench.harness import workers
from ganbench.harness.claim import claim
from ganbench.harness.harness import estimate_seconds, prepare, run_suite
from ganbench.harness.plan import Setting, difference, folder_name
from ganbench.harness.suite import Override, Suite, load_suite, parse_suite, suites
from ganbench.harness.workers import Crew, choose_crew
from ganbench.record import Record, load_record, load_records
from ganbench.variant import Recipe

QUIET = Console(quiet=True)
IN_PROCESS = Crew(workers=0, threads=1)

NAN_VARIANT = '''
"""nsgan whose generator's loss is NaN for the seed whose first latent is marked, from its third step on."""
import dataclasses, torch
from ganbench.registry import find
from ganbench.rng import stream
from ganbench.generator import draw_latents
from ganbench.variant import Phase, Variant

BASE = find("variants", "nsgan").load()
RECIPE = dataclasses.replace(BASE.points or BASE.recipe, batch_size=16, ema_decay=0.0)
DRAWN = stream(2, "latent")
MARK = [draw_latents(16, RECIPE, DRAWN) for _ in range(3 * (1 + RECIPE.d_steps))][-1][0, 0]

def objective(networks, batch):
    loss, watched = BASE.phases[1].objective(networks, batch)
    return loss * torch.where(batch.z[0, 0] == MARK, float("nan"), 1.0), watched

VARIANT = Variant(
    name="my-nan", family="test", paper="none", networks=BASE.networks,
    phases=(BASE.phases[0], Phase("g", ("generator",), objective)), recipe=RECIPE,
)
'''

RAISING_VARIANT = '''
"""A variant whose loss raises, or whose process dies."""
import dataclasses, os
from ganbench.registry import find
from ganbench.variant import Phase, Variant

BASE = find("variants", "nsgan").load()

def objective(networks, batch):
    {fault}

VARIANT = Variant(name="my-fault", family="test", paper="none", networks=BASE.networks,
                  phases=(Phase("g", ("generator",), objective),), recipe=BASE.recipe)
'''


def suite(**changes: object) -> Suite:
    content = {
        "name": "small",
        "variants": ["nsgan", "real"],
        "seeds": 2,
        "steps": 6,
        "samples": 64,
        "datasets": {"ring-8": {}},
        "overrides": {"nsgan": {"batch_size": 16}},
        **changes,
    }
    return parse_suite(content, "test")


def run(given: Suite, out: Path, crew: Crew = IN_PROCESS, **changes: object) -> list[Record]:
    setting = Setting(out=out, checkpoint_seconds=0.0, **changes)
    return run_suite(prepare(given, setting), setting, crew, QUIET).records


def test_a_suite_leaves_a_record_a_run_and_files_beside(tmp_path: Path) -> None:
    records = run(suite(eval_every=3, eval_samples=32), tmp_path)
    assert [(r.variant.name, r.seed, r.status) for r in records] == [
        ("nsgan", 0, "ok"),
        ("nsgan", 1, "ok"),
        ("real", 0, "ok"),
        ("real", 1, "ok"),
    ]
    first = load_record(tmp_path / "records" / "ring-8" / "nsgan" / "seed-0.json")
    assert first == records[0]
    assert set(first.scores) == {"fd-points", "modes", "high-quality", "reverse-kl"}
    assert [e.step for e in first.evaluations] == [0, 3, 6]
    assert first.protocol.key("fd-points") == records[2].protocol.key("fd-points")
    assert first.timing.stacked_seeds == 2
    for name, path in first.files.items():
        assert (tmp_path / path).is_file(), name
    assert {"samples", "curves", "checkpoint", "reference", "samples at step 3"} <= set(first.files)
    assert not list(tmp_path.rglob("*.part"))
    assert not (tmp_path / "state").exists() or not list((tmp_path / "state").rglob("*.safetensors"))
    assert load_records([tmp_path]) == records


def test_real_data_whose_features_no_metric_reads_are_not_extracted(tmp_path: Path) -> None:
    """Features of 128,000 images take minutes, and modes are counted among the samples alone. Scores and protocol stay the same."""
    digits = {"datasets": {"digits": {}}, "seeds": 1}
    fewer = run(suite(metrics=["modes", "reverse-kl"], **digits), tmp_path / "fewer")
    all_of_them = run(suite(metrics=["modes", "reverse-kl", "fd"], **digits), tmp_path / "all")
    assert not list((tmp_path / "fewer" / "cache").rglob("*.safetensors"))
    assert list((tmp_path / "all" / "cache").rglob("*.safetensors"))
    for one, other in zip(fewer, all_of_them, strict=True):
        assert one.status == "ok"
        assert one.scores == {name: score for name, score in other.scores.items() if not name.startswith("fd")}
        assert one.protocol.reference == other.protocol.reference
        assert one.protocol.key("modes") == other.protocol.key("modes")


def test_done_jobs_are_skipped_and_new_seeds_are_added(tmp_path: Path) -> None:
    run(suite(), tmp_path)
    path = tmp_path / "records" / "ring-8" / "nsgan" / "seed-0.json"
    before = path.stat().st_mtime_ns
    setting = Setting(out=tmp_path)
    assert prepare(suite(), setting).left == []
    more = prepare(suite(seeds=3), setting)
    assert [(job.name, job.seeds) for job in more.left] == [("nsgan", (2,)), ("real", (2,))]
    records = run_suite(more, setting, IN_PROCESS, QUIET).records
    assert len(records) == 6
    assert path.stat().st_mtime_ns == before


def test_a_setting_that_only_the_record_names_is_told() -> None:
    wanted = {"steps": 6, "recipe": {"lr": 1.0}}
    for more, told in (
        ({"compile": True}, "compile: True, now False"),
        ({"precision": "bf16"}, "precision: bf16, now float32"),
        ({"recipe": {"lr": 1.0, "old": 2}}, "recipe.old: 2, now None"),
    ):
        assert difference(made_record(specification={**wanted, **more, "seed": 0}).specification, {**wanted, "seed": 0}) == told


def test_jobs_in_this_process_are_looked_at_while_they_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, seen, threads_before = threading.Event(), [], threading.active_count()

    def attempt(job: object, setting: Setting, threads: int) -> None:
        seen.append(looked.wait(30))  # a look at progress ends the wait; without one the job is blind for as long as it takes

    monkeypatch.setattr("ganbench.harness.workers.attempt", attempt)
    jobs = prepare(suite(), Setting(out=tmp_path)).left
    IN_PROCESS.run(jobs[:1], Setting(out=tmp_path), looked.set, lambda failure: None)
    assert seen == [True]
    assert threading.active_count() == threads_before


def test_other_settings_are_refused_or_overwritten(tmp_path: Path) -> None:
    run(suite(), tmp_path)
    with pytest.raises(UsageError, match=r"made with other settings \(steps: 6, now 7\)"):
        prepare(suite(steps=7), Setting(out=tmp_path))
    with pytest.raises(UsageError, match=r"recipe.batch_size: 16, now 32"):
        prepare(suite(overrides={"nsgan": {"batch_size": 32}}), Setting(out=tmp_path))
    assert len(prepare(suite(steps=7), Setting(out=tmp_path), overwrite=True).left) == 1


def test_a_bad_seed_leaves_three_ok_and_one_diverged(tmp_path: Path) -> None:
    from ganbench.leaderboard.summary import summarise
    from ganbench.leaderboard.table import render

    file = tmp_path / "my_nan.py"
    file.write_text(NAN_VARIANT)
    records = run(suite(variants=[str(file)], seeds=4, steps=8, overrides={}), tmp_path / "out")
    assert [r.status for r in records] == ["ok", "ok", "diverged", "ok"]
    assert "not finite at step 3" in records[2].message
    assert records[2].scores == {}
    assert "3 + 1 diverged" in render(summarise(records), "md")
    assert prepare(suite(variants=[str(file)], seeds=4, steps=8, overrides={}), Setting(out=tmp_path / "out")).left == []


def test_a_job_that_raises_costs_itself_alone(tmp_path: Path) -> None:
    file = tmp_path / "my_fault.py"
    file.write_text(RAISING_VARIANT.format(fault='raise ValueError("no such thing")'))
    records = run(suite(variants=[str(file), "real"], overrides={}), tmp_path / "out")
    assert [r.status for r in records] == ["failed", "failed", "ok", "ok"]
    assert records[0].message.startswith("ValueError: no such thing")
    assert "Traceback" in (tmp_path / "out" / "logs" / "ring-8" / "my-fault.log").read_text()
    left = prepare(suite(variants=[str(file), "real"], overrides={}), Setting(out=tmp_path / "out")).left
    assert [job.name for job in left] == ["my-fault"]


@pytest.mark.slow
def test_a_worker_that_dies_costs_its_own_job(tmp_path: Path) -> None:
    file = tmp_path / "my_fault.py"
    file.write_text(RAISING_VARIANT.format(fault="os._exit(3)"))
    records = run(suite(variants=[str(file), "nsgan", "real"], overrides={}), tmp_path / "out", Crew(1, 1))
    assert [r.status for r in records] == ["failed", "failed", "ok", "ok", "ok", "ok"]
    assert "worker process died" in records[0].message


@pytest.mark.slow
def test_of_several_gpus_each_worker_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without GPUs: what a job in each worker would find CUDA told of, had the machine two.
    monkeypatch.setattr(workers, "visible_gpus", lambda device: ["GPU-a", "GPU-b"])
    files = [tmp_path / "one.py", tmp_path / "other.py"]
    for file in files:
        source = RAISING_VARIANT.format(fault='raise ValueError("sees " + os.environ["CUDA_VISIBLE_DEVICES"])')
        file.write_text(source.replace("my-fault", file.stem))
    records = run(suite(variants=[str(file) for file in files], seeds=1, overrides={}), tmp_path / "out", Crew(2, 1))
    assert sorted(record.message.partition(";")[0] for record in records) == ["ValueError: sees GPU-a", "ValueError: sees GPU-b"]


KILLED = """
import sys
from pathlib import Path
from rich.console import Console
from ganbench.harness.harness import prepare, run_suite
from ganbench.harness.plan import Setting
from ganbench.harness.suite import parse_suite
from ganbench.harness.workers import Crew

suite = parse_suite({content!r}, "test")
setting = Setting(out=Path(sys.argv[1]), checkpoint_seconds=0.0)
run_suite(prepare(suite, setting), setting, Crew(1, 1), Console(quiet=True))
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_records(tmp_path: Path) -> None:
    given = suite(variants=["nsgan"], steps=400, eval_every=100, eval_samples=32)
    script = tmp_path / "killed.py"
    script.write_text(KILLED.format(content=given.model_dump(exclude_none=True)))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    wanted = run(given, whole, Crew(1, 1))
    process = subprocess.Popen([sys.executable, str(script), str(killed)])
    state = killed / "state" / "ring-8" / "nsgan" / "state.json"
    deadline = time.monotonic() + 120
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert state.exists(), "the run was not half way when it was killed"
    assert not (killed / "records").exists()
    for path in killed.rglob("*.json"):
        assert path.read_text().endswith(("\n", "}")), f"{path} is half written"
    found = run(given, killed, Crew(1, 1))
    assert [r.fingerprint for r in found] == [r.fingerprint for r in wanted]
    assert [r.checkpoint_hash for r in found] == [r.checkpoint_hash for r in wanted]


def test_one_run_at_a_time_in_a_folder(tmp_path: Path) -> None:
    with claim(tmp_path), pytest.raises(UsageError, match="Another run is writing to"), claim(tmp_path):
        pass
    with claim(tmp_path):  # free again
        pass


def test_an_output_folder_that_cannot_be_written(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(UsageError, match=r"cannot be written .*; choose another --out"), claim(blocker / "out"):
        pass


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"variants": ["wgan-pg"]}, UsageError, "no variant called 'wgan-pg'; did you mean wgan-gp?"),
        ({"datasets": {"digit": {}}}, UsageError, "no dataset called 'digit'; did you mean digits?"),
        ({"metrics": ["fdd"]}, UsageError, "no metric called 'fdd'; did you mean fd?"),
        ({"extractor": "point"}, UsageError, "no extractor called 'point'; did you mean points?"),
        ({"variants": ["nsgan", "nsgan"]}, UsageError, "name one of them twice"),
        ({"samples": 10_001}, UsageError, "10,?001"),
        ({"metrics": ["is"]}, UsageError, "is"),
        ({"overrides": {"wgan-pg": {}}}, UsageError, "did you mean wgan-gp?"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(tmp_path: Path, change: dict, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        prepare(suite(**change), Setting(out=tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('variants = ["gan"]\nstepz = 3\n[datasets.digits]', "stepz is not a key of a suite; did you mean steps?"),
        ('variants = ["gan"]\n[datasets.digits]', "the key steps is missing"),
        ('variants = ["gan"]\nsteps = "many"\n[datasets.digits]', "steps = 'many' is not right"),
        ('variants = ["gan"]\nsteps = 0\n[datasets.digits]', "steps = 0 is not right"),
        ('variants = ["gan"]\nsteps = 3\nseeds = true\n[datasets.digits]', "seeds = True is not right"),
        ('variants = ["gan"]\nsteps = 3\nseeds = [true]\n[datasets.digits]', "seeds = .*True.* is not right"),
        ('variants = ["gan"]\nsteps = true\n[datasets.digits]', "steps = True is not right"),
        ('variants = ["gan"]\nsteps = 3\n[datasets.digits.recipe]\ng_steps = true', "recipe.g_steps = True is not right"),
        ('variants = ["gan"]\nsteps = 3\n[datasets.digits]\n[overrides.gan]\nlr = true', "overrides.gan.lr = True is not right"),
        ("variants = []\nsteps = 3\n[datasets.digits]", r"variants = \[\] is not right"),
        ('variants = ["gan"]\nsteps = 3\n[datasets]', "datasets = {} is not right"),
        ('variants = ["gan"]\nsteps = 3\n[datasets.digits]\n[overrides.gan]\nlr = -1', "overrides.gan.lr = -1 is not right"),
    ],
)
def test_a_suite_file_with_a_mistake(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        load_suite(str(path))


def test_a_suite_file_that_is_not_toml(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("steps = = 3")
    with pytest.raises(InvalidInputError, match=r"is not TOML: .*line 1"):
        load_suite(str(path))


@pytest.mark.parametrize("name", suites())
def test_shipped_suites_are_valid(name: str) -> None:
    loaded = load_suite(name)
    assert loaded.description
    assert {"real", "memorizer", "noise"} <= set(loaded.variants)


def test_an_override_can_change_every_field_of_a_recipe() -> None:
    assert {field.name for field in dataclasses.fields(Recipe)} == set(Override.model_fields) - {"steps"}


def test_what_a_suite_says_of_a_recipe_is_layered(tmp_path: Path) -> None:
    """The variant's own, then the data set's, then the variant's in the suite, then the variant's on the data set."""
    given = suite(
        variants=["nsgan", "lsgan", "wgan"],
        datasets={"ring-8": {"recipe": {"batch_size": 8, "lr": 0.5, "steps": 4}, "overrides": {"wgan": {"batch_size": 32}}}},
        overrides={"lsgan": {"batch_size": 16}, "wgan": {"batch_size": 16}},
    )
    jobs = prepare(given, Setting(out=tmp_path)).jobs
    assert [job.recipe.batch_size for job in jobs] == [8, 16, 32]
    assert [job.recipe.lr for job in jobs] == [0.5] * 3
    assert [job.steps for job in jobs] == [4] * 3


def test_a_step_size_moves_that_of_d_in_proportion_and_what_a_method_fixes_stays(tmp_path: Path) -> None:
    recipe = {"lr": 1e-3, "latent_size": 7, "latent_law": "uniform"}
    names = ["sagan", "biggan", "ddpm", "vae", "mad-gan", "mgan", "nsgan"]
    content = {"name": "t", "variants": names, "datasets": {"digits": {"recipe": recipe}}, "steps": 1}
    content["overrides"] = {"biggan": {"d_lr": 3e-4}}
    jobs = {job.name: job.recipe for job in prepare(parse_suite(content, "test"), Setting(out=tmp_path)).jobs}
    assert (jobs["sagan"].lr, jobs["sagan"].d_lr) == (1e-3, pytest.approx(4e-3, rel=1e-12))  # its paper's are 1e-4 and 4e-4
    assert (jobs["biggan"].lr, jobs["biggan"].d_lr) == (1e-3, 3e-4)
    assert (jobs["nsgan"].d_lr, jobs["nsgan"].latent_size, jobs["nsgan"].latent_law) == (None, 7, "uniform")
    assert (jobs["ddpm"].latent_size, jobs["ddpm"].latent_law) == (64, "normal")  # as many numbers as an image has, and its noise
    assert jobs["biggan"].latent_size == 40
    assert [jobs[name].latent_law for name in ("vae", "mad-gan", "mgan")] == ["normal"] * 3


def test_an_estimate_is_of_the_steps_asked(tmp_path: Path) -> None:
    setting = Setting(out=tmp_path)
    prepared = prepare(suite(), setting)
    trained, control = prepared.jobs
    data = prepared.datasets["ring-8"]
    assert estimate_seconds(control, setting, data) is None
    assert estimate_seconds(trained, setting, data) > 0


def test_folders_of_data_sets_by_path_do_not_collide() -> None:
    assert folder_name("digits") == "digits"
    assert folder_name("folder:/a/cats") != folder_name("folder:/b/cats")
    assert folder_name("folder:/a/cats").startswith("folder-cats-")


def test_gpus_are_known_by_the_names_that_the_user_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus("cuda") == ["0", "1"]
    assert choose_crew(100, "cuda").workers == 2
    assert choose_crew(1, "cuda").workers == 1
    assert choose_crew(100, "cuda:1").workers == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,3,-1,7")  # CUDA reads no further than a number that is none
    assert visible_gpus("cuda") == ["5", "3"]
    assert visible_gpus("cuda:1") == visible_gpus("cpu") == []


def test_workers_share_the_cores() -> None:
    crew = choose_crew(1, "cpu")
    assert crew.workers == 1
    assert choose_crew(100, "cpu").threads >= 1
    assert choose_crew(1, "cpu").threads == available_cores()
    assert choose_crew(1, "cpu", small=True).threads == 1
    with pytest.raises(UsageError, match="-1 workers"):
        choose_crew(1, "cpu", -1)
