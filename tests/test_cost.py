"""What sampling costs: operations by closed forms, seconds of a network that waits, and a run that costs leave as it was."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from made_records import FD, made_record, one_table, seeds
from torch import nn
from typer.testing import CliRunner

from ganbench.cli.app import app
from ganbench.harness.cost import PeakMemory, sampling_cost
from ganbench.leaderboard.cost import SEVERAL, cost
from ganbench.leaderboard.numbers import size
from ganbench.leaderboard.summary import summarise
from ganbench.leaderboard.table import render
from ganbench.leaderboard.validate import faults
from ganbench.record import Record
from ganbench.variant import Recipe

FIELDS = {"sample_latency_seconds", "samples_per_second", "flops_per_sample"}
RECIPE = Recipe(latent_size=8)
TIMES = {"sample_latency_seconds": 0.002, "samples_per_second": 5000.0, "flops_per_sample": 2_000_000, "peak_memory_bytes": 2**30}


class Waiting(nn.Module):
    """A generator that takes a known time for each batch and each sample."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(8))
        self.sizes: list[int] = []

    def forward(self, z):
        time.sleep(0.02 + 0.0002 * len(z))
        self.sizes.append(len(z))
        return z + self.bias


class Conditional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(3, 8)

    def forward(self, z, labels):
        assert len(labels) == len(z)
        assert labels.dtype == torch.int64
        return z + self.table(labels)


class Translator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, z, images):
        assert images.dtype == torch.float32
        assert images.min() == -1
        assert images.max() == 1
        return self.layer(images)


def test_operations_of_a_multilayer_perceptron_are_twice_its_weights() -> None:
    network = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
    assert sampling_cost(network, RECIPE, None, 0)["flops_per_sample"] == 2 * (8 * 32 + 32 * 32 + 32 * 2)


def test_operations_of_a_convolution_are_twice_its_weights_at_every_pixel() -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8).repeat(256 * 32).reshape(256, 1, 8, 8)
    found = sampling_cost(Translator(), RECIPE, images, 0)
    assert found["flops_per_sample"] == 2 * 4 * 9 * 8 * 8


def test_seconds_are_those_of_a_network_that_waits() -> None:
    network = Waiting()
    found = sampling_cost(network, RECIPE, None, 0)
    # A sleep is never shorter than asked; a busy machine may make it longer.
    assert 0.0202 <= found["sample_latency_seconds"] < 0.2
    assert 256 / 0.5 < found["samples_per_second"] <= 256 / 0.0712
    assert set(network.sizes) == {1, 256}
    assert found["flops_per_sample"] is None  # it has no product, and 0 would be no cost


def test_a_conditional_generator_gets_labels_and_one_that_fails_costs_nothing() -> None:
    assert set(sampling_cost(Conditional(), RECIPE, torch.arange(256) % 3, 0)) == FIELDS
    assert sampling_cost(Conditional(), RECIPE, None, 0) == {}


class Handing(nn.Module):
    """Hands a parameter of its own to another module, as a StyleGAN hands its constant."""

    def __init__(self) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.zeros(1, 8))
        self.layer = nn.Linear(8, 4)

    def forward(self, z):
        return self.layer(self.constant) + self.layer(z)


def test_parameters_that_one_module_hands_to_another_are_no_trouble() -> None:
    assert sampling_cost(Handing(), RECIPE, None, 0)["flops_per_sample"] == 2 * 2 * 8 * 4


def test_the_global_stream_stands_where_it_stood() -> None:
    class Drawing(Waiting):
        def forward(self, z):
            return super().forward(z) + torch.rand(8)

    before = torch.get_rng_state()
    assert set(sampling_cost(Drawing(), RECIPE, None, 0)) == FIELDS
    assert torch.equal(before, torch.get_rng_state())


def test_a_thread_beside_others_states_no_peak() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(lambda: PeakMemory("cuda").known).result()
    assert PeakMemory("cuda").known


def test_counting_leaves_the_modules_of_other_threads_alone() -> None:
    hooks = torch.nn.modules.module._global_forward_pre_hooks
    seen = []

    class Looking(Waiting):
        def forward(self, z):
            seen.append(len(hooks))
            return super().forward(z)

    sampling_cost(Looking(), RECIPE, None, 0)
    assert set(seen) == {0}


def test_a_cpu_states_no_peak() -> None:
    memory = PeakMemory("cpu")
    with memory:
        torch.zeros(1000)
    assert memory.bytes is None


def test_a_run_states_its_costs_and_scores_as_it_did_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from test_harness import run, suite

    given = suite(variants=["nsgan", "cgan", "real"], seeds=2, steps=4)
    priced = run(given, tmp_path / "priced")
    monkeypatch.setattr("ganbench.harness.job.sampling_cost", lambda *_: {})
    assert [r.fingerprint for r in priced] == [r.fingerprint for r in run(given, tmp_path / "plain")]
    for record in priced:
        stated = {name for name in TIMES if getattr(record.timing, name) is not None}
        assert stated == (set() if record.variant.control else FIELDS)
        assert list(faults(record)) == []


# Tables


def priced(
    variant: str, values: list[float], *, times: dict[str, float] | None = None, gpu: str = "", **facts: object
) -> list[Record]:
    records = seeds(variant, values, **facts)
    return [
        record.model_copy(
            update={
                "timing": record.timing.model_copy(update=TIMES | (times or {})),
                "environment": {"processor": "made-up cpu", "threads": 2} | ({"gpu": gpu} if gpu else {}),
            }
        )
        for record in records
    ]


def test_costs_are_means_over_the_seeds_that_ended_well() -> None:
    one, other = priced("a", [1.0]), priced("a", [1.0, 1.0], times={"sample_latency_seconds": 0.004, "flops_per_sample": 4_000_000})
    lost = made_record("a", 2, {}, status="diverged", environment=one[0].environment)
    found = cost(one_table([one[0], other[1], lost]).rows[0])
    assert (found.sample_latency_seconds, found.flops_per_sample, found.device) == (0.003, 3e6, "made-up cpu, 2 threads")


def test_rows_of_several_devices_say_so() -> None:
    records = [*priced("a", [1.0, 2.0])[:1], *priced("a", [1.0, 2.0], gpu="made-up gpu")[1:], *priced("b", [3.0])]
    table = one_table(records)
    assert [cost(row).device for row in table.rows] == [SEVERAL, "made-up cpu, 2 threads"]
    text = render([table], "md", costs=True)
    assert "Rows of different devices do not compare in seconds" in text
    assert "several" in text
    assert not any(row["pareto_front"] for row in json.loads(render([table], "json"))["tables"][0]["rows"])


@pytest.mark.parametrize("format", ["md", "latex", "html"])
def test_cost_columns_are_shown_when_asked_for(format: str) -> None:
    tables = summarise([*priced("a", [1.0]), *priced("b", [3.0])])
    assert "FLOPs/sample" not in render(tables, format)
    text = render(tables, format, costs=True)
    assert all(
        part in text for part in ("Latency s", "0.002", "5 k", "2 M", "1 GiB", "made-up cpu, 2 threads", "a multiply-add as 2")
    )


def test_csv_and_json_always_hold_costs() -> None:
    tables = summarise([*priced("a", [1.0]), *seeds("b", [3.0])])
    rows = {row["row"]: row for row in json.loads(render(tables, "json"))["tables"][0]["rows"]}
    assert {name: rows["a"][name] for name in TIMES} == TIMES
    assert {name: rows["b"][name] for name in TIMES} == dict.fromkeys(TIMES)
    assert "sample_latency_seconds,samples_per_second,flops_per_sample,peak_memory_bytes,device,pareto_front" in render(
        tables, "csv"
    )


def test_sizes_are_short() -> None:
    assert [size(v) for v in (None, 512, 2048, 3.5 * 2**20, 1.25 * 2**30)] == ["", "512 B", "2 KiB", "3.50 MiB", "1.25 GiB"]


@pytest.mark.parametrize("name", [*TIMES, "images_per_second"])
def test_validate_refuses_costs_that_nothing_has(name: str) -> None:
    record = made_record()
    for value in (0, -1):
        broken = record.model_copy(update={"timing": record.timing.model_copy(update={name: value})})
        assert any(f"Its {name} is {value}" in fault for fault in faults(broken))


def test_the_command_shows_costs_and_refuses_two_formats(tmp_path: Path) -> None:
    priced(FD, [1.0])[0].save(tmp_path / "a.json")
    shown = CliRunner().invoke(app, ["table", str(tmp_path), "--cost"])
    assert "FLOPs/sample" in shown.stdout
    refused = CliRunner().invoke(app, ["table", str(tmp_path), "--json", "-f", "csv"])
    assert refused.stdout == ""
    assert "--json and --format csv exclude each other" in str(refused.exception)
    assert json.loads(CliRunner().invoke(app, ["table", str(tmp_path), "--json", "-f", "json"]).stdout)["tables"]
