"""A reader of the page for tests: its tags, its texts and its pictures."""

import base64
import io
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

from PIL import Image

from ganbench.leaderboard.report import write_report
from ganbench.leaderboard.site.publish import publish

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


class Tables(HTMLParser):
    """The rows of all tables of a page, each a list of (text, data-order) in the order of its cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[tuple[str, str | None]]] = []
        self.inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        self.inside = tag in ("th", "td") or (self.inside and tag not in ("tr", "table"))
        if tag in ("th", "td"):
            self.rows[-1].append(("", dict(attrs).get("data-order")))

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self.inside = False

    def handle_data(self, data):
        if self.inside:
            text, order = self.rows[-1][-1]
            self.rows[-1][-1] = (text + data, order)


def page(records, folder):
    return Page(write_report(records, folder).read_text(encoding="utf-8"))


def site(records, out, folder=Path("/nowhere"), published=()):
    """The pages of a site by name, read again from its files."""
    publish(records, folder, out, published)
    return pages(out)


def pages(out):
    return {path.relative_to(out).as_posix(): Page(path.read_text(encoding="utf-8")) for path in sorted(out.rglob("*.html"))}


def assert_links_resolve(out, found):
    """Every address on every page is a file of the site, with the anchor it names, or a paper on arXiv."""
    anchors = {name: {attrs["id"] for _, attrs in page.tags if "id" in attrs} for name, page in found.items()}
    for name, page in found.items():
        for tag, attrs in page.tags:
            address = attrs.get("href") or attrs.get("src")
            if address is None or (tag == "a" and address.startswith("https://arxiv.org/abs/")):
                continue
            assert ":" not in address
            path, _, anchor = address.partition("#")
            target = (out / name).parent / unquote(path) if path else out / name
            assert target.is_file(), f"{name}: {address}"
            assert out.resolve() in target.resolve().parents
            if anchor:
                assert anchor in anchors[target.resolve().relative_to(out.resolve()).as_posix()], f"{name}: {address}"
