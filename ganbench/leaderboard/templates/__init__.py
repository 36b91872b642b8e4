"""The templates of pages, and the jinja2 environment that renders them: every text is escaped."""

from __future__ import annotations

import functools
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ganbench.leaderboard.numbers import number

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
    )
    made.filters["number"] = number
    return made
