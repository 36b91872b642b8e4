"""Generators that `torch.export.save` wrote (.pt2).

Torch reads such a file with code: it unpickles what does not load as plain weights, evaluates the text of symbolic sizes, and looks
up the functions of the graph by name in all of torch. So the archive is looked through first: pickles must load as weights, sizes
must be arithmetic, and functions must be operators that compute. What fails is read only when it is trusted.
"""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganbench.errors import InvalidInputError
from ganbench.sources.programs import Loaded, unreadable
from ganbench.sources.samples import Reading

MEMBERS = re.compile(
    r"models/model\.json|data/(weights|constants)/\w+(\.json)?|data/sample_inputs/\w+\.pt|extra/.*"
    r"|archive_format|archive_version|version|byteorder|\.data/\w+|\.format_version|\.storage_alignment"
)
OPERATORS = re.compile(
    r"torch\.ops\.(aten|prims|torchvision)\.(?!save|load|from_file)\w+(\.\w+)?"
    r"|torch\.ops\.higher_order\.(cond|wrap_with_set_grad_enabled|wrap_with_autocast)"
    r"|torch\.sym_\w+|math\.\w+|_operator\.(add|sub|mul|neg|mod|pow|floordiv|truediv|eq|ne|lt|le|gt|ge|and_|or_|not_|getitem)"
)
SIZE_WORDS = {"Symbol", "Integer", "Rational", "Add", "Mul", "Pow", "Mod", "Max", "Min", "FloorDiv", "CeilDiv", "PythonMod"}
SIZE_SYMBOL = re.compile(r"[a-z]+\d+")
SIZE_NODES = (
    *(ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.keyword, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop),
)
NAME = re.compile(r"[\w.]*")  # names become part of Python text that torch runs
NAMES = ("name", "fqn", "parameter_name", "buffer_name", "tensor_constant_name")
TREES = {"builtins.tuple", "builtins.list", "builtins.dict", None}


def load_pt2(path: Path, reading: Reading) -> Loaded:
    """An exported program; the shape of its latents and, where it is fixed, its batch are its own.

    Raises InvalidInputError for a file that cannot be read, that would run code without being trusted, or that takes other inputs.
    """
    content = path.read_bytes()
    trusted = reading.generator.trust
    try:
        danger = None if trusted else _danger(content)
        if danger is None:
            exported = torch.export.load(io.BytesIO(content))
    except Exception as error:  # a broken file makes zipfile and torch raise almost anything
        raise unreadable(path, "exported program", error) from None
    if danger is not None:
        raise InvalidInputError(f"{path} holds {danger}, which may run code when it is read; pass --trust if you made it yourself.")
    inputs = [
        node for node in exported.graph.nodes if node.op == "placeholder" and node.name in exported.graph_signature.user_inputs
    ]
    sizes = [node.meta["val"].shape for node in inputs if isinstance(node.meta.get("val"), Tensor)]
    wanted = 1 if reading.generator.classes is None else 2
    if len(sizes) != len(inputs) or len(sizes) != wanted or len(sizes[0]) < 2:
        raise InvalidInputError(
            f"{path} takes {len(inputs)} inputs, where latents{' and labels' if wanted == 2 else ''} are given; "
            "give --classes to a generator that takes labels, and to no other."
        )
    batch, *latent = sizes[0]
    shape = tuple(int(side) for side in latent) if all(isinstance(side, int) for side in latent) else None
    largest = _largest(exported, batch)
    if torch.device(reading.device).type != "cpu":
        from torch.export.passes import move_to_device_pass

        exported = move_to_device_pass(exported, reading.device)
    network = exported.module(check_guards=False)  # guards are text that torch would run; shapes are checked without them
    dtype = inputs[0].meta["val"].dtype

    def call(z: Tensor, *labels: Tensor) -> object:
        return network(z.to(reading.device, dtype), *(each.to(reading.device) for each in labels))

    notes = (f"{path.name} was read without being looked through for code, since it is trusted",) if trusted else ()
    return Loaded(call, None, shape, batch if isinstance(batch, int) else None, largest, is_whole=True, notes=notes)


def _largest(exported: torch.export.ExportedProgram, batch: int | torch.SymInt) -> int:
    """The largest batch that the program takes."""
    if isinstance(batch, int):
        return batch
    limits = exported.range_constraints.get(batch.node.expr)
    upper = getattr(limits, "upper", None)
    return int(upper) if upper is not None and upper.is_Integer and upper < sys.maxsize else sys.maxsize


def _danger(content: bytes) -> str | None:
    """What of an archive is more than weights and a graph of operators, to stand after "holds"; None where nothing is."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        if len(set(names)) != len(names):
            return "two parts of one name"
        for name in names:
            place = name.partition("/")[2]
            if not MEMBERS.fullmatch(place):
                return f"the part {name}"
            part = archive.read(name)
            if place.endswith(".pt") and part and not _is_plain(part):
                return f"Python objects ({name})"
            if place.endswith("_config.json"):
                payloads = json.loads(part)["config"].values()
                folder = name.rpartition("/")[0]
                for payload in payloads:
                    where = f"{folder}/{payload['path_name']}"
                    if not re.match("weight|tensor", payload["path_name"]):
                        return f"an object of its own ({where})"
                    if payload["use_pickle"] and not _is_plain(archive.read(where)):
                        return f"Python objects ({where})"
            if place.startswith("models/"):
                for found in _strange(json.loads(part)):
                    return found
    return None


def _is_plain(part: bytes) -> bool:
    try:
        torch.load(io.BytesIO(part), weights_only=True)
    except Exception:  # whatever it is, torch would then unpickle it
        return False
    return True


def _strange(value: Any) -> Iterator[str]:
    """What a graph holds beside operators on tensors and sizes."""
    if isinstance(value, list):
        for each in value:
            yield from _strange(each)
    if not isinstance(value, dict):
        return
    for key, each in value.items():
        if key in ("target", "as_operator") and isinstance(each, str) and not OPERATORS.fullmatch(each):
            yield f"the function {each}"
        elif key == "expr_str" and not _is_size(each):
            yield f"the size {each!r}"
        elif key in ("in_spec", "out_spec") and isinstance(each, str) and not _is_tree(json.loads(each)):
            yield "inputs or outputs of a kind of its own"
        elif key in NAMES and isinstance(each, str) and not NAME.fullmatch(each):
            yield f"the name {each!r}"
        elif key == "forward_arg_names" and each and not all(NAME.fullmatch(name) for name in each):
            yield f"the names {each}"
        elif key in ("custom_obj_values", "as_custom_obj", "treespec_namedtuple_fields") and each:
            yield key.replace("_", " ")
        else:
            yield from _strange(each)


def _is_tree(spec: Any) -> bool:
    """Whether a description of inputs or outputs is of tuples, lists and dicts alone."""
    if isinstance(spec, list):
        return all(map(_is_tree, spec))
    if not isinstance(spec, dict):
        return True
    return spec.get("type") in TREES and _is_tree(spec.get("children_spec", []))


def _is_size(text: str) -> bool:
    """Whether the text of a symbolic size is arithmetic: torch evaluates it."""
    try:
        nodes = list(ast.walk(ast.parse(text, mode="eval")))
    except (SyntaxError, ValueError, RecursionError):
        return False
    for node in nodes:
        match node:
            case ast.Call(func=ast.Name()) | ast.Constant(value=int() | float()):
                continue
            case ast.Name(id=name) if name in SIZE_WORDS or SIZE_SYMBOL.fullmatch(name):
                continue
            case ast.Constant(value=str() as symbol) if SIZE_SYMBOL.fullmatch(symbol):
                continue
            case ast.Call() | ast.Name() | ast.Constant():
                return False
            case _ if not isinstance(node, SIZE_NODES):
                return False
    return True
