"""A folder, a zip or a tar of images as samples: scanned when it is opened, decoded when it is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ganbench.dataset import content_hash, find_dataset
from ganbench.files import digest, expanded
from ganbench.images.parts import LISTERS, class_numbers, part_folders, read_parts
from ganbench.images.pixels import PIXEL_RULE
from ganbench.images.scan import leave_out_bad, scan
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
    notes: tuple[str, ...] = ()
    if reading.skip_bad:
        files, notes = _without_bad(name, files)
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
    chosen, chosen_notes = choose(reading, source, len(in_parts))
    scanned = scan(in_parts.take(chosen.numpy()))
    return Samples(
        source,
        len(chosen),
        scanned.shape,
        scanned.batches,
        fingerprint=digest([scanned.fingerprint, reading.skip_bad]),
        labels=None if numbers is None else torch.from_numpy(numbers)[chosen],
        dataset_name=name,
        dataset=find_dataset(name)[0],
        notes=(*notes, *chosen_notes),
        jpeg=scanned.lossy,
    )


def _without_bad(name: str, files: ImageTable) -> tuple[ImageTable, tuple[str, ...]]:
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
