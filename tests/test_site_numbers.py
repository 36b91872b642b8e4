"""Numbers that a site's reader sees first: the best rows on the first page, and what each row costs."""

import statistics

from made_records import made_record, seeds
from page_reader import Page, Tables, site

from ganbench.leaderboard.section import overview
from ganbench.record import Timing


def test_costs_on_the_page_are_the_records(tmp_path):
    costs = [
        {"train_seconds": 40.0 + 8 * seed, "images_per_second": 1000.0 * (1 + seed), "sample_latency_seconds": 0.001 + 0.002 * seed,
         "samples_per_second": 5000.0 + seed, "flops_per_sample": 2_000_000 + seed, "peak_memory_bytes": 2**30 * (1 + seed)}
        for seed in range(3)
    ]  # fmt: skip
    records = [
        made_record("gan", seed, timing=Timing(stacked_seeds=2, finished_at="2026-01-31T12:00:00Z", **each), status=status)
        for seed, (each, status) in enumerate(zip(costs, ("ok", "ok", "diverged"), strict=True))
    ]
    found = site([*records, made_record("wgan")], tmp_path)["datasets/mnist.html"]
    heads = [tag for tag in found.tags if tag[0] == "th" and tag[1].get("scope") == "col"]
    rows = Tables((tmp_path / "datasets/mnist.html").read_text(encoding="utf-8")).rows
    names = [text for text, _ in rows[0]]
    (row,) = [row for row in rows if row[1][0] == "gan"]
    shown = {name: order for name, (_, order), (_, attrs) in zip(names, row, heads, strict=False) if "data-cost" in attrs}
    means = {name: statistics.mean(each[name] for each in costs[:2]) for name in costs[0]}
    assert shown.pop("Device") == "made-up device"
    assert shown.pop("Pareto") == ""
    assert {name: float(order) for name, order in shown.items()} == {
        "Train s/seed": means["train_seconds"] / 2, "Images/s": means["images_per_second"], "G parameters": 1_250_000,
        "Latency s": means["sample_latency_seconds"], "Samples/s": means["samples_per_second"],
        "FLOPs/sample": means["flops_per_sample"], "Peak memory": means["peak_memory_bytes"],
    }  # fmt: skip
    assert "a multiply-add as 2" in Page((tmp_path / "methodology.html").read_text(encoding="utf-8")).text


def test_the_overview_has_the_three_best_rows_of_each_data_set(tmp_path):
    scores = {
        "a": [1.0, 2.0, 3.0],
        "b": [1.5, 2.5, 3.5],
        "c": [2.0, 3.0, 4.0],
        "d": [2.5, 3.5, 4.5],
        "e": [90.0, 91.0, 92.0],
        "f": [95.0, 96.0, 97.0],
    }
    records = [record for name, values in scores.items() for record in seeds(name, values)]
    page = site([*records, made_record("real", control=True), made_record("a", 3, {}, status="failed", dataset="ring")], tmp_path)
    rows = Tables((tmp_path / "index.html").read_text(encoding="utf-8")).rows
    card = [[text for text, _ in row] for row in rows[1:4]]
    assert [row[1:] for row in card] == [["a", "2.0 ± 2.5"], ["b", "2.5 ± 2.5"], ["c", "3.0 ± 2.5"]]  # 4.303 / sqrt(3) = 2.48
    text = page["index.html"].text
    assert "1 more row is not told apart from the first." in text
    assert "6 variants · 3 seeds a row · 19 runs · made 2026-01-31" in text
    assert "No row has a score to rank by." in text


def test_a_variants_page_counts_the_rows_beside_it_and_those_without_a_rank(tmp_path):
    lost = made_record("lost", 0, {}, status="diverged")
    page = site([*seeds("a", [1.0, 2.0]), *seeds("b", [2.0, 3.0]), lost], tmp_path)
    assert "Among 3 rows of mnist, of which 1 has no score to rank by." in page["variants/a.html"].text


def test_thousands_of_runs_are_counted_in_one_way():
    assert "1,200 runs (1,200 ok)" in overview([made_record("a")] * 1200, 1)
