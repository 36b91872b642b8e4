"""One thread a process: tests run in parallel, and tiny tensors gain nothing from more."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)
