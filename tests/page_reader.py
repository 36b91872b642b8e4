"""A reader of the page for tests: its tags, its texts and its pictures."""

import base64
import io
from html.parser import HTMLParser

from PIL import Image

from ganbench.leaderboard.report import write_report

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Tags with attributes, all visible text, and the exact contents of style and script elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.inline: dict[str, list[str]] = {"style": [], "script": []}
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in self.inline:
            self.inline[self.open[-1]].append(data)
        else:
            self.text += data

    def images(self) -> dict[str, Image.Image]:
        """The decoded images by their alternative text."""
        sources = {attrs["alt"]: attrs["src"] for tag, attrs in self.tags if tag == "img"}
        head = "data:image/png;base64,"
        assert all(source.startswith(head) for source in sources.values())
        return {alt: Image.open(io.BytesIO(base64.b64decode(source[len(head) :]))) for alt, source in sources.items()}


def page(records, folder):
    return Page(write_report(records, folder).read_text(encoding="utf-8"))
