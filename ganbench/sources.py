"""Every input as samples: a data set's part, a folder or zip of images, a .npz or .npy array, or a checkpoint's generator.

SAMPLES and REF of `ganbench score` are read here. Nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from ganbench import images, registry
from ganbench.dataset import Dataset, Location, Modes, content_hash, find_dataset, load_dataset
from ganbench.errors import InvalidInputError, MissingDataError, UsageError, unknown_name
from ganbench.generator import load_generator, quantisation_of
from ganbench.rng import stream

if TYPE_CHECKING:
    from torch import Tensor

PartName = Literal["train", "test"]
GENERATED = 10_000  # samples drawn from a checkpoint whose data set does not say how many
ACCEPTED = "a data set (mnist:test), a folder of images, a .zip, .npz or .npy file, or a checkpoint (.safetensors or its .json)"
ROWS = 65_536  # rows of an array looked at together, so that a mapped file is never whole in memory


@dataclass(frozen=True)
class Samples:
    """Samples of one side of a comparison, in memory.

    `source` says what they are: "mnist:test", "folder:generated", "samples.npz", "wgan-gp:seed-0.safetensors". `modes`,
    `dataset_name` and `dataset` are None where the input does not tell them.
    """

    source: str
    items: Tensor  # (N, C, H, W) uint8 or (N, D) float32
    modes: Modes | None = None
    dataset_name: str | None = None
    dataset: Dataset | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    @functools.cached_property
    def hash(self) -> str:
        """`content_hash` of the items: that of a data set's part where they are all of it."""
        return content_hash(self.items)

    @property
    def quantisation(self) -> str:
        """How the items came to be what they are, for the protocol."""
        return quantisation_of(self.items)


@dataclass(frozen=True)
class Sampling:
    """How many samples are wanted (None: all there are, and of a checkpoint its data set's usual number) and who draws them."""

    count: int | None
    seed: int
    device: str = "cpu"
    variant_file: Path | None = None

    def choose(self, source: str, available: int) -> tuple[Tensor, tuple[str, ...]]:
        """The indices (N,) of the chosen ones, with a note where they are not all: the head of a permutation drawn by the seed.

        Raises UsageError when more are wanted than there are, InvalidInputError where there are fewer than two.
        """
        if available < 2:
            raise InvalidInputError(f"{source} holds fewer than two samples ({available}); give more.")
        if self.count is None or self.count == available:
            return torch.arange(available), ()
        if self.count > available:
            raise UsageError(f"{self.count} samples are asked of {source}, which holds {available}; ask for {available} or fewer.")
        chosen = torch.randperm(available, generator=stream(self.seed, "choose samples"))[: self.count]
        return chosen, (f"{self.count} of the {available} in {source}, chosen by seed {self.seed}",)


def open_samples(
    reference: str,
    location: Location,
    *,
    count: int | None,
    seed: int,
    default_part: PartName = "test",
    device: str = "cpu",
    variant_file: Path | None = None,
) -> Samples:
    """The samples that `reference` names: `count` of them, or all.

    `reference` is a data set's name, which comes before a file of that name; `folder:PATH` or a folder; `zip:PATH` or a .zip; a
    .npz (its `arr_0`, as ADM writes it) or .npy of uint8 images (N, H, W, C) or (N, C, H, W), or of floating-point points (N, D);
    or a checkpoint. `:train` or `:test` after it chooses a part. Without that, a data set, and a folder or zip that has folders
    train and test, gives `default_part`; any other folder or zip gives every image in it. Only chosen images are read.

    A count below the number there is takes the head of a permutation drawn by `seed`. A checkpoint's generator, which runs on
    `device`, draws exactly `count`, or as many as its data set is scored with, from the latent stream of `seed`; `variant_file`
    is the Python file of its variant where that is the user's own.

    Raises UsageError for a reference that cannot be right or a count that is not there, MissingDataError where there is no such
    file, InvalidInputError for content that is not what it should be: broken files, NaN, fewer than two samples.
    """
    if not reference:
        raise UsageError(f"There is nothing to read in an empty name; give {ACCEPTED}.")
    if count is not None and count < 2:
        raise UsageError(f"{count} samples are asked of {reference}; ask for at least 2.")
    sampling = Sampling(count, seed, device, variant_file)
    name, part = _split_part(reference)
    prefix, _, rest = name.partition(":")
    known = registry.entries("datasets")
    if prefix in ("folder", "zip") and rest:
        return _from_images(prefix, rest, part, default_part, sampling)
    if name in known or name.endswith(".py") or (prefix in known and not Path(name).exists()):
        return _from_dataset(name, part or default_part, location, sampling)
    path = Path(name).expanduser()
    if path.is_dir() or path.suffix.lower() == ".zip":
        return _from_images("folder" if path.is_dir() else "zip", name, part, default_part, sampling)
    if part is not None:
        raise UsageError(f"{name} has no parts, so {reference!r} names none; write {name}.")
    return _from_file(path, name, sampling)


def _split_part(reference: str) -> tuple[str, PartName | None]:
    """The reference without its part, and the part; a folder that is called train is a path, in `folder:train` too."""
    name, _, part = reference.rpartition(":")
    if part not in ("train", "test") or name in ("", "folder", "zip") or Path(reference).exists():
        return reference, None
    return name, "train" if part == "train" else "test"


def _from_dataset(name: str, part_name: PartName, location: Location, sampling: Sampling) -> Samples:
    dataset, _ = find_dataset(name)
    loaded = load_dataset(name, location)
    part = loaded.train if part_name == "train" else loaded.test
    source = f"{loaded.name}:{part_name}"
    chosen, notes = sampling.choose(source, len(part))
    items = part.items if len(chosen) == len(part) else part.items[chosen]
    return Samples(source, items, modes=loaded.modes, dataset_name=loaded.name, dataset=dataset, notes=notes)


def _from_images(kind: str, written: str, asked: PartName | None, default_part: PartName, sampling: Sampling) -> Samples:
    """The images of a folder or zip: of one part where it has folders for the parts or one is asked for, else all."""
    path, name = Path(written).expanduser(), f"{kind}:{written}"
    with images.open_zip(path) if kind == "zip" else contextlib.nullcontext(images.list_folder(path)) as files:
        folders = images.part_folders(files)
        part = asked or (default_part if folders else None)
        source = f"{name}:{part}" if part else name
        if part and not folders:  # split by content, as the data set of this path is
            parts = images.read_parts(path, files)
            whole = parts.train if part == "train" else parts.test
            chosen, notes = sampling.choose(source, len(whole))
            items = whole[chosen]
        else:
            files = folders[part] if part else files
            chosen, notes = sampling.choose(source, len(files))
            items = images.read_images([files[index] for index in chosen.tolist()])
    return Samples(source, items, dataset_name=name, dataset=find_dataset(name)[0], notes=notes)


def _from_file(path: Path, name: str, sampling: Sampling) -> Samples:
    suffix = path.suffix.lower()
    if suffix in (".safetensors", ".json"):
        return _from_checkpoint(path, sampling)
    if suffix in (".npz", ".npy"):
        if not path.is_file():
            raise MissingDataError(f"There is no file {path}; give {ACCEPTED}.")
        return _from_array(path, sampling)
    if path.exists() or suffix:
        raise UsageError(f"{name} is not of a kind that can be scored; give {ACCEPTED}.")
    if "/" in name:
        raise MissingDataError(f"There is no {name}; give {ACCEPTED}.")
    raise unknown_name("dataset", name, list(registry.entries("datasets")))


def _from_checkpoint(path: Path, sampling: Sampling) -> Samples:
    generator = load_generator(path, sampling.device, sampling.variant_file)
    known = registry.entries("datasets").get(generator.dataset_name.partition(":")[0])
    usual = known.facts.get("samples", GENERATED) if known else GENERATED
    count = usual if sampling.count is None else sampling.count
    items = generator.sample(count, sampling.seed)
    source = f"{generator.variant_name}:{path.name}"
    return Samples(
        source,
        items,
        dataset_name=generator.dataset_name,
        notes=(f"drawn by seed {sampling.seed} from the checkpoint with sha256 {generator.hash}",),
    )


def _from_array(path: Path, sampling: Sampling) -> Samples:
    array = _read_array(path)
    is_points = array.ndim == 2 and array.dtype.kind == "f" and array.shape[1] > 0
    channels_last = None if is_points else _channels_last(path, array)
    chosen, notes = sampling.choose(path.name, len(array))
    if is_points:
        _check_finite(str(path), array)
    rows = array if len(chosen) == len(array) else array[chosen.numpy()]
    if is_points:
        items = torch.from_numpy(rows.astype(np.float32))  # (N, D)
    else:
        items = torch.from_numpy(np.array(rows.transpose(0, 3, 1, 2) if channels_last else rows, order="C"))  # (N, C, H, W)
    return Samples(path.name, items, notes=notes)


def _read_array(path: Path) -> np.ndarray[Any, Any]:
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        with found as archive:
            if "arr_0" in archive:
                return np.asarray(archive["arr_0"])
            held = ", ".join(archive.files) or "nothing"
    except Exception as error:  # a broken file makes NumPy, its tokenizer and zipfile raise almost anything
        said = " ".join(str(error).split()) or type(error).__name__
        reason = "it is no NumPy file, or one of Python objects" if "allow_pickle" in said else said
        raise InvalidInputError(
            f"{path} is not an array that can be read ({reason}); write it again with numpy.save or savez."
        ) from None
    raise InvalidInputError(f"{path} holds {held}, but no arr_0; save the samples with numpy.savez(path, samples).")


def _channels_last(path: Path, array: np.ndarray[Any, Any]) -> bool:
    """Whether images are (N, H, W, C), not (N, C, H, W). Raises InvalidInputError for what are no uint8 images."""
    shown = f"{path} holds {array.dtype} of shape {array.shape}"
    if array.dtype != np.uint8:
        raise InvalidInputError(
            f"{shown}; save images as uint8 (from [-1, 1]: 127.5 x + 128, clamped to 0..255 and floored), "
            "or points as floats of shape (N, D)."
        )
    if array.ndim != 4 or 0 in array.shape[1:] or (array.shape[1] not in (1, 3) and array.shape[3] not in (1, 3)):
        raise InvalidInputError(f"{shown}; images are (N, H, W, C) or (N, C, H, W) with 1 or 3 channels.")
    if array.shape[1] in (1, 3) and array.shape[3] in (1, 3):
        raise InvalidInputError(f"{shown}, in which the channels are first or last; save larger images, or as a folder of files.")
    return array.shape[3] in (1, 3)


def _check_finite(source: str, array: np.ndarray[Any, Any]) -> None:
    """Raise InvalidInputError when a row is not finite in float32, with how many such rows there are and the first."""
    bad: list[np.ndarray[Any, Any]] = []
    with np.errstate(over="ignore"):
        for start in range(0, len(array), ROWS):
            finite = np.isfinite(array[start : start + ROWS].astype(np.float32)).all(axis=1)
            bad.append(np.flatnonzero(~finite) + start)
    indices = np.concatenate(bad)
    if len(indices):
        raise InvalidInputError(
            f"{source} has NaN, infinite or too large values in {len(indices)} of {len(array)} rows, the first is row {indices[0]} "
            "(counted from 0); leave them out."
        )
