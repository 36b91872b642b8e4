"""The damages that an audit knows, in the order of its tables."""

from __future__ import annotations

from collections.abc import Callable

from ganbench.audit import pixels, rows
from ganbench.audit.damage import Damage, Subject
from ganbench.errors import UsageError, unknown_name

SHARES = (0.05, 0.1, 0.25, 0.5, 1.0)
COPY_NOISE = 0.01  # standard deviations of the data: hardly seen in images, and less than the spread of ring-8's modes
SMALLEST_CLASS = 10  # samples a class, below which unbalanced classes would be empty ones

Levels = Callable[[Subject], tuple[float, ...]]


def _when(applies: Callable[[Subject], bool], levels: tuple[float, ...]) -> Levels:
    return lambda subject: levels if applies(subject) else ()


def _always(subject: Subject) -> bool:
    return True


def _has_classes(subject: Subject) -> bool:
    return subject.classes >= 2


def _has_large_classes(subject: Subject) -> bool:
    return 2 <= subject.classes <= subject.count / SMALLEST_CLASS


def _is_image(subject: Subject) -> bool:
    return subject.is_image


def _is_points(subject: Subject) -> bool:
    return not subject.is_image


def _is_grey(subject: Subject) -> bool:
    return subject.is_image and subject.shape[0] == 1


def _is_rgb(subject: Subject) -> bool:
    return subject.is_image and subject.shape[0] == 3


def _class_counts(subject: Subject) -> tuple[float, ...]:
    """A tenth to six tenths of the classes: of 10, these are 1, 2, 4 and 6."""
    counts = {max(1, round(share * subject.classes)) for share in (0.1, 0.2, 0.4, 0.6)}
    return tuple(sorted(float(count) for count in counts if count < subject.classes))


def _pixel_counts(subject: Subject) -> tuple[float, ...]:
    """A 32nd of the width to half of it, in whole pixels: of 8, these are 1, 2, 3 and 4."""
    if not subject.is_image:
        return ()
    counts = {max(1, round(share * subject.shape[-1])) for share in (1 / 32, 1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2)}
    return tuple(sorted(float(count) for count in counts if count < subject.shape[-1]))


DAMAGES = (
    Damage("dropped", "modes", "classes removed", _class_counts, rows.dropped),
    Damage("unbalanced", "modes", "largest / smallest class", _when(_has_large_classes, (2, 4, 8, 16)), rows.unbalanced),
    Damage("exemplars", "modes", "share of samples", _when(_has_classes, SHARES), rows.exemplars),
    Damage("repeated", "modes", "copies of each", _when(_always, (2, 4, 8, 16, 32)), rows.repeated),
    Damage("memorised", "copies", "share of samples", _when(_always, SHARES), rows.memorised),
    Damage(
        "memorised-noisy",
        "copies",
        "share of samples",
        _when(_always, SHARES),
        rows.memorised_changed,
        pixels.noise,
        strength=COPY_NOISE,
    ),
    Damage("noise", "quality", "sd of the data", _when(_always, (0.02, 0.05, 0.1, 0.2, 0.5, 1)), rows.all_changed, pixels.noise),
    Damage("blur", "quality", "pixels", _when(_is_image, (0.4, 0.6, 0.8, 1.2, 2)), rows.all_changed, pixels.blur),
    Damage("shift", "quality", "pixels", _pixel_counts, rows.all_changed, pixels.shift_pixels),
    Damage(
        "shift-points",
        "quality",
        "sd of the data",
        _when(_is_points, (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)),
        rows.all_changed,
        pixels.shift_points,
    ),
    Damage(
        "jpeg",
        "quality",
        "quality",
        _when(lambda subject: _is_grey(subject) or _is_rgb(subject), (95, 75, 50, 25, 10)),
        rows.all_changed,
        pixels.jpeg,
    ),
    Damage("contrast", "quality", "share lost", _when(_is_image, (0.05, 0.1, 0.25, 0.5, 0.75)), rows.all_changed, pixels.contrast),
    Damage("inverted", "quality", "share of samples", _when(_is_grey, SHARES), rows.share_changed, pixels.invert),
    Damage("saturation", "quality", "share lost", _when(_is_rgb, (0.1, 0.25, 0.5, 0.75, 1)), rows.all_changed, pixels.saturation),
    Damage(
        "colour-cast", "quality", "red up, blue down", _when(_is_rgb, (0.05, 0.1, 0.2, 0.4)), rows.all_changed, pixels.colour_cast
    ),
    Damage("fewer", "size", "N divided by", _when(_always, (2, 4, 8, 16)), rows.fewer),
)


def choose_damages(names: list[str] | None, subject: Subject) -> list[Damage]:
    """The damages that apply to the data, or those of them that `names` ask for, in the order of the tables.

    Raises UsageError for a name that is not known, for one that does not apply, and for an empty list.
    """
    apply = {damage.name: damage for damage in DAMAGES if damage.levels(subject)}
    if names is None:
        return list(apply.values())
    for name in names:
        if name not in {damage.name for damage in DAMAGES}:
            raise unknown_name("damage", name, [damage.name for damage in DAMAGES])
        if name not in apply:
            raise UsageError(f"The damage {name} does not apply to these data; those that do are {', '.join(apply)}.")
    if not names:
        raise UsageError(f"No damage is asked for; name some of {', '.join(apply)}.")
    return [damage for damage in apply.values() if damage.name in names]
