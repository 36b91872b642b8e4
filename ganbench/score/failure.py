"""What goes wrong in one process's share of a pass: the leader hears of it with the shares, and raises it as its own.

An extractor may fail at a batch that one process alone has: then one job fails, as where one process extracts all.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ganbench.errors import GanbenchError, InvalidInputError, RunFailedError, described

FAILURE = "failure"


def caught(work: Callable[[], None]) -> BaseException | None:
    """What `work` raises; a Ctrl-C passes."""
    try:
        work()
    except (Exception, SystemExit) as error:
        return error
    return None


def told_of(error: BaseException) -> dict[str, Tensor]:
    """A failure in place of a share: its sentence and its traceback as the bytes (N,) uint8 of a JSON text."""
    own = isinstance(error, GanbenchError)
    said = {
        "own": own,
        "sentence": str(error) if own else described(error),
        "story": "".join(traceback.format_exception(error)),
    }
    return {FAILURE: torch.tensor(list(json.dumps(said).encode()), dtype=torch.uint8)}


def raise_first(shares: Sequence[dict[str, Tensor]], own: BaseException | None) -> None:
    """Raise this process's `own` failure, else that of the first other one that has failed, with its story as a note."""
    if own is not None:
        raise own
    for rank, share in enumerate(shares):
        if FAILURE in share:
            said = json.loads(bytes(share[FAILURE].tolist()))
            error = (InvalidInputError if said["own"] else RunFailedError)(said["sentence"])
            error.add_note(f"In process {rank}:\n{said['story']}")
            raise error
