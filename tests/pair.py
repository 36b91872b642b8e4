"""Two processes of one run, started as torchrun starts them: by environment variables, or by torchrun itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]


def environment(**more: str) -> dict[str, str]:
    """This process's environment with one thread, and with ganbench from this checkout."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **more}


def free_port() -> str:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def torchrun(*arguments: str, **more: str) -> subprocess.Popen[str]:
    """`torchrun --nproc-per-node 2 ARGUMENTS`, at work."""
    command = [*TORCHRUN, "--master-port", free_port(), *arguments]
    return subprocess.Popen(command, env=environment(**more), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run_two(script: Path, *arguments: str, seconds: float = 300) -> None:
    """Run a script in two processes of one run, to the end of both. Raises where one fails."""
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "LOCAL_WORLD_SIZE": "2"}
    both = [
        subprocess.Popen([sys.executable, str(script), *arguments], env=environment(RANK=rank, LOCAL_RANK=rank, **shared))
        for rank in "01"
    ]
    try:
        assert [each.wait(seconds) for each in both] == [0, 0]
    finally:
        for each in both:
            each.kill()
