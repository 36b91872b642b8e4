"""The pages of a site: whole, safe and self-contained, and true to the records."""

import re
import statistics
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import FD, fixture_records, made_record, seeds
from page_reader import Page, Tables, assert_links_resolve, site
from PIL import Image

from ganbench import registry
from ganbench.leaderboard.published import PublishedScore, PublishedTable
from ganbench.leaderboard.site.names import slug
from ganbench.leaderboard.site.publish import publish
from ganbench.leaderboard.summary import summarise
from ganbench.leaderboard.table import render
from ganbench.record import load_record

EVIL = "<img src=x onerror=alert(1)>"
HOSTILE = [
    EVIL, "../x", "..", ".", "", "a/b", "WGAN", "wgan", "Wgan", "a#b?c=%2e", "a" * 500, "con", "name.", "-x", "_x", "é", "\ud800",
    "</script>", slug("WGAN"),
]  # fmt: skip


# Whole, and loads nothing from elsewhere


def test_a_site_has_a_page_for_everything_and_every_link_leads_somewhere(tmp_path):
    found = site([*fixture_records(), *seeds("wgan-gp", [1.0, 2.0], dataset="ring")], tmp_path)
    names = {name.split("/")[0] if "/" in name else name for name in found}
    assert names == {"index.html", "across.html", "methodology.html", "datasets", "variants", "runs"}
    assert {name for name in found if name.startswith("variants")} == {f"variants/{v}.html" for v in ("dcgan", "real", "wgan-gp")}
    assert {name for name in found if name.startswith("datasets")} == {"datasets/mnist.html", "datasets/ring.html"}
    assert sum(name.startswith("runs/") for name in found) == len(fixture_records()) + 2
    assert_links_resolve(tmp_path, found)


def test_the_policy_is_strict_and_nothing_stands_inline(tmp_path):
    for page in site(fixture_records(), tmp_path).values():
        (policy,) = [attrs["content"] for _, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert "data:" not in policy
        assert page.inline["style"] == []
        assert "".join(page.inline["script"]).strip() == ""
        for tag, attrs in page.tags:
            assert not any(name.startswith("on") or name == "style" for name in attrs)
            assert tag not in ("iframe", "object", "embed", "base", "form", "style")
    for name in ("style.css", "site.js"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "http" not in text
        assert "url(" not in text
        assert "innerHTML" not in text


def test_pages_can_be_used_without_a_mouse_and_without_sight(tmp_path):
    for name, page in site(fixture_records(), tmp_path).items():
        tags = page.tags
        assert ("a", {"class": "skip", "href": "#content"}) in tags
        assert any(tag == "main" and attrs.get("id") == "content" for tag, attrs in tags)
        assert sum(tag == "h1" for tag, _ in tags) == 1, name
        assert sum(tag == "table" for tag, _ in tags) == sum(tag == "caption" for tag, _ in tags), name
        assert all(attrs.get("alt") for tag, attrs in tags if tag == "img")
        assert all(attrs.get("aria-label") for tag, attrs in tags if attrs.get("role") in ("img", "region", "group"))
        assert all("scope" in attrs for tag, attrs in tags if tag == "th")


def test_the_same_records_make_the_same_site(tmp_path):
    for out, records in ((tmp_path / "a", fixture_records()), (tmp_path / "b", fixture_records()[::-1])):
        publish(records, Path("/nowhere"), out)
    contents = [{p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()} for out in tmp_path.iterdir()]
    assert contents[0] == contents[1]


# Safe for any text of a record


def test_hostile_names_get_safe_files_each_its_own():
    names = [slug(name) for name in HOSTILE]
    assert len({name.lower() for name in names}) == len(HOSTILE)
    assert slug("wgan-gp") == "wgan-gp"


@given(st.text())
def test_any_text_makes_a_file_name(text):
    name = slug(text)
    assert name == slug(text)
    assert 1 <= len(name) <= 51
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    assert name[0].isalnum()
    assert ".." not in name
    assert not name.endswith(".")


def test_hostile_records_make_a_site_whose_links_hold(tmp_path):
    records = [made_record(name, seed, {FD: seed + 1.0}, dataset=name) for name in HOSTILE for seed in range(2)]
    found = site(records, tmp_path / "site")
    assert sum(name.startswith("variants/") for name in found) == len(HOSTILE)
    assert sum(name.startswith("datasets/") for name in found) == len(HOSTILE)
    assert_links_resolve(tmp_path / "site", found)
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_markup_in_any_text_of_a_record_is_shown_and_not_obeyed(tmp_path):
    record = made_record(
        EVIL, 0, {}, status="failed", message=f"message {EVIL}", command=f"command {EVIL}", environment={"device": EVIL},
        specification={"recipe": {EVIL: EVIL}}, files={"samples": EVIL}, checkpoint_hash=EVIL, suite=EVIL, ganbench_version=EVIL,
        dataset=EVIL,
    )  # fmt: skip
    evil = record.variant.model_copy(update={"family": EVIL, "paper": EVIL, "source_hash": EVIL})
    table = PublishedTable(
        source=EVIL, place=EVIL, dataset=EVIL, protocol=EVIL, scores=[PublishedScore(variant=EVIL, score=EVIL, value=1)]
    )
    records = [record.model_copy(update={"variant": evil}), made_record(EVIL, 1, {EVIL: 1.0}, dataset=EVIL)]
    found = site(records, tmp_path, published=[table])
    for page in found.values():
        assert "".join(page.inline["script"]).strip() == ""
        assert all("alert" not in str(attrs.get("src")) and "onerror" not in attrs for _, attrs in page.tags)
    for folder, count in (("datasets", 10), ("variants", 6), ("runs", 7)):
        assert sum(page.text.count(EVIL) for name, page in found.items() if name.startswith(folder)) >= count


# True to the records


def test_numbers_on_the_page_are_the_records(tmp_path):
    values = {"gan": [1.25, 2.5, 3.0], "wgan": [0.5, 0.75, 4.0]}
    records = [record for name, scores in values.items() for record in seeds(name, scores)]
    site(records, tmp_path)
    rows = Tables((tmp_path / "datasets/mnist.html").read_text(encoding="utf-8")).rows
    for name, scores in values.items():
        (row,) = [row for row in rows if any(text == name for text, _ in row)]
        assert float(row[3][1]) == statistics.mean(scores)
        assert row[2] == ("3", "3")
    for record in records:
        (run,) = (tmp_path / "runs").glob(f"*-{record.variant.name}-seed-{record.seed}-*.html")
        assert load_record(run.with_suffix(".json")) == record
        text = Page(run.read_text(encoding="utf-8")).text
        assert record.command in text
        assert record.checkpoint_hash in text


def test_downloads_are_the_tables_and_pandas_reads_them(tmp_path):
    records = fixture_records()
    site(records, tmp_path)
    tables = summarise(records)
    for form, suffix in (("csv", "csv"), ("json", "json"), ("latex", "tex")):
        for stem in ("board", "datasets/mnist"):
            assert (tmp_path / f"{stem}.{suffix}").read_text(encoding="utf-8") == render(tables, form)
    frame = pd.read_csv(tmp_path / "datasets/mnist.csv")
    scored = frame[(frame["row"] == "wgan-gp") & (frame["score"] == FD)].iloc[0]
    values = [r.scores[FD].value for r in records if r.variant.name == "wgan-gp" and r.status == "ok"]
    assert scored["mean"] == statistics.mean(values)
    assert scored["std"] == pytest.approx(statistics.stdev(values), rel=1e-15)
    assert (scored["n_ok"], scored["n_diverged"]) == (3, 1)
    assert frame[frame["row"] == "real"]["rank"].isna().all()


def test_one_seed_lost_seeds_and_controls_are_said(tmp_path):
    found = site(fixture_records(), tmp_path)
    text = found["datasets/mnist.html"].text
    for part in ("1 seed", "3 + 1 diverged", "real (control)", "diverged after 123 steps. a loss was not finite"):
        assert part in text
    rows = Tables((tmp_path / "datasets/mnist.html").read_text(encoding="utf-8")).rows
    (real,) = [row for row in rows if any(text == "real (control)" for text, _ in row)]
    assert real[0] == ("–", "")
    assert "shown for orientation, never ranked" in found["variants/real.html"].text
    (name,) = [name for name in found if name.startswith("runs/mnist-dcgan")]
    assert "1 seed: nothing is known of the spread" in found[name].text


def test_a_data_set_without_a_score_or_without_a_trained_row_has_its_page(tmp_path):
    lost = [made_record("gan", seed, {}, status="failed", dataset="ring") for seed in range(2)]
    found = site([*lost, made_record("real", control=True)], tmp_path)
    assert "no run has a score" in found["datasets/ring.html"].text
    assert "0 + 2 failed" in found["datasets/ring.html"].text
    assert "0 rows, 1 run." in found["datasets/mnist.html"].text
    assert_links_resolve(tmp_path, found)


def test_protocols_are_never_ranked_together(tmp_path):
    records = [*seeds("a", [1.0, 2.0]), *seeds("b", [3.0, 4.0], count=500)]
    found = site(records, tmp_path)["datasets/mnist.html"]
    assert sum(attrs.get("class") == "ranking" for _, attrs in found.tags) == 2
    rows = Tables((tmp_path / "datasets/mnist.html").read_text(encoding="utf-8")).rows
    assert [row[0][0] for row in rows if len(row) > 3 and row[1][0] in ("a", "b")] == ["1", "1"]


def test_ranges_of_ranks_and_rows_like_the_best_are_marked(tmp_path):
    records = [*seeds("a", [1.0, 1.1, 1.2]), *seeds("b", [1.05, 1.15, 1.2]), *seeds("c", [9.0, 9.01, 9.02])]
    site(records, tmp_path)
    rows = Tables((tmp_path / "datasets/mnist.html").read_text(encoding="utf-8")).rows
    assert [row[0][0] for row in rows if len(row) > 3][1:4] == ["1 (1–2)≈", "2 (1–2)≈", "3"]


def published(suites):
    score = PublishedScore(variant="GAN", score="modes", value=6.3, error=0.5, error_kind="standard error")
    return PublishedTable(
        source="A paper", place="Table 1", dataset="ring", protocol="10 trials",
        suites=suites, ours={"GAN": "nsgan"}, scores=[score],
    )  # fmt: skip


def test_published_rows_stand_apart_and_ours_beside_where_it_aims_at_them(tmp_path):
    ours = [
        made_record("nsgan", seed, {"modes": value}, dataset="ring", suite="aims") for seed, value in enumerate([4.0, 5.0, 6.0])
    ]
    found = site([*ours, made_record("gan")], tmp_path / "aims", published=[published(["aims"])])
    text = found["datasets/ring.html"].text
    assert "6.3 ± 0.5" in text
    assert "-1.7" in text  # (5 - 6.3) / sqrt(1/3 + 1/4), by hand -1.702
    assert "A paper" not in found["datasets/mnist.html"].text
    ranked = [row for row in Tables((tmp_path / "aims/datasets/ring.html").read_text(encoding="utf-8")).rows if row[0][0] == "1"]
    assert [row[1][0] for row in ranked] == ["nsgan"]
    other = site(ours, tmp_path / "other", published=[published(["another"])])["datasets/ring.html"].text
    assert "6.3 ± 0.5" in other
    assert "Ours beside them" not in other


def test_citations_are_whole_bibtex(tmp_path):
    site(fixture_records(), tmp_path)
    text = (tmp_path / "datasets/mnist.bib").read_text(encoding="utf-8")
    assert text.count("@misc{") == 3  # the table and two papers
    assert "eprint        = {1234.56789}" in text
    assert text.count("{") == text.count("}")


def test_methodology_defines_every_metric_and_every_protocol_of_the_board(tmp_path):
    record = made_record("gan")
    text = " ".join(site([record], tmp_path)["methodology.html"].text.split())
    for name, entry in registry.entries("metrics").items():
        assert name in text
        assert " ".join(entry.doc.split("\n\n")[0].split()).replace("`", "") in text
    assert record.protocol.key(FD) in text


# Files beside records


def test_pictures_of_several_folders_are_found_and_missing_ones_leave_no_broken_link(tmp_path):
    records, folders = [], {}
    for shade, name in enumerate(("one", "two", "three")):
        record = made_record(name, files={"samples": "samples/final.png"})
        records.append(record)
        folders[record.fingerprint] = tmp_path / name
        if name != "three":
            path = tmp_path / name / "samples/final.png"
            path.parent.mkdir(parents=True)
            Image.new("L", (8, 8), 100 * shade).save(path)
    found = site(records, tmp_path / "site", folders)
    assert_links_resolve(tmp_path / "site", found)
    shown = {attrs["alt"]: attrs["src"] for tag, attrs in found["datasets/mnist.html"].tags if tag == "img"}
    assert sorted(shown) == ["Samples of one", "Samples of two"]
    for shade, name in enumerate(("one", "two")):
        with Image.open(tmp_path / "site/datasets" / shown[f"Samples of {name}"]) as picture:
            assert picture.getpixel((0, 0)) == 100 * shade
    assert not any(tag == "img" for tag, _ in found["variants/three.html"].tags)
    assert not any("There is no file" in page.text for page in found.values())


def test_no_text_of_a_record_turns_the_direction_of_a_page_and_no_link_is_empty(tmp_path):
    evil = "\u202egnp.\x1bexe"
    places = {"suite": evil, "command": f"ganbench {evil}", "dataset": evil, "environment": {"device": evil}}
    publish([*(made_record(evil, seed, **places) for seed in range(2)), made_record("", dataset=evil)], Path("/nowhere"), tmp_path)
    for path in tmp_path.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search("[\u202e\x1b]", text), path.name
        assert not re.search(r"<(a|h[1-4])\b[^>]*>\s*</\1>", text), path.name
    assert "gnp. exe" in (tmp_path / "index.html").read_text(encoding="utf-8")
