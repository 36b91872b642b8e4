"""A training in two processes is that of one process on the whole batch, whatever its variant; else it is refused."""

import fcntl
import json
import os
from pathlib import Path

import pytest
from in_two_processes import VARIANTS
from pair import run_two

Results = dict[str, dict[str, float | str]]


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What all cases came to: one pair of processes runs them, also where several workers run these tests."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own  # of this session: its workers' folders lie side by side
    found = shared / "in-two-processes.json"
    with (shared / "in-two-processes.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            run_two(Path(__file__).with_name("in_two_processes.py"), str(found), seconds=500)
    read: Results = json.loads(found.read_text())
    return read


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_trained_by_two_processes_as_by_one(name: str, results: Results) -> None:
    # float64: the order in which sums are added differs, and whatever that moves, optimiser moments and curves among it.
    assert "refused" not in results[name]
    assert results[name]["off"] < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("what", ["gradient penalty", "batch norm"])
def test_twenty_steps_of_two_processes_are_those_of_one(what: str, results: Results) -> None:
    assert results[f"{what}, float64"]["off"] < 1e-12
    # In float32 a gradient that is rounding noise may send Adam's first step, +-lr, either way; none of seed 0 does.
    assert results[f"{what}, float32"]["weights"] < 1e-5


@pytest.mark.slow
def test_steps_ahead_through_batch_norm_are_those_of_one_process(results: Results) -> None:
    assert "refused" not in results["batch norm ahead"]
    assert results["batch norm ahead"]["off"] < 1e-9


@pytest.mark.slow
def test_what_cannot_be_shared_out_is_refused_in_a_sentence(results: Results) -> None:
    tied, uneven = str(results["tied"]["refused"]), str(results["uneven"]["refused"])
    assert tied.startswith("tied cannot be trained in several processes: its phase d over shared rows")
    assert uneven.startswith("The batch size 15 of nsgan cannot be shared out evenly over 2 processes; set one that 2 divides")
