"""How long the command line takes to answer, against the import of the library that it is built on, in one run.

pytest benchmarks/test_startup.py --benchmark-only -s
"""

import subprocess
import sys

import pytest

FASTEST: dict[str, float] = {}
CALLS = {
    "typer": ["-c", "import typer"],
    "--help": ["-m", "ganbench", "--help"],
    "run --help": ["-m", "ganbench", "run", "--help"],
    "list variants": ["-m", "ganbench", "list", "variants"],
}


@pytest.mark.parametrize("call", CALLS)
def test_answers(benchmark, call: str) -> None:
    def answer() -> None:
        subprocess.run([sys.executable, *CALLS[call]], check=True, stdout=subprocess.DEVNULL)

    benchmark.pedantic(answer, rounds=10, warmup_rounds=1)
    FASTEST[call] = benchmark.stats.stats.min
    print(
        f"\n{call}: {FASTEST[call]:.2f} s at best, {FASTEST[call] / FASTEST.get('typer', FASTEST[call]):.2f} times importing typer"
    )
