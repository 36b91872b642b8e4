"""Generators from elsewhere as samples: an exported program, weights and the code that builds their network, or `module:name`.

One rule for all: the generator is called with latents (B, latent_dim) float32 and, with `--classes`, labels (B,) int64, and gives
images (B, C, H, W), uint8 or floating-point in `--range`, or floating-point points (B, D). Latents are drawn on the CPU from the
stream of the seed, labels are 0, 1, ..., classes - 1 in turn.

`module:name` is such a generator: a `torch.nn.Module`, which is put into evaluation mode, or any function. A class, or a function
that can be called without an argument, is a factory: it is called first, and what comes back is the generator.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganbench.errors import InvalidInputError, UsageError
from ganbench.files import file_digest
from ganbench.generator import draw_latents
from ganbench.record import SAMPLING_BATCH
from ganbench.rng import stream
from ganbench.sources.exported import load_pt2
from ganbench.sources.generators import GENERATED, LARGEST_BATCH, Program, check_latents, fingerprint
from ganbench.sources.onnx_file import load_onnx
from ganbench.sources.programs import (
    Loaded,
    import_named,
    is_torchscript,
    load_torchscript,
    load_weights,
    made_generator,
    network_call,
)
from ganbench.sources.samples import GeneratorOptions, Reading, Samples
from ganbench.variant import Recipe

PROBE = 2  # samples drawn when the generator is opened, so that its faults are known before any work
LOADERS: dict[str, Callable[[Path, Reading], Loaded]] = {
    ".pt2": load_pt2,
    ".onnx": load_onnx,
    ".ts": load_torchscript,
    ".torchscript": load_torchscript,
    ".jit": load_torchscript,
}
PROGRAM_SUFFIXES = (*LOADERS, ".pt", ".pth", ".safetensors")


def is_callable_name(reference: str) -> bool:
    """Whether `reference` has the form module:name."""
    return re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", reference) is not None


def from_callable(reference: str, reading: Reading) -> Samples:
    """Samples of the generator that `module:name` names.

    Raises UsageError where there is none, InvalidInputError where it fails or gives other things than it should.
    """
    _check_options(reading.generator)
    call = network_call(reference, made_generator(reference, import_named(reference)), reading.device)
    return _drawn(reference, Loaded(call, None), reading)


def from_program(path: Path, reading: Reading) -> Samples:
    """Samples of the generator in a file.

    Raises UsageError where an option is missing, MissingDataError where a package is, InvalidInputError for a file that is broken
    or would run code, and for a generator that fails or gives other things than it should.
    """
    _check_options(reading.generator)
    suffix = path.suffix.lower()
    loader = LOADERS.get(suffix) or (load_torchscript if suffix != ".safetensors" and is_torchscript(path) else load_weights)
    loaded = loader(path, reading)
    return _drawn(path.name, replace(loaded, content=file_digest(path)) if loaded.is_whole else loaded, reading)


def _drawn(name: str, loaded: Loaded, reading: Reading) -> Samples:
    options = reading.generator
    latent_dim = _latent_dim(name, loaded, options)
    count = GENERATED if reading.count is None else reading.count
    recipe = Recipe(latent_size=latent_dim, latent_law=options.latent_law)
    program, first = _probed(name, loaded, options, recipe)
    are_levels = first.dtype == torch.uint8
    known = f" with sha256 {loaded.content}" if loaded.content else ""
    note = f"drawn by seed {reading.seed} from {name}{known}, with {latent_dim} {options.latent_law} latents"
    return Samples(
        name,
        count,
        program.shape,
        program.samples(count, reading.seed),
        fingerprint=fingerprint(loaded.content, program, count, reading.seed, reading.device),
        labels=program.labels(count),
        notes=(note, *loaded.notes, *_range_notes(name, first, options.value_range)),
        paths=None if are_levels else program.paths,  # a step is far smaller than a level
    )


def _check_options(options: GeneratorOptions) -> None:
    low, high = options.value_range
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"--range {low:g},{high:g} is no range of values; give the lower number first, such as -1,1.")
    for option, value in (("--latent-dim", options.latent_dim), ("--classes", options.classes)):
        if value is not None and value < 1:
            raise UsageError(f"{option} {value} cannot be; give 1 or more.")


def _latent_dim(name: str, loaded: Loaded, options: GeneratorOptions) -> int:
    told = None if loaded.latent_shape is None else math.prod(loaded.latent_shape)
    if told is None and options.latent_dim is None:
        raise UsageError(f"{name} does not tell how many latents it takes; give --latent-dim, such as --latent-dim 128.")
    if None not in (told, options.latent_dim) and told != options.latent_dim:
        raise UsageError(f"{name} takes {told} latents, not {options.latent_dim}; leave out --latent-dim.")
    return int(told or options.latent_dim or 0)


def _on_cpu(name: str, output: object) -> Tensor:
    """What a generator gave, as a dense tensor on the CPU. Raises InvalidInputError for what is no tensor or array of numbers."""
    if isinstance(output, np.ndarray) and output.dtype.kind in "fiub":
        output = torch.from_numpy(np.ascontiguousarray(output, output.dtype.newbyteorder("=")))
    if not isinstance(output, Tensor) or output.layout != torch.strided or output.is_meta:
        got = f"an array of {output.dtype}" if isinstance(output, np.ndarray) else f"a {type(output).__name__}"
        raise InvalidInputError(f"{name} gives {got}, not a dense tensor of samples; mend the generator.")
    return output.detach().cpu()


def _probed(name: str, loaded: Loaded, options: GeneratorOptions, recipe: Recipe) -> tuple[Program, Tensor]:
    """The generator as a program, and a few raw samples of it, from which its output's shape is known."""

    def run(z: Tensor, labels: Tensor | None) -> Tensor:
        z = z if loaded.latent_shape is None else z.reshape(len(z), *loaded.latent_shape)
        inputs = (z,) if labels is None else (z, labels)
        try:
            output = _on_cpu(name, loaded.call(*inputs))
        except InvalidInputError:
            raise
        except (Exception, SystemExit) as error:  # a program from elsewhere may raise anything
            given = " and ".join(str(tuple(each.shape)) for each in inputs)
            lines = str(error).split("\n") if not isinstance(error, torch.jit.Error) else str(error).rstrip().rsplit("\n", 1)[1:]
            said = f"{type(error).__name__}: {' '.join(' '.join(lines).split())[:300]}"
            raise InvalidInputError(
                f"{name} fails on {'latents' if labels is None else 'latents and labels'} of shape {given} ({said}); "
                "give --latent-dim and --classes as it was trained with."
            ) from None
        return output

    rows = loaded.batch or PROBE
    check_latents(rows, recipe.latent_size)
    z = draw_latents(rows, recipe, stream(0, "probe"))
    with torch.no_grad():
        first = run(z, None if options.classes is None else torch.arange(rows) % options.classes)
    shape = tuple(first.shape[1:])
    if len(first) != rows or not (len(shape) == 1 or (len(shape) == 3 and shape[0] in (1, 3))) or 0 in shape:
        raise InvalidInputError(
            f"{name} gives {tuple(first.shape)} for {rows} latents; images are ({rows}, C, H, W) with 1 or 3 channels, points "
            f"({rows}, D)."
        )
    batch = loaded.batch or max(1, min(loaded.largest_batch, SAMPLING_BATCH, LARGEST_BATCH // math.prod(shape)))
    return Program(name, run, shape, recipe, options.classes, options.value_range, batch), first


def _range_notes(name: str, first: Tensor, value_range: tuple[float, float]) -> tuple[str, ...]:
    """A warning where images use one half of their range alone: a generator of [0, 1] would pass for a pale one of [-1, 1]."""
    low, high = value_range
    if first.ndim != 4 or not first.is_floating_point() or bool(first.min() < (low + high) / 2):
        return ()
    return (
        f"the first images of {name} lie between {first.min():.3g} and {first.max():.3g}, the upper half of the range "
        f"{low:g},{high:g}: if its black is not the lowest value, say so with --range, such as --range 0,1",
    )
