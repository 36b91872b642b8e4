"""One thread a process, since tests run in parallel and tiny tensors gain nothing from more; and a cache of the tests' own."""

import os

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["GANBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
