"""Time records: told from those of runs, kept apart by device, checked, and shown in tables and on the site."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from made_records import fixture_records, made_record
from made_times import CPU, GPU, metric_times, spread, variant_times
from page_reader import Page, Tables, assert_links_resolve, pages
from pydantic import ValidationError
from typer.testing import CliRunner

from ganbench.cli.app import app
from ganbench.errors import InvalidInputError, MissingDataError, UsageError
from ganbench.leaderboard.seed_charts import seed_charts
from ganbench.leaderboard.site.publish import publish
from ganbench.leaderboard.speed import lines, render_times, sheets
from ganbench.leaderboard.validate import validate
from ganbench.leaderboard.validate_times import time_faults
from ganbench.record import load_records, record_files
from ganbench.times import MetricTimes, Spread, VariantTimes, all_files, load_all, load_times, place_of

EVIL = "<img src=x onerror=alert(1)>"


# Records


def test_records_come_back_from_their_files_and_refuse_what_they_do_not_know(tmp_path: Path) -> None:
    for record in (variant_times(), metric_times()):
        path = tmp_path / place_of(record)
        record.save(path)
        assert load_times(path) == record
        raw = json.loads(path.read_text())
        for change, said in (
            ({"colour": "blue"}, "colour"),
            ({"time_schema": 99}, "newer than"),
            ({"time_schema": True}, "no time_schema number"),
            ({"kind": "other"}, "kind"),
        ):
            path.write_text(json.dumps(raw | change))
            with pytest.raises(InvalidInputError, match=said):
                load_times(path)
    with pytest.raises(ValidationError, match="finite"):
        Spread.model_validate({**spread(1.0).model_dump(), "median": math.nan})


def test_the_schema_of_records_is_what_their_models_say() -> None:
    for kind, model in (("variant", VariantTimes), ("metric", MetricTimes)):
        schema = model.model_json_schema()
        assert schema["additionalProperties"] is False
        assert schema["properties"]["kind"]["const"] == kind
        assert {"time_schema", "dataset", "specification", "environment"} <= set(schema["properties"])


def test_devices_seeds_and_ways_to_execute_have_files_of_their_own() -> None:
    records = [
        variant_times(),
        variant_times(seeds=4),
        variant_times(environment=GPU),
        variant_times(environment=GPU, how={"compile": True}),
        variant_times(environment=GPU, how={"compile": True, "precision": "tf32"}),
        variant_times(environment={**CPU, "threads": 1}),
        variant_times(environment={**CPU, "processor": "made-up/cpu"}),
        variant_times(dataset="ring"),
        variant_times("nsgan"),
        metric_times(),
        metric_times(environment=GPU),
    ]
    assert len({place_of(record) for record in records}) == len(records)
    for name in ("../../x", "a/b", "\ud800", "", "x" * 300):
        place = place_of(variant_times(name, dataset=name, environment={"processor": name}))
        assert len(place.parts) == 6
        assert not {"..", ".", ""} & set(place.parts)


def test_time_records_are_told_from_those_of_runs_wherever_they_lie(tmp_path: Path) -> None:
    run, time = made_record(), variant_times()
    run.save(tmp_path / "both/records/mnist/wgan-gp/seed-0.json")
    time.save(tmp_path / "both" / place_of(time))
    time.save(tmp_path / "alone" / place_of(time))
    (tmp_path / "alone/cache").mkdir()
    (tmp_path / "alone/cache/kept.json").write_text("{}")
    run.save(tmp_path / "flat/run.json")
    time.save(tmp_path / "flat/time.json")
    for folder, runs in (("both", 1), ("alone", 0), ("flat", 1)):
        found = all_files([tmp_path / folder])
        assert [len(files) for files in found] == [runs, 1]
        assert load_all([tmp_path / folder]) == ([run] * runs, [time])
        assert all_files([*found[0], *found[1]]) == found  # named one by one
    assert load_records([tmp_path / "flat", tmp_path / "both"]) == [run] * 2
    with pytest.raises(MissingDataError):
        record_files([tmp_path / "alone"])
    with pytest.raises(MissingDataError):
        all_files([tmp_path / "alone/cache/none"])


BROKEN = [
    ({"step": spread(-1.0)}, "-0.8 seconds, which nothing does"),
    ({"step": spread(0.01, rounds=0)}, "step has 0 rounds"),
    ({"step": spread(0.01).model_copy(update={"first_quartile": 0.02})}, "out of order"),
    ({"step": spread(0.01, rounds=1)}, "1 round and quartiles that differ"),
    ({"latency": spread(0.001).model_copy(update={"fastest": 0.0})}, "latency took 0 seconds"),
    ({"images_per_second": 1.0}, "images_per_second is 1, and 64 in 0.01 seconds make 6400"),
    ({"samples_per_second": 1.0}, "samples_per_second is 1"),
    ({"samples_per_second": None}, "and not both"),
    ({"seeds": 0, "images_per_second": 0.0}, "seeds is 0"),
    ({"seeds": 2, "images_per_second": 12800.0}, "specification has 1 seeds"),
    ({"diverged_seeds": 2}, "Of its 1 seeds 2 diverged"),
    ({"steps_per_round": 0}, "steps_per_round is 0"),
    ({"peak_memory_bytes": 0}, "peak_memory_bytes is 0"),
    ({"flops_per_sample": -1}, "flops_per_sample is -1"),
    ({"finished_at": "yesterday"}, "no time in UTC"),
    ({"environment": {}}, "names no device"),
    ({"variant": made_record(control=True).variant}, "which nothing trains"),
]


@pytest.mark.parametrize(("change", "said"), BROKEN, ids=[said for _, said in BROKEN])
def test_impossible_values_are_found(change: dict, said: str) -> None:
    assert list(time_faults(variant_times())) == []
    assert any(said in fault for fault in time_faults(variant_times().model_copy(update=change)))


def test_validate_reads_both_kinds_and_says_where_a_record_belongs(tmp_path: Path) -> None:
    good, metric = variant_times(), metric_times()
    for record in (good, metric):
        record.save(tmp_path / place_of(record))
    assert validate(all_files([tmp_path])[1]) == (2, [])
    slow = metric.model_copy(update={"compute": spread(0.0)})
    slow.save(tmp_path / place_of(metric))
    good.save(tmp_path / place_of(variant_times(environment=GPU)))
    done = CliRunner().invoke(app, ["validate", str(tmp_path), "--json"])
    assert done.exit_code == 4
    found = [each["problem"] for each in json.loads(done.stdout)["problems"]]
    assert len(found) == 2
    assert any("compute took 0 seconds" in problem for problem in found)
    assert any("It lies in" in problem and "move it there" in problem for problem in found)


def test_no_table_and_no_site_shows_what_no_timing_leaves(tmp_path: Path) -> None:
    made_record().save(tmp_path / "records/mnist/wgan-gp/seed-0.json")
    bad = variant_times(step=spread(-1.0))
    bad.save(tmp_path / place_of(bad))
    for arguments in (["table", str(tmp_path)], ["publish", str(tmp_path), "--out", str(tmp_path / "site")]):
        done = CliRunner().invoke(app, arguments)
        assert isinstance(done.exception, InvalidInputError)
        assert "wgan-gp on mnist is not valid. The fastest round of its step took -0.8 seconds" in str(done.exception)
        assert done.stdout == ""
    assert not (tmp_path / "site").exists()


# Tables


def rows_of(sheet) -> list[dict[str, str]]:
    return [{heading.text: entry.text for heading, entry in zip(sheet.headings, row, strict=True)} for row in sheet.ranked]


def test_ratios_are_to_one_seed_and_to_the_base_on_the_same_device() -> None:
    records = [
        variant_times("a", 1, 0.01),
        variant_times("a", 4, 0.022),
        variant_times("b", 4, 0.033),
        variant_times("b", 1, 0.002, environment=GPU),
        variant_times("b", 4, 0.005, environment=GPU),
        variant_times("b", 4, 0.001, environment=GPU, how={"compile": True}),
    ]
    cpu, gpu = sheets(records, "a")
    assert (cpu.heading, gpu.heading) == (
        "Training and sampling on made-up cpu, 2 threads",
        "Training and sampling on made-up gpu",
    )
    assert [(r["Variant"], r["ms/step"], r["× 1 seed"], r["× a"]) for r in rows_of(cpu)] == [
        ("a", "10", "1", "1"),
        ("a", "22", "2.20", "1"),
        ("b", "33", "–", "1.50"),
    ]
    # Nothing of the GPU is compared with the CPU's `a`, and what is compiled not with what is not.
    assert [r["× 1 seed"] for r in rows_of(gpu)] == ["1", "2.50", "–"]
    assert all("× a" not in r for r in rows_of(gpu))
    with pytest.raises(UsageError, match="did you mean b"):
        sheets(records[2:], "bb")


def test_a_generator_that_could_not_be_sampled_leaves_its_fields_empty() -> None:
    nothing = dict.fromkeys(("latency", "batch", "samples_per_second", "flops_per_sample"))
    record = variant_times(**nothing)
    assert list(time_faults(record)) == []
    (alone,) = sheets([record])
    assert "Latency ms" not in rows_of(alone)[0]
    (beside,) = sheets([record, variant_times("b")])
    assert [row["Latency ms"] for row in rows_of(beside)] == ["1", "–"]


@pytest.mark.parametrize("format", ["md", "latex", "html"])
def test_tables_show_both_kinds(format: str) -> None:
    text = render_times([variant_times(), metric_times()], format)
    for part in ("wgan-gp", "ms/step", "fd-made-up-net", "6.4 k", "64 k", "made-up cpu, 2 threads"):
        assert part in text


def test_csv_and_json_hold_every_number(tmp_path: Path) -> None:
    records = [variant_times("a"), variant_times("a", 4, 0.02), metric_times()]
    path = tmp_path / "times.csv"
    path.write_text(render_times(records, "csv", "a"))
    frame = pd.read_csv(path)
    known = json.loads(render_times(records, "json", "a"))["times"]
    assert known == lines(records, "a")
    assert list(frame["step_seconds_median"].dropna()) == [0.01, 0.02]
    assert list(frame["times_one_seed"].dropna()) == [1.0, 2.0]
    assert list(frame["compute_seconds_median"].dropna()) == [0.5]
    assert set(frame.columns) == set(known[0])


def test_the_table_command_shows_speed_beside_quality(tmp_path: Path) -> None:
    for record in fixture_records()[:2]:
        record.save(tmp_path / f"records/mnist/{record.variant.name}/seed-{record.seed}.json")
    variant_times().save(tmp_path / place_of(variant_times()))

    def table(*arguments: str):
        return CliRunner().invoke(app, ["table", *arguments])

    text = table(str(tmp_path)).stdout
    assert "fd-made-up-net" in text
    assert "Training and sampling on" in text
    found = json.loads(table(str(tmp_path), "--json").stdout)
    assert (len(found["tables"]), len(found["times"])) == (1, 1)
    assert "ms/step" in table(str(tmp_path / "times"), "-f", "md").stdout
    assert "whose columns differ" in str(table(str(tmp_path), "-f", "csv").exception)
    assert "--base x is of time records" in str(table(str(tmp_path / "records"), "--base", "x").exception)


# The site


def speed_site(out: Path, times: list, records: list | None = None) -> dict[str, Page]:
    publish(records or fixture_records(), Path("/nowhere"), out, times=times)
    return pages(out)


def test_a_site_has_a_page_of_speed_that_the_overview_and_the_variant_lead_to(tmp_path: Path) -> None:
    times = [
        variant_times(),
        variant_times(seeds=4, seconds=0.02),
        variant_times(environment=GPU),
        variant_times("unknown"),
        metric_times(),
    ]
    found = speed_site(tmp_path, times)
    assert_links_resolve(tmp_path, found)
    for page, href in (("index.html", "speed.html"), ("variants/wgan-gp.html", "../speed.html")):
        assert any(attrs.get("href") == href for _, attrs in found[page].tags)
    assert "../speed.html" not in str(found["variants/dcgan.html"].tags)
    assert any(attrs.get("href") == "variants/wgan-gp.html" for _, attrs in found["speed.html"].tags)
    assert sum(tag == "table" for tag, _ in found["speed.html"].tags) == 3  # both kinds on the CPU, and the GPU's
    assert sum(tag == "h2" for tag, _ in found["speed.html"].tags) == 3
    rows = Tables((tmp_path / "speed.html").read_text()).rows
    assert [row[3] for row in rows if row[0][0] == "wgan-gp"] == [("10", "0.01"), ("20", "0.02"), ("10", "0.01")]
    assert (tmp_path / "speed.csv").read_text() == render_times(times, "csv")
    policy = next(attrs["content"] for _, attrs in found["speed.html"].tags if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'")


def test_what_seeds_cost_is_drawn_in_times_of_one_seed() -> None:
    line = [variant_times("gan", seeds, seconds) for seeds, seconds in [(4, 0.02), (1, 0.01), (16, 0.04)]]
    elsewhere = [variant_times("gan", 64, 0.9, environment=GPU), variant_times("vae", 1), variant_times("vae", 4)]
    (chart,) = seed_charts(line + elsewhere)
    (gan,) = chart.lines  # two numbers of seeds make no line
    assert gan.name == "gan"
    # Logarithmic axes from 1 to 16 across and up: 4 seeds lie half way across; a cost of 2 a quarter of the way up.
    width, height = chart.width, chart.height
    assert gan.mean == f"M0 {height:g}L{width / 2:g} {0.75 * height:g}L{width:g} {height / 2:g}"
    assert gan.apart == (f"M0 {height:g}L{width:g} 0",)  # one by one, 16 seeds cost 16
    assert chart.x_ticks == ((0.0, "1"), (width, "16"))


def test_a_line_of_what_seeds_cost_is_of_one_precision() -> None:
    usual = [variant_times("gan", seeds, seconds) for seeds, seconds in [(1, 0.01), (4, 0.02), (16, 0.04)]]
    faster = [
        each.model_copy(update={"specification": each.specification | {"precision": "tf32"}})
        for each in (variant_times("gan", seeds, seconds) for seeds, seconds in [(1, 0.005), (4, 0.006), (16, 0.007)])
    ]
    ((alone,),) = (chart.lines for chart in seed_charts(usual))
    (chart,) = seed_charts(usual + faster)
    assert [line.name for line in chart.lines] == ["gan", "gan, tf32"]
    assert chart.lines[0].mean == alone.mean


def test_a_site_without_time_records_says_nothing_of_speed(tmp_path: Path) -> None:
    assert "speed.html" in speed_site(tmp_path, [variant_times()])
    found = speed_site(tmp_path, [])  # again into the same folder
    assert "speed.html" not in found
    assert not any("speed.html" in str(page.tags) for page in found.values())
    assert not (tmp_path / "speed.csv").exists()


def test_hostile_names_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    evil = variant_times(EVIL, dataset=EVIL, executed=EVIL, environment={"processor": EVIL, EVIL: EVIL})
    evil = evil.model_copy(update={"specification": {"suite": EVIL, "seeds": 1}})
    found = speed_site(tmp_path, [evil, metric_times(EVIL, extractor={"name": EVIL})], [made_record(EVIL, dataset=EVIL)])
    assert_links_resolve(tmp_path, found)
    for page in found.values():
        assert "".join(page.inline["script"]).strip() == ""
        assert all("alert" not in str(attrs.get("src")) and "onerror" not in attrs for _, attrs in page.tags)
    assert found["speed.html"].text.count(EVIL) >= 7
    for format in ("md", "html"):
        assert "<img" not in render_times([evil], format)


def test_publish_reads_both_kinds(tmp_path: Path) -> None:
    for record in fixture_records()[:2]:
        record.save(tmp_path / f"run/records/mnist/{record.variant.name}/seed-{record.seed}.json")
    variant_times().save(tmp_path / "time" / place_of(variant_times()))
    done = CliRunner().invoke(app, ["publish", str(tmp_path / "run"), str(tmp_path / "time"), "--out", str(tmp_path / "site")])
    assert "2 records and 1 time records" in done.stdout
    assert (tmp_path / "site/speed.html").is_file()
    alone = CliRunner().invoke(app, ["publish", str(tmp_path / "time"), "--out", str(tmp_path / "other")])
    assert "no records of runs to publish" in str(alone.exception)


def test_equal_time_records_count_once_and_others_of_the_same_timing_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        variant_times().save(tmp_path / f"times/{name}.json")
    assert load_all([tmp_path]) == ([], [variant_times()])
    variant_times(seconds=0.5).save(tmp_path / "times/c.json")
    with pytest.raises(InvalidInputError, match=r"a.json and .*c.json are of the same timing, with other numbers"):
        load_all([tmp_path])
