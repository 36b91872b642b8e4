"""Every input as samples: SAMPLES and REF of `ganbench score` are read here.

What each kind of input is, is told by its name: see `open_samples`. Nothing is unpickled, and no code of a file is run, unless
`GeneratorOptions.trust` says so; `module:name` is code that the user names.
"""

from __future__ import annotations

from pathlib import Path

from ganbench import registry
from ganbench.dataset import Location, find_dataset, load_dataset
from ganbench.errors import MissingDataError, UsageError, unknown_name
from ganbench.files import digest, expanded
from ganbench.images.parts import LISTERS
from ganbench.images.shards import is_pattern
from ganbench.images.tar import TAR_SUFFIXES
from ganbench.sources.arrays import from_array, holds_statistics, read_statistics
from ganbench.sources.choice import choose, slices
from ganbench.sources.foreign import PROGRAM_SUFFIXES, from_callable, from_program, is_callable_name
from ganbench.sources.image_files import from_images, from_shards
from ganbench.sources.own import from_checkpoint
from ganbench.sources.samples import PartName, Reading, Samples, StoredStatistics

ACCEPTED = (
    "a data set (mnist:test), a folder of images, a .zip, .tar, .npz or .npy file, shards, a ganbench checkpoint (.safetensors or "
    "its .json), a generator (.pt2, TorchScript, .onnx, weights with --model) or module:name"
)


def open_samples(reference: str, location: Location, reading: Reading) -> Samples:
    """The samples that `reference` names, `reading.count` of them or all; reading is put off until `Samples.read`.

    `reference` is, in this order:
    - a data set's name, with `:train` or `:test` for one part (else `reading.default_part`), or a Python file that defines one;
    - a folder of images or `folder:PATH`; a .zip or `zip:PATH`; a .tar, .tar.gz, .tgz, .tar.bz2, .tar.xz or `tar:PATH`. `:train` or
      `:test` after it chooses a part; without that, one with folders train and test gives `default_part`, any other all images;
    - WebDataset shards, `name-{000000..000099}.tar`, or `shards:PATH` for one (see ganbench/images/shards.py);
    - a .npz (`arr_0`, as ADM writes it; `arr_1` may hold labels) or .npy of uint8 images (N, H, W, C) or (N, C, H, W), or of
      floating-point points (N, D); with `reading.features` of ready features (N, F);
    - a ganbench checkpoint (.safetensors with its .json beside it, or that .json);
    - a generator from elsewhere: .pt2, TorchScript (.ts, .torchscript, .jit, .pt, .pth), .onnx, or the weights of the network that
      `GeneratorOptions.model` builds (.pt, .pth, .safetensors);
    - `module:name`, a generator in a Python module (see ganbench/sources/foreign.py).

    Where there are more samples than wanted, the head of a permutation drawn by `reading.seed` is taken, and only those are read. A
    generator draws exactly `count`, or the usual number, from the latent stream of the seed.

    Raises UsageError for a reference that cannot be right or a count that is not there, MissingDataError where there is no such
    file, InvalidInputError for content that is not what it should be: broken files, NaN, fewer than two samples.
    """
    if not reference:
        raise UsageError(f"There is nothing to read in an empty name; give {ACCEPTED}.")
    if reading.count is not None and reading.count < 2:
        raise UsageError(f"{reading.count} samples are asked of {reference}; ask for at least 2.")
    name, part = _split_part(reference)
    prefix, _, rest = name.partition(":")
    known = registry.entries("datasets")
    if prefix in LISTERS and rest:
        return from_images(prefix, rest, part, reading)
    if (prefix == "shards" and rest) or is_pattern(name):
        if part is not None:
            raise UsageError(f"{name} has no parts, so {reference!r} names none; write {name}.")
        return from_shards(name.removeprefix("shards:"), reading)
    is_set = name in known and not (name in LISTERS and Path(name).exists())  # a folder may be called folder
    if is_set or (name.endswith(".py") and ":" not in name) or (prefix in known and not Path(name).exists()):
        return _from_dataset(name, part or reading.default_part, location, reading)
    path = expanded(name)
    kind = _images_kind(path)
    if kind:
        return from_images(kind, name, part, reading)
    if part is None and is_callable_name(reference) and not path.exists():
        return from_callable(reference, reading)
    if part is not None:
        raise UsageError(f"{name} has no parts, so {reference!r} names none; write {name}.")
    return _from_file(path, name, reading)


def open_reference(reference: str, location: Location, reading: Reading) -> Samples | StoredStatistics:
    """What `reference` names as the side that samples are compared with: as `open_samples`, or FID statistics (`mu`, `sigma`)."""
    path = expanded(reference)
    if path.is_file() and holds_statistics(path):
        return read_statistics(path)
    return open_samples(reference, location, reading)


def _split_part(reference: str) -> tuple[str, PartName | None]:
    """The reference without its part, and the part; a folder that is called train is a path, in `folder:train` too."""
    name, _, part = reference.rpartition(":")
    if part not in ("train", "test") or name in ("", *LISTERS) or Path(reference).exists():
        return reference, None
    return name, "train" if part == "train" else "test"


def _images_kind(path: Path) -> str | None:
    if path.is_dir():
        return "folder"
    name = path.name.lower()
    return "zip" if name.endswith(".zip") else "tar" if name.endswith(TAR_SUFFIXES) else None


def _from_dataset(name: str, part_name: PartName, location: Location, reading: Reading) -> Samples:
    dataset, _ = find_dataset(name)
    loaded = load_dataset(name, location)
    part = loaded.train if part_name == "train" else loaded.test
    source = f"{loaded.name}:{part_name}"
    chosen, notes = choose(reading, source, len(part))
    whole = len(chosen) == len(part)
    return Samples(
        source,
        len(chosen),
        loaded.shape,
        slices(part.items if whole else part.items[chosen]),
        fingerprint=digest([part.hash, None if whole else [reading.count, reading.seed]]),
        labels=None if part.labels is None else part.labels[chosen],
        modes=loaded.modes,
        dataset_name=loaded.name,
        dataset=dataset,
        notes=notes,
    )


def _from_file(path: Path, name: str, reading: Reading) -> Samples:
    suffix = path.suffix.lower()
    readable = (".npz", ".npy", ".safetensors", ".json", *PROGRAM_SUFFIXES)
    if suffix in readable and not path.is_file():
        raise MissingDataError(f"There is no file {path}; give {ACCEPTED}.")
    if suffix in (".npz", ".npy"):
        if holds_statistics(path):
            raise UsageError(f"{name} holds FID statistics, which are no samples; give it with --reference.")
        return from_array(path, reading)
    if suffix == ".json" or (suffix == ".safetensors" and reading.generator.model is None):
        described = path.with_suffix(".json")
        if not described.is_file():
            raise MissingDataError(
                f"There is no {described}, which a ganbench checkpoint has beside its weights; for the weights of another network "
                "name the code that builds it with --model module:factory."
            )
        return from_checkpoint(path, reading)
    if suffix in PROGRAM_SUFFIXES:
        return from_program(path, reading)
    if path.exists() or suffix:
        raise UsageError(f"{name} is not of a kind that can be scored; give {ACCEPTED}.")
    if "/" in name:
        raise MissingDataError(f"There is no {name}; give {ACCEPTED}.")
    raise unknown_name("dataset", name, list(registry.entries("datasets")))
