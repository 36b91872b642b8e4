"""Tables as text: what each format holds, that it parses back to the same numbers, and that no text of a record is obeyed."""

import csv
import io
import json
import re
import statistics
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import FD, fixture_records, made_record, seeds
from rich.console import Console

from ganbench.errors import UsageError
from ganbench.leaderboard.numbers import amount, clean, number, seconds, value_and_half
from ganbench.leaderboard.summary import summarise
from ganbench.leaderboard.table import render, show

FORMATS = ("md", "csv", "latex", "html", "json")
EVIL = "<script>alert(1)</script>"


class Reader(HTMLParser):
    """The texts of an HTML fragment, and every tag that opens."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def table_of(records, format):
    return render(summarise(records), format)


def parsed_csv(records):
    return pd.read_csv(io.StringIO(table_of(records, "csv")))


# Numbers


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (0.03123456, 0.00412, ("0.0312", "0.0041")),
        (12.3456, 0.0996, ("12.35", "0.10")),
        (123.4, 56.7, ("123", "57")),
        (1234.5, 6789.0, ("1234", "6800")),
        (0.3, 12.0, ("0", "12")),
        (-0.001, 0.5, ("0.00", "0.50")),
        (8.0, 0.0, ("8", "0")),
        (8.0, None, ("8", "")),
        (0.123456, None, ("0.1235", "")),
        (1.5e-5, 2.5e-6, ("1.50e-05", "0.25e-05")),
        (3.0e7, 4.1e6, ("3.00e+07", "0.41e+07")),
        (9.98e-6, 4.28e-6, ("1.00e-05", "0.43e-05")),
        (9.996e-5, 4.0e-6, ("0.0001000", "0.0000040")),
        (1.5, 1e-9, ("1.500000", "1.0e-09")),
        (None, None, ("", "")),
    ],
)
def test_value_has_the_digits_that_its_interval_warrants(value, half, text):
    assert value_and_half(value, half) == text


def test_numbers_seconds_and_amounts_are_short():
    assert [number(v) for v in (0.0, 8.0, 1 / 3, 1e-7, 123456.7, 2.5e8)] == ["0", "8", "0.3333", "1.000e-07", "123500", "2.500e+08"]
    assert [seconds(v) for v in (None, 0.02134, 4.2, 1234.4)] == ["", "0.0213", "4.20", "1,234"]
    assert [amount(v) for v in (None, 842, 12_345, 999_700, 1_250_000)] == ["", "842", "12.3 k", "1 M", "1.25 M"]


@given(st.floats(-1e300, 1e300), st.floats(0, 1e300))
def test_printed_value_is_rounded_to_less_than_its_interval_shows(value, half):
    shown, width = value_and_half(value, half)
    # Half a unit of the half-width's second digit is at most 0.053 of it; a value without a half-width in line has four digits.
    assert abs(float(shown) - value) <= (0.06 * half if half >= 1e-6 * abs(value) else 0.5001e-3 * abs(value))
    assert float(width) == pytest.approx(half, rel=0.051)


# Every format


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_names_rows_scores_and_seeds_that_diverged(format):
    text = table_of(fixture_records(), format)
    assert all(name in text for name in ("wgan-gp", "dcgan", "real", "fd-made-up-net", "kid", "mnist"))
    assert text.endswith("\n")
    if format in ("md", "latex", "html"):
        assert "3 + 1 diverged" in text


@pytest.mark.parametrize("format", ["md", "latex", "html"])
def test_caption_states_what_was_compared_and_what_the_interval_is(format):
    record = made_record()
    text = table_of([record], format)
    for part in ("1,000 generated samples", "10,000 of mnist:test", "made-up-net, version 1", record.protocol.key(FD)):
        assert part in text
    assert "Student-t interval of the mean over seeds" in text


def test_unknown_format_is_a_usage_error_that_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean json"):
        render([], "jsn")


@pytest.mark.parametrize("format", FORMATS)
def test_no_tables_render(format):
    assert isinstance(render([], format), str)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4))
def test_any_finite_values_render_in_every_format(values):
    tables = summarise([*seeds("a", values), *seeds("b", [1.0])])
    texts = {format: render(tables, format) for format in FORMATS}
    means = {line["row"]: float(line["mean"]) for line in csv.DictReader(io.StringIO(texts["csv"]))}
    assert means == {"a": statistics.mean(values), "b": 1.0}
    assert means == {row["row"]: row["scores"][0]["mean"] for row in json.loads(texts["json"])["tables"][0]["rows"]}
    assert not re.search(r"\b(nan|inf|NaN|Infinity)\b", "".join(texts.values()))


# CSV and JSON


def test_csv_parses_back_to_the_same_numbers():
    values = [0.1234567890123456, 2.0 / 3.0, 1e-9, 7.25]
    frame = parsed_csv([*seeds("a", values), made_record("a", 4, {}, status="diverged"), *seeds("b", [1.0])]).set_index("row")
    a = frame.loc["a"]
    assert a["mean"] == pytest.approx(np.mean(values), rel=1e-15)  # one rounding apart
    assert a["std"] == pytest.approx(np.std(values, ddof=1), rel=1e-14)
    assert (a["ci95_high"] - a["ci95_low"]) / 2 == pytest.approx(3.182446305 * np.std(values, ddof=1) / 2, rel=1e-9)  # t(0.975, 3)
    assert (a["n_scored"], a["n_ok"], a["n_diverged"], a["n_failed"]) == (4, 4, 1, 0)
    assert (a["better"], a["protocol_key"]) == ("lower", made_record().protocol.key(FD))
    assert frame["generator_parameters"].dtype == np.int64
    assert np.isnan(frame.loc["b", "std"])


def test_csv_has_a_line_for_each_row_and_score_and_marks_controls():
    frame = parsed_csv(fixture_records())
    assert list(zip(frame["row"], frame["score"], strict=True)) == [
        ("wgan-gp", FD), ("wgan-gp", "kid"), ("dcgan", FD), ("real", FD), ("real", "kid"),
    ]  # fmt: skip
    assert list(frame["control"]) == [False, False, False, True, True]
    assert frame["metric_error"].tolist()[-1] == 0.0002


def test_csv_keeps_a_row_that_has_no_score():
    frame = parsed_csv([made_record("a", 0, {}, status="diverged")])
    assert (frame.loc[0, "row"], frame.loc[0, "n_diverged"], frame.loc[0, "n_scored"]) == ("a", 1, 0)


def test_json_is_one_document_with_null_where_there_is_no_number():
    document = json.loads(table_of(fixture_records(), "json"), parse_constant=pytest.fail)
    (table,) = document["tables"]
    rows = {row["row"]: row for row in table["rows"]}
    assert rows["dcgan"]["scores"][0]["std"] is None
    assert rows["dcgan"]["scores"][1]["mean"] is None
    assert (rows["wgan-gp"]["n_ok"], rows["wgan-gp"]["n_diverged"], rows["real"]["rank"]) == (3, 1, None)
    assert table["protocol"]["reference"]["count"] == 10000
    protocol = made_record(scores={FD: 0.0, "kid": 0.0}).protocol
    assert [column["protocol_key"] for column in table["columns"]] == [protocol.key(FD), protocol.key("kid")]


# Text that must not be obeyed


@pytest.mark.parametrize("format", ["md", "html"])
def test_markup_in_names_is_shown_and_not_obeyed(format):
    text = table_of([made_record(EVIL, specification={EVIL: EVIL}), made_record(EVIL, specification={EVIL: 1})], format)
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_html_is_well_formed_and_shows_names_as_they_are():
    reader = Reader(table_of([*fixture_records(), made_record(EVIL), made_record("\"quoted\" & 'more'")], "html"))
    assert reader.open == []
    assert "script" not in reader.tags
    assert {EVIL, "\"quoted\" & 'more'", "real (control)"} <= set(reader.texts)


def test_latex_commands_in_names_are_shown_and_not_obeyed():
    text = table_of([made_record(r"\input{/etc/passwd} 50% & $x_1$ #~^ <script>")], "latex")
    assert r"\textbackslash{}input\{/etc/passwd\} 50\% \& \$x\_1\$ \#" in text
    assert r"\textasciitilde{}\textasciicircum{} \textless{}script\textgreater{}" in text
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


def test_latex_is_a_booktabs_table_with_as_many_fields_as_columns():
    text = table_of(fixture_records(), "latex")
    columns = len(re.search(r"\\begin{tabular}{([lr]+)}", text).group(1))
    body = text[text.index(r"\toprule") : text.index(r"\end{tabular}")]
    lines = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(lines) == 4
    assert all(line.count(" & ") == columns - 1 for line in lines)
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert r"\textbf{0.20 $\pm$ 0.25}" in text


def test_pipe_and_stars_in_names_stay_inside_their_markdown_field():
    lines = table_of([made_record("a|b *c* `d`")], "md").splitlines()
    (row,) = [line for line in lines if "c" in line and line.startswith("|") and r"a\|b" in line]
    assert r"a\|b \*c\* \`d\`" in row
    assert len(re.findall(r"(?<!\\)\|", row)) == len(re.findall(r"(?<!\\)\|", lines[2]))


def test_control_characters_and_lone_surrogates_cannot_reach_a_terminal_or_stop_a_file():
    assert clean("a\x1b[31mb\nc\u202ed\ud800e") == "a [31mb c d e"
    for format in FORMATS:
        text = table_of([made_record("a\x1b[31m\ud800")], format)
        assert "\x1b" not in text
        text.encode()


@pytest.mark.parametrize("format", FORMATS)
def test_a_table_says_what_its_rows_were_trained_in(format):
    in_bf16, in_full = ([made_record(name, specification=said) for name in "ab"] for said in ({"precision": "bf16"}, {}))
    assert ("Trained in bf16." in table_of(in_bf16, format)) == (format not in ("csv", "json"))
    assert "Trained in" not in table_of(in_full, format)
    both = table_of([*in_bf16, *in_full], format)  # then the names of rows say it
    assert all(f"a (precision {precision})" in both for precision in ("bf16", "float32"))
    assert "Trained in" not in both


# The terminal


def test_where_there_is_no_terminal_the_tables_are_markdown():
    console = Console(file=io.StringIO(), force_terminal=False)
    tables = summarise(fixture_records())
    show(tables, console)
    assert console.file.getvalue() == render(tables, "md")


def test_terminal_shows_the_table_and_takes_no_markup_from_names():
    console = Console(file=io.StringIO(), force_terminal=True, width=200, color_system=None)
    show(summarise([*fixture_records(), made_record("[red]name[/red]")]), console)
    text = console.file.getvalue()
    assert all(part in text for part in ("[red]name[/red]", "0.20 ± 0.25", "3 + 1 diverged", "real (control)", "fd-made-up-net ↓"))


@pytest.mark.parametrize("format", FORMATS)
def test_rendering_is_deterministic(format):
    assert table_of(fixture_records(), format) == table_of(fixture_records()[::-1], format)
