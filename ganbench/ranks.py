"""Several processes that share one run, as `torchrun` and `accelerate launch` start them; with one, nothing here acts.

The first process, rank 0, leads: it alone decides, writes and prints. Tensors go by the collectives of torch.distributed (gloo
between CPUs, nccl between GPUs), words by its store, as JSON: a process that waits for a word is never inside a collective, so that
the leader may take hours over a score, and a process that fails can tell whether the others failed alike or wait for it in vain.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from ganbench.errors import GanbenchError, RunFailedError, UsageError

if TYPE_CHECKING:
    from torch import Tensor
    from torch._C._distributed_c10d import Store

STUCK = timedelta(minutes=30)  # how long a collective waits for the others before it gives up
PATIENCE = 5.0  # seconds in which the other processes fail alike, where it is the job that is wrong and not a process
LOOK = 0.1  # seconds at most between two looks of a process that waits for a word
GONE = "gone"


class LostError(RunFailedError):
    """Another process of the run is gone."""


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this one is, in the run and on its machine."""

    rank: int = 0
    count: int = 1
    local: int = 0
    local_count: int = 1

    @property
    def several(self) -> bool:
        """Whether the run has more than this process."""
        return self.count > 1

    @property
    def leads(self) -> bool:
        """Whether this process decides, writes and prints."""
        return self.rank == 0

    def share(self, total: int) -> range:
        """This process's of `total` items in a row: as many as the others have, up to one."""
        return range(total * self.rank // self.count, total * (self.rank + 1) // self.count)


ALONE = Ranks()


@dataclass
class _Words:
    """The store, and how many words and regions there were so far: every process counts alike."""

    store: Store
    ranks: Ranks
    told: int = 0
    regions: int = 0
    collected: int = 0


_words: _Words | None = None


def from_environment() -> Ranks:
    """What torchrun and accelerate say in RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE; `ALONE` where they say nothing."""
    try:
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count <= 1:
            return ALONE
        local = int(os.environ.get("LOCAL_RANK", "0"))
        return Ranks(int(os.environ["RANK"]), count, local, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    except (KeyError, ValueError):
        raise UsageError(
            "WORLD_SIZE says that several processes share this run, and RANK or LOCAL_RANK does not say which this is; start it "
            "with torchrun, or unset WORLD_SIZE."
        ) from None


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """Inside, the processes of this run are connected; yields which this one is. With one process there is nothing to connect."""
    global _words
    ranks = from_environment()
    if not ranks.several:
        yield ranks
        return
    import torch
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    try:
        store, rank, count = next(rendezvous("env://", timeout=STUCK))
        on_gpus = torch.cuda.is_available() and dist.is_nccl_available()
        store = dist.PrefixStore("ganbench", store)  # type: ignore[attr-defined]
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if on_gpus else "gloo", store=store, rank=rank, world_size=count, timeout=STUCK
        )
    except (RuntimeError, ValueError) as error:
        raise LostError(
            f"The {ranks.count} processes of this run do not find each other ({_cause(error)}); start it with torchrun."
        ) from None
    _words = _Words(store, ranks)
    yield ranks  # not in a `try`: after an error the connections stay, until `leave` ends the process
    dist.destroy_process_group()
    _words = None


@contextlib.contextmanager
def lost() -> Iterator[None]:
    """Inside, a collective that fails is a `LostError`: no other cause is known."""
    try:
        yield
    except RuntimeError as error:
        raise LostError(
            f"Another process of this run is gone ({_cause(error)}); start the same command again, which goes on from the "
            "last saved state."
        ) from None


def tell(word: dict[str, Any]) -> None:
    """Say a word, of plain values, to every other process. With one process nobody hears it."""
    if _words is None:
        return
    _words.told += 1
    try:
        _words.store.set(f"told/{_words.told}", json.dumps(word))
    except RuntimeError:
        end("What started this run is gone; start the same command again, which goes on from the last saved state.")


def told() -> dict[str, Any]:
    """The leader's next word, waited for as long as it takes. Raises LostError when a process is gone."""
    assert _words is not None  # only a run of several processes has a leader
    _words.told += 1
    try:
        _words.store.set(_waiting(_words.ranks.rank, _words.told), "")
    except RuntimeError:
        raise LostError("What started this run is gone; start the same command again.") from None
    word: dict[str, Any] = json.loads(_heard(f"told/{_words.told}"))
    return word


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Where every process does the same, collectives among it. With one process this does nothing.

    An error that all processes meet, as that of a variant, is raised on each of them, and the run can go on. After one that only
    some meet the others may wait in a collective for ever: then this process says so and ends.
    """
    if _words is None:
        yield
        return
    _words.regions += 1
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, LostError) or not _met_by_all(f"region/{_words.regions}"):
            end(str(error) if isinstance(error, GanbenchError) else f"{type(error).__name__}: {_cause(error)}")
        raise


def collect(tensors: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """On the leader, the named CPU tensors of every process, by rank, of whatever shapes; on the others an empty list."""
    import torch
    import torch.distributed as dist

    if _words is None:
        return [tensors]
    _words.collected += 1
    key = f"collect/{_words.collected}"
    if not _words.ranks.leads:
        described = {name: [list(each.shape), str(each.dtype).removeprefix("torch.")] for name, each in tensors.items()}
        _words.store.set(f"{key}/{_words.ranks.rank}", json.dumps(described))
        with lost():
            for each in tensors.values():
                dist.send(each.contiguous(), 0)
        return []
    found = [tensors]
    for rank in range(1, _words.ranks.count):
        theirs = json.loads(_heard(f"{key}/{rank}"))
        held = {name: torch.empty(shape, dtype=getattr(torch, kind)) for name, (shape, kind) in theirs.items()}
        with lost():
            for each in held.values():
                dist.recv(each, rank)
        found.append(held)
    return found


def spread(tensor: Tensor | None = None) -> Tensor:
    """The leader's CPU tensor, which it alone gives, on every process: of whatever shape and dtype. Raises as `together`."""
    import torch
    import torch.distributed as dist

    with together():  # a follower without the memory ends the run, which else waited for it in the broadcast
        if tensor is not None:
            tell({"shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch.")})
            held = tensor.contiguous()
        else:
            word = told()
            held = torch.empty(word["shape"], dtype=getattr(torch, word["dtype"]))
        if _words is not None:
            with lost():
                dist.broadcast(held, 0)
    return held


def speaks() -> bool:
    """Whether this process should tell the user of the error that ends it: not where the leader, or another one, does."""
    if _words is None:
        with contextlib.suppress(UsageError):
            return from_environment().leads
        return True
    return _words.ranks.leads if _met_by_all("end") else _first_to_go()


def leave(code: int) -> NoReturn:
    """End this process. Connections to processes that are gone would keep an interpreter from ending by itself."""
    if _words is None:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def end(sentence: str) -> NoReturn:
    """End this process, whose others then end too, with one sentence of all of them."""
    if _first_to_go():
        assert _words is not None
        sys.stderr.write(f"Error: process {_words.ranks.rank} of {_words.ranks.count}: {sentence}\n")
    leave(RunFailedError.exit_code)


def _heard(key: str) -> bytes:
    assert _words is not None
    pause = 1e-3
    try:
        while not _words.store.check([key]):  # `wait` with a timeout would fill the terminal with warnings
            if _words.store.check([GONE]):
                raise LostError("Another process of this run is gone; start the same command again.")
            time.sleep(pause)
            pause = min(2 * pause, LOOK)
        heard: bytes = _words.store.get(key)
        return heard
    except RuntimeError:  # the store is the launcher's: where it does not answer, nobody is there any more
        raise LostError("What started this run is gone; start the same command again.") from None


def _waiting(rank: int, word: int) -> str:
    return f"waiting/{rank}/{word}"


def _met_by_all(what: str) -> bool:
    """Whether every process reports an error here, within `PATIENCE`; not where one waits for what the leader says next."""
    assert _words is not None
    store, ranks = _words.store, _words.ranks
    try:
        store.set(f"{what}/{ranks.rank}", "failed")
        reports = [f"{what}/{rank}" for rank in range(ranks.count)]
        next_word = [_waiting(rank, _words.told + 1) for rank in range(1, ranks.count)] if ranks.leads else []
        until = time.monotonic() + PATIENCE
        while not store.check(reports) and time.monotonic() < until:
            if store.check([GONE]) or any(store.check([each]) for each in next_word):
                break
            time.sleep(0.05)
        return bool(store.check(reports))  # looked at again: who has reported may already wait
    except RuntimeError:
        pass
    return False


def _first_to_go() -> bool:
    assert _words is not None
    try:
        _words.store.set(GONE, "")
        first: bool = _words.store.add("first to go", 1) == 1
        return first
    except RuntimeError:
        return _words.ranks.leads  # the launcher is gone, and its store with it


def _cause(error: BaseException) -> str:
    # gloo puts the line of its source before its sentence, and advice behind it.
    said = re.sub(r"^\[\S*\] ", "", (str(error).strip().splitlines() or [type(error).__name__])[0])
    return said.partition(". ")[0][:200].rstrip(".")
