"""The templates of pages, and the jinja2 environment that renders them: every text is escaped, and turns no other's direction."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ganbench.leaderboard.numbers import clean_lines, named, number

FOLDER = Path(__file__).parent


@functools.cache
def environment() -> Environment:
    """The environment of this folder's templates: autoescape always on, and a name that is not there is an error."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=_shown,
    )
    made.filters["number"] = number
    made.filters["named"] = named
    return made


def _shown(value: Any) -> Any:
    return clean_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value
