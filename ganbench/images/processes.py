"""Work on image files in processes of their own: most of what a small image costs is Python's own work, which threads cannot share.

A process is `python -m ganbench.images.processes`: it imports Pillow and numpy alone, holds no copy of this process, asks for no
`if __name__ == "__main__"` in the user's code, and ends when its input does. Functions go to it and what they return comes back,
pickled by the one and unpickled by the other; no file is ever unpickled.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ganbench.errors import InvalidInputError
from ganbench.images.pixels import quiet_bombs

# What a piece of work frees glibc would give back to the system at once, to ask for it again: a third of a process's time.
MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(2**28), "MALLOC_MMAP_THRESHOLD_": str(2**28)}
FEWEST = 16384  # images: of fewer, processes cost more to start than they save
Made = TypeVar("Made")


class Worker(Protocol):
    """Who does a piece of work."""

    def do(self, work: Callable[[], Made]) -> Made:
        """What `work()` returns. Raises what it raises."""


class Here:
    """This process."""

    def do(self, work: Callable[[], Made]) -> Made:
        """As `Worker.do`."""
        return work()


class Process:
    """A process of its own. What it cannot finish, since it has ended, is done here."""

    def __init__(self, files: Sequence[int]) -> None:
        """`files` are numbers of open files that its work reads."""
        path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ganbench.images.processes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**MALLOC, **os.environ, "PYTHONPATH": path},
            pass_fds=files,
            process_group=0,  # a terminal's Ctrl-C is for this process, with which that one ends too
        )

    def do(self, work: Callable[[], Made]) -> Made:
        """As `Worker.do`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            pickle.dump(work, self.process.stdin)
            self.process.stdin.flush()
            answer: Made | InvalidInputError = pickle.load(self.process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            return work()
        if isinstance(answer, InvalidInputError):
            raise answer
        return answer

    def close(self) -> None:
        """Let it end."""
        with contextlib.suppress(OSError):
            self.process.communicate()


@contextlib.contextmanager
def crew(count: int, images: int, files: Sequence[int]) -> Iterator[queue.SimpleQueue[Worker]]:
    """`count` workers, to be taken and put back, for that many images in open files: processes where it pays."""
    free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
    processes = [Process(files) for _ in range(count)] if count > 1 and images >= FEWEST and sys.executable else []
    try:
        for worker in processes:
            free.put(worker)
        for _ in range(0 if processes else count):
            free.put(Here())
        yield free
    finally:
        for process in processes:
            process.close()


def serve() -> None:
    """Do what comes through stdin until there is no more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints must not mix with answers
    while True:
        try:
            work: Callable[[], Any] = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = work()
        except InvalidInputError as error:
            answer = error
        pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with quiet_bombs(), contextlib.suppress(BrokenPipeError):
        serve()
