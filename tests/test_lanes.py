"""Streams of a GPU: no two threads are lent the same one, and a thread records where it does not work."""

import threading
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import torch

from ganbench import lanes
from ganbench.errors import UsageError
from ganbench.harness.workers import choose_crew


class Stream:
    """What torch gives: one of 32, in turn."""

    made = 0
    worked_on: list[int] = []

    def __init__(self, device: str) -> None:
        self.device, self.cuda_stream, self.waited_for = device, Stream.made % 32, []
        Stream.made += 1

    def wait_stream(self, other: "Stream") -> None:
        self.waited_for.append(other.cuda_stream)


@pytest.fixture(autouse=True)
def _streams(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(lanes, "_streams", {})
    monkeypatch.setattr(lanes, "_mine", threading.local())
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext(Stream.worked_on.append(stream.cuda_stream)))
    Stream.made, Stream.worked_on = 5, []  # others took some before
    return


def test_threads_work_and_record_on_streams_of_their_own() -> None:
    recorders, all_in = [lanes.recorder("cuda").cuda_stream], threading.Barrier(lanes.JOBS_AT_ONCE)

    def job() -> None:
        with lanes.working("cuda"):
            recorders.append(lanes.recorder("cuda").cuda_stream)
            all_in.wait(timeout=20)

    threads = [threading.Thread(target=job) for _ in range(lanes.JOBS_AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shared = [stream.cuda_stream for stream in lanes.Lanes("cuda", 40).streams]
    taken = [*recorders, *Stream.worked_on, *shared]
    assert len(taken) == 1 + 2 * lanes.JOBS_AT_ONCE + lanes.SIDE_BY_SIDE
    assert len(set(taken)) == len(taken)
    assert lanes.JOBS_AT_ONCE == 7


def test_streams_are_given_back_and_there_is_an_end_of_them() -> None:
    for _ in range(40):
        with lanes.working("cuda"):
            assert lanes.recorder("cuda") is lanes.recorder("cuda")
    for _ in range(lanes.LENT):
        lanes._lend("cuda")
    with pytest.raises(UsageError, match="no stream left for another job at once; give at most 7 --workers"):
        lanes.recorder("cuda")


def test_more_jobs_at_once_than_a_gpu_has_streams_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganbench.harness.workers.visible_gpus", lambda device: ["0"])
    assert choose_crew(40, "cuda", 7).workers == 7
    with pytest.raises(UsageError, match="8 jobs at once are more than one GPU has streams for; give at most 7 --workers"):
        choose_crew(40, "cuda", 8)


def test_a_device_is_the_same_by_its_name_and_by_its_number() -> None:
    assert lanes.Lanes("cuda", 3).streams == lanes.Lanes("cuda:0", 3).streams


@pytest.mark.parametrize("recording", [False, True])
def test_what_seeds_give_is_kept_until_the_stream_that_goes_on_has_read_it(
    recording: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    current, kept = Stream("cuda"), []
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: current)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: recording)
    monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: kept.append((tensor.item(), stream)))
    side = lanes.Lanes("cuda", 2)
    found = side.run(lambda index: (torch.tensor(index), {"watched": torch.tensor(10 + index)}, "no tensor"), 2)
    assert [each[0].item() for each in found] == [0, 1]
    assert sorted(number for number, _ in kept) == ([] if recording else [0, 1, 10, 11])
    assert {stream for _, stream in kept} <= {current}
    assert [stream.waited_for for stream in side.streams] == [[current.cuda_stream]] * 2
    assert current.waited_for == [stream.cuda_stream for stream in side.streams]


def test_streams_are_joined_where_a_seed_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    current = Stream("cuda")
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: current)
    side = lanes.Lanes("cuda", 2)

    def work(index: int) -> None:
        raise ValueError(f"seed {index}")

    with pytest.raises(ValueError, match="seed 0"):
        side.run(work, 2)
    assert current.waited_for == [stream.cuda_stream for stream in side.streams]


def test_seeds_apart_on_a_cpu_follow_each_other() -> None:
    seen: list[int] = []
    assert lanes.Lanes("cpu", 3).run(lambda index: seen.append(index) or 2 * index, 3) == [0, 2, 4]
    assert seen == [0, 1, 2]
