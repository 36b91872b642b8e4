"""Time: a stopwatch that waits for the device, and timestamps."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Stopwatch:
    """Adds up wall seconds over one or several `with` blocks.

    On a CUDA device it waits at both ends for the work that the current stream holds.
    """

    def __init__(self, device: str = "cpu", seconds: float = 0.0) -> None:
        self.device = device
        self.seconds = seconds
        self._started = 0.0

    def __enter__(self) -> Stopwatch:
        self._wait()
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._wait()
        self.seconds += time.perf_counter() - self._started

    def _wait(self) -> None:
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.current_stream(self.device).synchronize()


UTC_FORM = "%Y-%m-%dT%H:%M:%SZ"


def utc_now() -> str:
    """The time as ISO 8601 in UTC with seconds, such as 2026-01-31T12:00:00Z."""
    return datetime.now(UTC).strftime(UTC_FORM)


def is_utc(text: str) -> bool:
    """Whether a text is a time as `utc_now` writes it, of this century."""
    try:
        return datetime.strptime(text, UTC_FORM).strftime(UTC_FORM) == text and text.startswith("20")
    except ValueError:
        return False
