"""File names of pages: safe for any text that a record holds, on any file system and in any URL."""

from __future__ import annotations

import re

from ganbench.files import digest

LONGEST = 40  # characters of a name that is kept as it is
PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
HASHED = re.compile(r"-[0-9a-f]{10}$")
RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)")  # Windows opens no files of these names


def slug(text: str) -> str:
    """A file name for a text: the text itself where it is short, lower-case and plain, else what is left of it and a hash.

    Different texts get different names, also where case does not count. The name starts with a letter or digit, holds nothing
    but those, points and dashes, and has at most 51 characters.
    """
    plain = PLAIN.fullmatch(text) is not None and len(text) <= LONGEST and ".." not in text
    if plain and not HASHED.search(text) and not RESERVED.match(text):
        return text
    kept = re.sub(r"[^a-z0-9]+", "-", text.lower())[:LONGEST].strip("-") or "x"
    return f"{kept}-{digest(text.encode('utf-8', 'surrogatepass'))[:10]}"
