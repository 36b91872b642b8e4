"""A suite: what to run, as a TOML file. Shipped ones lie in `ganbench/suites/`.

description = "Mode coverage of a ring"
variants = ["nsgan", "pacgan2", "real", "memorizer", "noise"]
seeds = 4                           # a count, or a list of seeds
steps = 3000                        # generator steps

[datasets.ring-8]
samples = 2500

[datasets.ring-8.recipe]            # of every variant on this data set; one that does not read a field keeps its own
batch_size = 128

[overrides.wgan-gp]                 # of one variant's own recipe, and of its steps
d_steps = 1
"""

from __future__ import annotations

import difflib
import tomllib
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from ganbench.errors import InvalidInputError, MissingDataError, UsageError, unknown_name
from ganbench.record import Model
from ganbench.registry import PACKAGE

# Strict: pydantic would take `true` for 1.
Positive = Annotated[int, Field(strict=True, gt=0)]
Count = Annotated[int, Field(strict=True, gt=0, le=10_000)]  # of seeds
Names = Annotated[list[str], Field(min_length=1)]
Seed = Annotated[int, Field(strict=True, ge=0)]


class Override(Model):
    """Changes to one variant's recipe, and to the number of its generator steps. What is None stays as the variant has it.

    `lr` alone changes the discriminator's step size in proportion, where the variant has one of its own.
    """

    steps: Positive | None = None
    lr: Annotated[float, Field(strict=True, gt=0)] | None = None
    d_lr: Annotated[float, Field(strict=True, gt=0)] | None = None
    betas: tuple[Annotated[float, Field(strict=True, ge=0, lt=1)], Annotated[float, Field(strict=True, ge=0, lt=1)]] | None = None
    optimizer: Literal["adam", "rmsprop"] | None = None
    batch_size: Annotated[int, Field(strict=True, ge=2)] | None = None
    d_steps: Positive | None = None
    g_steps: Positive | None = None
    latent_size: Positive | None = None
    latent_law: Literal["normal", "uniform"] | None = None
    ema_decay: Annotated[float, Field(strict=True, ge=0, lt=1)] | None = None
    architecture: str | None = None

    def of_recipe(self) -> dict[str, Any]:
        """The fields of a Recipe that this changes."""
        return self.model_dump(exclude_none=True, exclude={"steps"})


class DatasetPlan(Model):
    """What a suite does with one data set. What is None is the suite's, then the data set's own.

    `recipe` changes the recipe of every variant on this data set; what `overrides` say of one variant wins over it.
    """

    steps: Positive | None = None
    samples: Annotated[int, Field(strict=True, ge=2)] | None = None
    metrics: Names | None = None
    extractor: str | None = None
    recipe: Override = Field(default_factory=Override)
    overrides: dict[str, Override] = Field(default_factory=dict)


class Suite(Model):
    """A suite as it stands in its file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.+-]*$", max_length=100)]
    description: str = ""
    datasets: Annotated[dict[str, DatasetPlan], Field(min_length=1)]
    variants: Annotated[list[str], Field(min_length=1)]
    seeds: Count | Annotated[list[Seed], Field(min_length=1)] = 4
    steps: Positive
    samples: Annotated[int, Field(strict=True, ge=2)] | None = None
    metrics: Names | None = None
    extractor: str | None = None
    eval_every: Annotated[int, Field(strict=True, ge=0)] = 0
    eval_samples: Annotated[int, Field(strict=True, ge=2)] = 1000
    overrides: dict[str, Override] = Field(default_factory=dict)

    @property
    def seed_list(self) -> list[int]:
        """The seeds: 0, 1, ... where a count is given."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else sorted(self.seeds)


def suites() -> dict[str, Path]:
    """The shipped suites by name."""
    return {path.stem: path for path in sorted((PACKAGE / "suites").glob("*.toml"))}


def load_suite(reference: str) -> Suite:
    """Read a shipped suite by name, or a TOML file by path. Raises UsageError or InvalidInputError that names the wrong key."""
    if reference.endswith(".toml"):
        path = Path(reference)
        if not path.is_file():
            raise MissingDataError(f"There is no suite file {path}; give the name of a shipped suite or the path of a TOML file.")
    else:
        known = suites()
        if reference not in known:
            raise unknown_name("suite", reference, list(known))
        path = known[reference]
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} is not TOML: {error}; mend that line.") from None
    return parse_suite({"name": path.stem, **content}, str(path))


def parse_suite(content: dict[str, Any], origin: str) -> Suite:
    """A suite from plain values; `origin` is what an error calls it. Raises UsageError that names the wrong key."""
    try:
        suite = Suite.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{origin}: {_sentence(error)}") from None
    if isinstance(suite.seeds, list) and len(suite.seeds) > len(set(suite.seeds)):
        twice = next(seed for seed, count in Counter(suite.seeds).items() if count > 1)
        raise UsageError(f"{origin}: the seed {twice} is named twice and would count once; name each seed once.")
    return suite


def _sentence(error: ValidationError) -> str:
    # A misspelt key also leaves the right one missing: the misspelling is the cause.
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    # Where a value may be of several types, pydantic puts the type into the place: that is no key of the user's.
    place = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("constrained-", "list[")))
    if first["type"] == "extra_forbidden":
        known = sorted({*Suite.model_fields, *DatasetPlan.model_fields, *Override.model_fields})
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        return f"{place} is not a key of a suite; " + (f"did you mean {near[0]}?" if near else "remove it.")
    if first["type"] == "missing":
        return f"the key {place} is missing; add it."
    return f"{place} = {first['input']!r} is not right ({first['msg'][0].lower()}{first['msg'][1:]}); change it."
