"""Generators in ONNX files, run by onnxruntime where it is installed."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganbench.errors import InvalidInputError, MissingDataError
from ganbench.sources.programs import Loaded, unreadable
from ganbench.sources.samples import Reading

NUMBERS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16, "tensor(int64)": np.int64}


def load_onnx(path: Path, reading: Reading) -> Loaded:
    """An ONNX program on the CPU; its first output are the samples. The shape of its latents and a fixed batch are its own.

    Raises MissingDataError where onnxruntime is not installed, InvalidInputError for a file that cannot be read or that takes other
    inputs.
    """
    try:
        onnxruntime: Any = importlib.import_module("onnxruntime")
    except ImportError:
        raise MissingDataError(f"{path} needs onnxruntime, which is not installed; pip install 'ganbench[onnx]'.") from None
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    settings.log_severity_level = 4  # its warnings are of no use to a reader of scores
    try:
        session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception of its own for each kind of broken file
        raise unreadable(path, "ONNX program", error) from None
    inputs = session.get_inputs()
    wanted = 1 if reading.generator.classes is None else 2
    if len(inputs) != wanted or len(inputs[0].shape) < 2 or not {each.type for each in inputs} <= NUMBERS.keys():
        shown = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)
        raise InvalidInputError(
            f"{path} takes {shown or 'no inputs'}, where latents{' and labels' if wanted == 2 else ''} are given; "
            "give --classes to a generator that takes labels, and to no other."
        )
    batch, *latent = inputs[0].shape
    output = session.get_outputs()[0].name

    def call(*given: Tensor) -> object:
        arrays = {each.name: value.numpy().astype(NUMBERS[each.type]) for each, value in zip(inputs, given, strict=True)}
        return session.run([output], arrays)[0]

    shape = tuple(latent) if all(isinstance(side, int) for side in latent) else None
    return Loaded(call, None, shape, batch if isinstance(batch, int) else None, is_whole=True)
