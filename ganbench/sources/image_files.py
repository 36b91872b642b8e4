"""A folder, a zip, a tar or shards of images as samples: scanned when it is opened, decoded when it is read.

Many small images are decoded with the scan already, unless their features are probably kept from an earlier pass.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ganbench.dataset import content_hash, find_dataset
from ganbench.files import digest, expanded
from ganbench.images.parts import LISTERS, class_numbers, part_folders, read_parts
from ganbench.images.pixels import PIXEL_RULE
from ganbench.images.scan import leave_out_bad, outline, scan
from ganbench.images.shards import list_shards
from ganbench.images.table import ImageTable
from ganbench.sources.choice import choose, slices
from ganbench.sources.samples import PartName, Reading, Samples

SHOWN = 3  # names of bad files in a note


def from_images(kind: str, written: str, asked: PartName | None, reading: Reading) -> Samples:
    """The images of a folder or archive: of one part where it has folders for the parts or one is asked for, else all.

    Raises InvalidInputError that names the file for an image that has no readable header or another size than the rest; one whose
    pixels do not decode raises it when it is read. With `reading.skip_bad` such files are left out, and counted in a note.
    """
    path, name = expanded(written), f"{kind}:{written}"
    files = LISTERS[kind](path)
    good, notes = _good(name, files, reading)
    files = files.take(good)
    folders = part_folders(files)
    part = asked or (reading.default_part if folders else None)
    source = f"{name}:{part}" if part else name
    if part and not folders:
        return _part_by_content(name, path, files, part, reading, notes)
    in_parts = files.take(np.concatenate([folders["train"], folders["test"]])) if folders else files
    numbers, _ = class_numbers(in_parts, depth=1 if folders else 0)
    if part:
        rows = slice(len(folders["train"])) if part == "train" else slice(len(folders["train"]), None)
        in_parts, numbers = in_parts[rows], None if numbers is None else numbers[rows]
    return replace(_scanned(source, in_parts, numbers, reading, notes), dataset_name=name, dataset=find_dataset(name)[0])


def from_shards(written: str, reading: Reading) -> Samples:
    """The images of the WebDataset shards that a pattern stands for, with their classes where all have one.

    Raises as `from_images`, and for shards that are damaged, cut short or not there.
    """
    files, labels = list_shards(str(expanded(written)))
    good, notes = _good(written, files, reading)
    return _scanned(written, files.take(good), None if labels is None else labels[good], reading, notes)


def _scanned(source: str, files: ImageTable, numbers: np.ndarray | None, reading: Reading, notes: tuple[str, ...]) -> Samples:
    """Those of the files that are wanted, with their headers read."""
    chosen, chosen_notes = choose(reading, source, len(files))
    files = files.take(chosen.numpy())
    expected = outline(files)
    keep = not reading.known(expected)
    scanned = scan(files, lambda done: reading.report(f"headers of {source}", done, len(chosen)), keep_pixels=keep)
    return Samples(
        source,
        len(chosen),
        scanned.shape,
        scanned.batches,
        fingerprint=digest([scanned.fingerprint, reading.skip_bad]),
        labels=None if numbers is None else torch.from_numpy(numbers)[chosen],
        notes=(*notes, *chosen_notes),
        jpeg=scanned.lossy,
        outline=expected,
    )


def _good(name: str, files: ImageTable, reading: Reading) -> tuple[np.ndarray, tuple[str, ...]]:
    """The rows of the files to read: all, or those that decode, with a note of the others."""
    if not reading.skip_bad:
        return np.arange(len(files)), ()
    good, bad = leave_out_bad(files)
    if not bad:
        return good, ()
    shown = ", ".join(bad[:SHOWN]) + (", ..." if len(bad) > SHOWN else "")
    return good, (f"{len(bad)} of the {len(files)} images in {name} do not decode and are left out: {shown}",)


def _part_by_content(name: str, path: Path, files: ImageTable, part: PartName, reading: Reading, notes: tuple[str, ...]) -> Samples:
    """A part of images without folders for the parts: split by content, as the data set of this path is, so all are decoded."""
    source = f"{name}:{part}"
    parts = read_parts(path, files)
    items, labels = (parts.train, parts.train_labels) if part == "train" else (parts.test, parts.test_labels)
    chosen, chosen_notes = choose(reading, source, len(items))
    items, labels = items[chosen], None if labels is None else labels[chosen]
    return Samples(
        source,
        len(items),
        tuple(items.shape[1:]),
        slices(items),
        fingerprint=digest([PIXEL_RULE, content_hash(items)]),
        labels=labels,
        dataset_name=name,
        dataset=find_dataset(name)[0],
        notes=(*notes, *chosen_notes),
        jpeg=scan(files).lossy,
    )
