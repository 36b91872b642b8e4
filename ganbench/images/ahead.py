"""Work done a little ahead of its reader, in order: what is under way is bounded, so that memory is too."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")

MOST_WORKERS = 16  # enough to decode thousands of images of 256 x 256 pixels a second, which no extractor outruns
WAITING = 2  # pieces of work for each worker that are under way or done and not asked for yet


def worker_count() -> int:
    """How many threads or processes read images: the cores that this process may use, 16 at most."""
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def ahead(work: Callable[[Given], Made], given: Iterable[Given], workers: int) -> Generator[Made, None, None]:
    """`work` of each that is given, in order, by threads, of which at most 2 a worker are done before they are asked for.

    An error of `work` is raised in its turn. A reader that stops early does not wait for the rest.
    """
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for each in given:
                waiting.append(pool.submit(work, each))
                if len(waiting) > WAITING * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
