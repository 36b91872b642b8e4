"""A training's state on disk: tensors as safetensors, the rest as JSON that names the tensors' file and its sha256.

The JSON is replaced last, so that a killed process leaves the old state or the new one, whole.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ganbench.errors import InvalidInputError
from ganbench.files import canonical_json, digest, write_atomically


def save_state(folder: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write a state into `folder` and remove the one before it. `facts` holds plain finite values and a `step`."""
    content = save_tensors({key: value.contiguous() for key, value in tensors.items()})
    name = f"state-{facts['step']:09d}.safetensors"
    write_atomically(folder / name, content)
    write_atomically(folder / "state.json", canonical_json({"tensors": name, "sha256": digest(content), "facts": facts}))
    for old in folder.glob("state-*.safetensors"):
        if old.name != name:
            old.unlink()


def load_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The state in `folder`, or None where there is none. Raises InvalidInputError when it was cut short or altered."""
    described = folder / "state.json"
    if not described.exists():
        return None
    try:
        state = json.loads(described.read_text(encoding="utf-8"))
        content = (folder / state["tensors"]).read_bytes()
        whole = digest(content) == state["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise InvalidInputError(f"The training state in {folder} was cut short or altered; delete that folder to start again.")
    return load_tensors(content), state["facts"]


def remove_state(folder: Path) -> None:
    """Remove the state: its job is done."""
    shutil.rmtree(folder, ignore_errors=True)
