"""The site in a browser, opened as files: sorting, filtering, columns, downloads, a phone, a keyboard, and no request elsewhere."""

import io
import itertools
import re
import shutil
import statistics
import subprocess
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pandas as pd
import pytest
from made_records import FD, made_record, seeds
from made_times import metric_times, variant_times
from playwright.sync_api import sync_playwright

from ganbench.leaderboard.site.publish import publish
from ganbench.record import load_record, load_records

RESULTS = Path(__file__).parents[1] / "results"
EVIL = "<img src=x onerror=alert(1)>"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium, or make chromium")


class Visit:
    """A page of a browser, and all that must not happen on it: `trouble` stays empty."""

    def __init__(self, browser, **context):
        self.page = browser.new_context(**context).new_page()
        self.page.set_default_timeout(30_000)
        self.trouble = []
        self.page.on("console", lambda message: self.trouble.append(message.text))
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.trouble.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: request.url.startswith("file:") or self.trouble.append(request.url))

    def open(self, path):
        self.page.goto(path.as_uri())
        return self.page

    def follow(self, link):
        """A click does not wait for the page that it leads to: half of one must not be read."""
        with self.page.expect_event("load"):
            link.click()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    visit = Visit(browser)
    yield visit
    assert visit.trouble == []


@pytest.fixture(scope="module")
def records():
    return load_records(sorted(path for path in RESULTS.glob("*/records") if path.parent.name != "demo"))


@pytest.fixture(scope="module")
def site(records, tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    publish(records, Path("/nowhere"), out)
    return out


def column(page, place):
    """What the ranked rows are sorted by in one column."""
    return page.eval_on_selector_all("tbody.ranked tr", f"rows => rows.map(row => row.cells[{place}].getAttribute('data-order'))")


def is_sorted(keys, direction):
    known = [key for key in keys if key not in (None, "")]
    try:
        known = [float(key) for key in known]
    except ValueError:
        return True  # words: in the browser's own order of letters
    pairs = itertools.pairwise(known)
    return keys[len(known) :] == [""] * (len(keys) - len(known)) and all(
        a <= b if direction == "ascending" else a >= b for a, b in pairs
    )


@pytest.mark.parametrize("dataset", ["digits", "grid-25"])
def test_every_column_sorts_and_sorts_back(site, visit, dataset):
    page = visit.open(site / "datasets" / f"{dataset}.html")
    heads = page.locator("figure.scores thead button")
    assert heads.count() >= 8
    page.locator(".columns summary").click()
    for box in page.locator(".columns input").all():
        box.check()
    for number in range(heads.count()):
        head = heads.nth(number).locator("xpath=..")
        place = head.evaluate("cell => cell.cellIndex")
        seen = []
        for _ in range(2):
            heads.nth(number).click()
            seen.append(head.get_attribute("aria-sort"))
            assert is_sorted(column(page, place), seen[-1])
            assert page.locator("th[aria-sort=ascending], th[aria-sort=descending]").count() == 1
        assert set(seen) == {"ascending", "descending"}
    ranks = head.page.locator("figure.scores thead button").first
    while ranks.locator("xpath=..").get_attribute("aria-sort") != "ascending":
        ranks.click()
    assert column(page, 0)[0] == "1"


def test_rows_are_filtered_by_family_and_name_and_columns_are_chosen(site, records, visit):
    page = visit.open(site / "datasets" / "digits.html")
    page.get_by_label("Family").select_option(label="Losses")
    names = page.locator("tbody.ranked th").all_inner_texts()
    wanted = {r.variant.name for r in records if r.dataset.name == "digits" and r.variant.family == "loss"}
    assert {name.split(" (")[0] for name in names} == wanted
    assert page.locator("tbody.controls tr:visible").count() == 0
    page.get_by_label("Name").fill("wgan-gp")
    assert "of" in page.get_by_role("status").inner_text()
    page.get_by_role("button", name="Reset").click()
    page.locator(".columns summary").click()
    page.get_by_label("Seeds").uncheck()
    assert not page.locator("thead th", has_text="Seeds").is_visible()
    assert page.locator("tbody td:nth-child(3):visible").count() == 0


def test_columns_of_costs_that_do_not_fit_are_off_until_they_are_chosen(site, browser):
    off = {}
    for width in (390, 1280):
        visit = Visit(browser, viewport={"width": width, "height": 900})
        page = visit.open(site / "datasets" / "ring-8-wide.html")
        page.locator(".columns summary").click()
        labels = page.locator(".columns label")
        off[width] = [label.inner_text().strip() for label in labels.all() if not label.locator("input").is_checked()]
        assert page.locator(".columns summary").inner_text() == f"Columns ({len(off[width])} off)"
        place = page.locator("figure.scores .scroll")
        if width > 390:  # without them nothing scrolls; on a phone the score alone fills what the name leaves
            assert place.evaluate("place => place.scrollWidth <= place.clientWidth")
        device = page.locator("thead th", has_text="Device")
        assert not device.is_visible()
        labels.filter(has_text="Device").locator("input").check()
        assert device.is_visible()
        assert page.locator("tbody.ranked td", has_text="AMD EPYC").first.is_visible()
        assert visit.trouble == []
    assert set(off[390]) > set(off[1280])
    assert "Train s/seed" in off[390]
    assert "Train s/seed" not in off[1280]


def test_a_name_leaves_room_for_the_score_on_a_phone(site, browser):
    visit = Visit(browser, viewport={"width": 390, "height": 844})
    for dataset in ("digits", "grid-25", "ring-8-wide", "stacked-digits"):
        page = visit.open(site / "datasets" / f"{dataset}.html")
        name = page.locator("tbody.ranked th").first.bounding_box()
        score = page.locator("tbody.ranked tr").first.locator("td").nth(2)
        end = score.evaluate(
            """cell => {
                const words = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), range = document.createRange();
                while (words.nextNode()) if (words.currentNode.data.trim()) { range.selectNode(words.currentNode); break; }
                return [range.toString().trim(), range.getBoundingClientRect().right];
            }"""
        )
        assert name["width"] <= 390 * 0.4, dataset
        float(end[0])  # the value itself, whole on the screen; its half-width may lie beyond
        assert end[1] <= 390, dataset
    assert visit.trouble == []


def test_ranks_across_data_sets_lead_to_variants_and_their_diagram_is_drawn(site, visit):
    page = visit.open(site / "index.html")
    visit.follow(page.get_by_role("navigation").get_by_role("link", name="Across data sets"))
    table = page.locator("section.comparison table").last
    means = [float(row.locator("td").first.inner_text()) for row in table.locator("tbody tr").all()]
    assert means == sorted(means)
    first = table.locator("tbody th").first.inner_text()
    assert page.locator("section.comparison svg").last.is_visible()
    visit.follow(table.locator("tbody th a").first)
    assert page.locator("h1").inner_text() == first


def test_a_row_leads_to_its_variant_and_that_to_its_runs(site, visit):
    page = visit.open(site / "datasets" / "digits.html")
    visit.follow(page.locator("tbody.ranked th a", has_text="wgan-gp").first)
    assert page.locator("h1").inner_text() == "wgan-gp"
    visit.follow(page.locator("section.row tbody th a").first)
    assert page.locator("h1").inner_text() == "wgan-gp, seed 0"
    fingerprint = page.locator("dt", has_text="fingerprint").locator("xpath=..").locator("dd").inner_text()
    page.get_by_role("link", name="the record, JSON").click()  # from a server it is a download; of a file the browser shows it
    page.wait_for_url("**/*.json")
    record = load_record(Path(url2pathname(urlsplit(page.url).path)))
    assert (record.variant.name, record.seed, record.fingerprint) == ("wgan-gp", 0, fingerprint)


def test_the_csv_that_a_reader_downloads_holds_the_records_numbers(site, records, visit):
    page = visit.open(site / "datasets" / "ring-8-wide.html")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "ring-8-wide.csv"
    frame = pd.read_csv(io.BytesIO(Path(download.value.path()).read_bytes()))
    scores = frame[frame["variant"] == "gan"].set_index("score")["mean"]
    mine = [r for r in records if (r.dataset.name, r.variant.name, r.status) == ("ring-8-wide", "gan", "ok")]
    assert {label: statistics.mean(r.scores[label].value for r in mine) for label in mine[0].scores} == scores.to_dict()


def test_a_keyboard_is_enough(site, visit):
    page = visit.open(site / "datasets" / "grid-25.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    button = page.locator("thead button", has_text="Variant")
    button.focus()
    page.keyboard.press("Enter")
    assert button.locator("xpath=..").get_attribute("aria-sort") == "ascending"
    assert button.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"


def test_no_page_scrolls_sideways_on_a_phone(site, browser):
    visit = Visit(browser, viewport={"width": 390, "height": 844}, color_scheme="dark")
    kinds = [
        "index.html",
        "across.html",
        "methodology.html",
        "datasets/digits.html",
        "datasets/grid-25.html",
        "variants/wgan-gp.html",
    ]
    for name in [*kinds, next((site / "runs").glob("*.html")).relative_to(site).as_posix()]:
        page = visit.open(site / name)
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    assert visit.trouble == []


def test_long_texts_make_no_page_scroll_sideways_on_a_phone(tmp_path, browser):
    long = "a" * 500
    words = {"suite": long, "command": long, "environment": {"device": long}, "dataset": long}
    publish([made_record(long, 0, {long: 1.0}, **words), made_record("b", 0, {long: 2.0}, **words)], Path("/nowhere"), tmp_path)
    visit = Visit(browser, viewport={"width": 390, "height": 844})
    for path in sorted(tmp_path.rglob("*.html")):
        page = visit.open(path)
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path.parent.name
    assert visit.trouble == []


def test_hostile_names_run_nothing(tmp_path, visit):
    family = made_record(EVIL).variant.model_copy(update={"family": EVIL})
    evil = [record.model_copy(update={"variant": family, "suite": EVIL}) for record in seeds(EVIL, [1.0, 2.0])]
    publish([*evil, *seeds("gan", [3.0, 4.0])], Path("/nowhere"), tmp_path)
    for path in sorted(tmp_path.rglob("*.html")):
        visit.open(path)
    page = visit.open(tmp_path / "datasets" / "mnist.html")
    page.get_by_label("Family").select_option(label=EVIL)
    assert page.locator("tbody.ranked th").all_inner_texts() == [EVIL]
    page.locator("thead button", has_text="Variant").click()
    visit.follow(page.locator("tbody.ranked th a"))
    assert page.locator("h1").inner_text() == EVIL


def test_a_long_table_has_pages_and_sorts_and_filters_as_a_whole(tmp_path, visit):
    publish([made_record(f"v{place:03d}", 0, {FD: float(place)}) for place in range(230)], Path("/nowhere"), tmp_path)
    page = visit.open(tmp_path / "datasets" / "mnist.html")
    rows = page.locator("tbody.ranked th")
    bar = page.get_by_role("navigation", name="Pages of")
    previous, following = (bar.get_by_role("button", name=name) for name in ("Previous", "Next"))

    def shows(first, last, count):
        assert bar.locator("span").inner_text() == f"Rows {first} to {last} of {count}"
        rows.nth(last - first).wait_for()  # a screen of rows stands there at once, the rest a moment later
        return rows.all_inner_texts()

    assert shows(1, 100, 230) == [f"v{place:03d}" for place in range(100)]
    assert previous.is_disabled()
    following.click()
    assert shows(101, 200, 230)[0] == "v100"
    following.press("Enter")
    assert shows(201, 230, 230) == [f"v{place:03d}" for place in range(200, 230)]
    assert following.is_disabled()
    assert previous.evaluate(
        "button => button === document.activeElement"
    )  # a disabled button would have lost the keyboard's place
    page.locator("thead button", has_text=FD).click()  # descending: the first page of all rows
    assert shows(1, 100, 230)[0] == "v229"
    following.click()
    previous.click()
    assert shows(1, 100, 230)[-1] == "v130"
    page.get_by_label("Name").fill("v1")
    rows.nth(99).wait_for()
    assert (rows.first.inner_text(), rows.count(), bar.is_visible()) == ("v199", 100, False)
    page.get_by_label("Name").fill("")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert rows.count() == 230
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert shows(1, 100, 230)[0] == "v229"


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext: apt-get install poppler-utils")
def test_a_table_on_paper_starts_below_its_title_and_has_its_heads_on_each_sheet(tmp_path, visit):
    publish([made_record(f"v{place:03d}", 0, {FD: float(place)}) for place in range(90)], Path("/nowhere"), tmp_path)
    visit.open(tmp_path / "datasets" / "mnist.html").pdf(path=tmp_path / "printed.pdf")
    text = subprocess.run(
        ["pdftotext", "-layout", tmp_path / "printed.pdf", "-"], capture_output=True, check=True, text=True
    ).stdout
    sheets = [sheet for sheet in text.split("\f") if re.search(r"\bv\d{3}\b", sheet)]
    assert len(sheets) > 1
    assert "Download:" in sheets[0]
    for sheet in sheets:
        head = sheet[: re.search(r"\bv\d{3}\b", sheet).start()]
        assert re.search(rf"#\s+Variant\s+Seeds\s+{FD}", head)


def test_a_name_that_is_a_number_sorts_among_names(tmp_path, visit):
    publish([made_record(name, 0, {FD: 1.0}) for name in ("20", "3-gan", "100-gan")], Path("/nowhere"), tmp_path)
    page = visit.open(tmp_path / "datasets" / "mnist.html")
    page.locator("thead button", has_text="Variant").click()
    assert page.locator("tbody.ranked th").all_inner_texts() == ["3-gan", "20", "100-gan"]


def test_speed_sorts_by_its_numbers_and_fits_a_phone(tmp_path, browser):
    times = [variant_times(f"a{place}", seconds=seconds) for place, seconds in enumerate([0.009, 0.1, 0.02])] + [metric_times()]
    publish([made_record("a1")], Path("/nowhere"), tmp_path, times=times)
    visit = Visit(browser, viewport={"width": 390, "height": 800})
    page = visit.open(tmp_path / "speed.html")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("thead button", has_text="ms/step").click()
    assert column(page, 3)[:3] == ["0.009", "0.02", "0.1"]
    visit.follow(page.get_by_role("link", name="a1"))
    page.locator("#speed").scroll_into_view_if_needed()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    visit.follow(page.get_by_role("link", name="All variants"))
    assert page.locator("h1").inner_text() == "Speed"
    assert visit.trouble == []
