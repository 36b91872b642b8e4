"""Streams of a GPU: no two threads are lent the same one, and a thread records where it does not work."""

import threading
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import torch

from ganbench import lanes
from ganbench.errors import UsageError
from ganbench.harness.workers import ON_ONE_GPU, choose_crew


class Stream:
    """What torch gives: one of 32, in turn."""

    made = 0
    worked_on: list[int] = []

    def __init__(self, device: str) -> None:
        self.cuda_stream = Stream.made % 32
        Stream.made += 1


@pytest.fixture(autouse=True)
def _streams(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(lanes, "_streams", {})
    monkeypatch.setattr(lanes, "_mine", threading.local())
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext(Stream.worked_on.append(stream.cuda_stream)))
    Stream.made, Stream.worked_on = 5, []  # others took some before
    return


def test_threads_work_and_record_on_streams_of_their_own() -> None:
    recorders, all_in = [lanes.recorder("cuda").cuda_stream], threading.Barrier(ON_ONE_GPU)

    def job() -> None:
        with lanes.working("cuda"):
            recorders.append(lanes.recorder("cuda").cuda_stream)
            all_in.wait(timeout=20)

    threads = [threading.Thread(target=job) for _ in range(ON_ONE_GPU)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shared = [stream.cuda_stream for stream in lanes.Lanes("cuda", 40).streams]
    taken = [*recorders, *Stream.worked_on, *shared]
    assert len(taken) == 1 + 2 * ON_ONE_GPU + lanes.SIDE_BY_SIDE
    assert len(set(taken)) == len(taken)
    assert ON_ONE_GPU == lanes.JOBS_AT_ONCE


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


def test_seeds_apart_on_a_cpu_follow_each_other() -> None:
    seen: list[int] = []
    assert lanes.Lanes("cpu", 3).run(lambda index: seen.append(index) or 2 * index, 3) == [0, 2, 4]
    assert seen == [0, 1, 2]
