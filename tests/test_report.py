"""The page: whole, safe, self-contained, and true to the records and the files that they name."""

import base64
import hashlib
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_records import FD, fixture_records, made_record, seeds
from page_reader import Page, page

from ganbench.errors import MissingDataError
from ganbench.leaderboard.report import report, write_report
from ganbench.record import Evaluation, Score

EVIL = "<script>alert(1)</script>"
# Whole and self-contained


def test_page_is_written_whole_into_the_folder(tmp_path):
    folder = tmp_path / "not" / "there yet"
    path = write_report(fixture_records(), folder)
    assert path == folder / "report.html"
    assert [p.name for p in folder.iterdir()] == ["report.html"]
    assert Page(path.read_text(encoding="utf-8")).tags[0] == ("html", {"lang": "en"})


def test_page_names_what_there_is(tmp_path):
    text = page(fixture_records(), tmp_path).text
    for part in ("mnist", "wgan-gp", "dcgan", "real (control)", "3 + 1 diverged", "Student-t interval", "The paper of dcgan"):
        assert part in text
    assert "2 variants on 1 data set: 6 runs (5 ok, 1 diverged)" in text
    assert "@software{ganbench," in text
    assert "year    = {2026}" in text


def test_page_loads_nothing_and_links_only_to_papers(tmp_path):
    for tag, attrs in page(fixture_records(), tmp_path).tags:
        assert not (attrs.keys() & {"srcset", "poster", "action", "formaction", "background", "style"})
        assert not any(name.startswith("on") for name in attrs)
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert attrs.get("src", "data:").startswith("data:")
        if tag == "a":
            assert attrs["href"].startswith(("#", "https://arxiv.org/abs/"))


def test_policy_allows_only_the_inline_style_and_script_that_are_there(tmp_path):
    found = page(fixture_records(), tmp_path)
    (policy,) = [attrs["content"] for tag, attrs in found.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for name in ("style", "script"):
        (content,) = found.inline[name]
        assert rules[f"{name}-src"] == f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
        assert "http" not in content
        assert "url(" not in content
    assert (rules["default-src"], rules["img-src"], rules["base-uri"]) == ("'none'", "data:", "'none'")


def test_page_is_deterministic(tmp_path):
    records = fixture_records()
    assert report(records, tmp_path) == report(records[::-1], tmp_path)


def test_internal_links_lead_somewhere(tmp_path):
    tags = page([*fixture_records(), made_record(dataset="ring")], tmp_path).tags
    anchors = {attrs["id"] for _, attrs in tags if "id" in attrs}
    targets = {attrs["href"][1:] for tag, attrs in tags if tag == "a" and attrs["href"].startswith("#")}
    assert targets <= anchors
    assert len(targets) == 3


def test_no_records_is_an_error(tmp_path):
    with pytest.raises(MissingDataError, match="no records"):
        write_report([], tmp_path)
    assert not list(tmp_path.iterdir())


# Escaping


def test_markup_in_any_text_of_a_record_is_shown_and_not_obeyed(tmp_path):
    record = made_record(
        EVIL, 0, {}, status="failed", message=f"message {EVIL}", command=f"command {EVIL}", environment={EVIL: EVIL},
        specification={EVIL: EVIL}, files={"samples": EVIL}, checkpoint_hash=EVIL, suite=EVIL, ganbench_version=EVIL, dataset=EVIL,
    )  # fmt: skip
    found = page([record, made_record(EVIL, 1, dataset=EVIL)], tmp_path)
    assert len(found.inline["script"]) == 1
    assert "alert" not in found.inline["script"][0]
    for part in ("message ", "command ", "There is no file ", "Environment: "):
        assert f"{part}{EVIL}" in found.text
    assert found.text.count(EVIL) >= 8


def test_lone_surrogate_does_not_stop_the_page(tmp_path):
    assert "bad" in page([made_record("gan", message="bad \ud800", status="failed")], tmp_path).text


# What else a reader needs


def test_runs_that_did_not_end_well_say_why(tmp_path):
    text = page([made_record("gan", 0), made_record("gan", 1, {}, status="diverged", message="loss was NaN")], tmp_path).text
    assert re.search(r"gan, seed 1: diverged after 123 steps\. loss was NaN", text)


def test_every_row_says_how_to_make_it_again(tmp_path):
    record = made_record("gan", 0, command="ganbench run made-up --seeds 1")
    text = page([record], tmp_path).text
    hashes = (record.checkpoint_hash, record.fingerprint[:12])
    for part in ("ganbench run made-up --seeds 1", *hashes, '"lr": 0.0002', "made-up device"):
        assert part in text


def test_method_box_states_protocol_and_interval(tmp_path):
    record = made_record("gan", scores={FD: 1.0})
    text = page([record], tmp_path).text
    for part in (record.protocol.key(FD), record.protocol.reference.hash, "lower is better", "t(0.975, n − 1)", "ddof 1"):
        assert part in text


def test_own_error_of_a_metric_is_named_apart(tmp_path):
    assert "0.000200 (std over 100 subsets, ddof 0)" in page(fixture_records(), tmp_path).text


def test_best_row_leads_the_overview(tmp_path):
    text = page([*seeds("a", [1.0, 1.0]), *seeds("b", [3.0])], tmp_path).text
    assert f"best {FD}: a, 1 ± 0" in text


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4), st.booleans())
def test_any_finite_values_make_a_page(tmp_path, values, control):
    evaluations = [Evaluation(step=step, scores={FD: Score(value=value, better="lower")}) for step, value in enumerate(values)]
    records = [r.model_copy(update={"evaluations": evaluations}) for r in seeds("a", values, control=control)]
    text = Page(report([*records, *seeds("b", [1.0])], tmp_path)).text
    assert not re.search(r"\b(nan|inf)\b", text)
