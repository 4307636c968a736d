"""What stands on an experiment's page, part by part."""

import json
from dataclasses import replace

import pytest
from page_results import DEPTH, QUERIES, PageResults

from denseflow.files import write_json
from denseflow.report.page import charts, forms, queries
from denseflow.report.page.costs import find_costs
from denseflow.report.page.queries import TOP, query_data
from denseflow.report.page.steps import ancestors, direct_links, layers, read_steps
from denseflow.report.page.training import MOST_POINTS, read_curves, read_kept
from denseflow.report.page.usage import CPU_WATTS, GPU_WATTS, MEMORY_WATTS, Benchmarks, Usage
from denseflow.report.page.write import write_page
from denseflow.report.rows import read_rows
from denseflow.run_file import RunFile
from denseflow.search.speed import write_speed


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> PageResults:
    return PageResults(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def steps(made):
    return read_steps([*made.manifests, made.sources.report], made.results)


def step(steps, name):
    return next(one for one in steps if one.name == name)


def queries_of(made, **more):
    report = json.loads(made.sources.report.with_name("report.json").read_text())
    return query_data(report, made.systems, made.sources.datasets, **more)


def test_queries_come_with_those_that_changed_most_first_and_their_means_over_the_seeds(made):
    (place,) = queries_of(made)["places"]
    values = place["values"]["RR"]
    changes = [abs(after - before) for before, after in zip(values["before"], values["after"], strict=True)]
    assert changes == sorted(changes, reverse=True)
    assert len(changes) == QUERIES == place["total"]
    at = next(number for number, (id_, _) in enumerate(place["queries"]) if id_ == "q1")
    assert (values["before"][at], values["after"][at]) == (0.25, round(1 / 9, 4))
    assert [place["queries"][at][0] for at in place["near_twins"]] != []
    assert len(place["near_twins"]) == 8


def test_a_query_has_its_relevant_passages_with_their_ranks_and_the_first_ten_of_each_system(made):
    found = queries_of(made)
    (place,) = found["places"]
    at = next(number for number, (id_, _) in enumerate(place["queries"]) if id_ == "q1")
    detail = place["details"][at]
    ((passage, level, ranks),) = detail["relevant"]
    assert (found["passages"][passage][0], level, ranks) == ("d1", 2, [2, 4, 9])
    assert {name: len(of) for name, of in detail["rankings"].items()} == {"bm25": TOP, "before": TOP, "after": TOP}
    assert detail["rankings"]["before"][3] == [passage, 2]
    assert [level for _, level in detail["rankings"]["before"]].count(0) == TOP - 1


def test_of_the_runs_of_several_seeds_only_the_one_that_is_shown_is_opened(made, monkeypatch):
    opened = []
    monkeypatch.setattr(queries, "RunFile", lambda path: opened.append(path) or RunFile(path))
    queries_of(made)
    assert len(made.systems) > 3
    assert [path.parent.name for path in opened if "tuned" in str(path)] == ["seed0"]
    assert len(opened) == 3


def test_texts_stand_once_are_cut_and_stop_where_the_page_would_become_too_large(made):
    whole = queries_of(made)
    assert len({row[0] for row in whole["passages"]}) == len(whole["passages"])
    assert max(len(row[2]) for row in whole["passages"]) <= 282
    less = queries_of(made, max_bytes=6_000)
    details = less["places"][0]["details"]
    assert None in details
    assert details[0] is not None
    assert sum(len("".join(row).encode()) for row in less["passages"]) <= 6_000


def test_a_step_comes_after_those_it_was_made_from(steps):
    assert all(parent < one.number for one in steps for parent in one.parents)
    made_from = {steps[number].name for number in ancestors(steps, step(steps, "tiny · tuned · seed0 · corpus").number)}
    assert made_from >= {"tiny", "base · pretrained", "tiny.train · mined", "tuned · seed0"}
    assert "tuned · seed1" not in made_from
    assert all(one.state == "whole" for one in steps)


def test_a_run_of_bm25_is_made_from_its_index_whose_files_it_does_not_name(steps):
    index = step(steps, "tiny · index-en")
    assert index.number in step(steps, f"tiny · en_0.9_0.4 · test.top{DEPTH}").parents


def test_scores_of_kept_models_say_training_split_and_what_was_searched(tmp_path):
    text = "step\tmodel\tnDCG@10\n500\tkept/step-500/model\t0.25\n1000\tmodel\t0.5\n"
    tables = [tmp_path / f"tuned/seed1/checkpoints{part}.my.docs.dev.tsv" for part in ("", "-of300")]
    for table in tables:
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text(text)
    whole, part = read_kept(tables)
    assert (whole.training, whole.place) == ("tuned, seed1", "my.docs, dev")
    assert part.place == "my.docs, dev (the judged passages and 300 others)"
    assert whole.columns == [("step", "number"), ("nDCG@10", "number")]
    assert whole.rows == [(500, "kept/step-500/model", [0.25]), (1000, "model", [0.5])]


def test_links_that_follow_from_others_are_left_out(steps):
    links = direct_links(steps)
    assert (step(steps, "tiny").number, step(steps, "tiny · tuned · seed0 · corpus").number) not in links
    assert (step(steps, "tuned · seed0").number, step(steps, "tiny · tuned · seed0 · corpus").number) in links
    rows = layers(steps)
    depth = {one.number: place for place, row in enumerate(rows) for one in row}
    assert all(depth[above] < depth[below] for above, below in links)
    assert [one.name for one in rows[-1]] == ["demo"]


def test_a_step_says_whether_its_files_were_altered_or_are_missing(tmp_path):
    made = PageResults(tmp_path)
    (made.results / "train/tuned/seed0/weights").write_text("longer than it was")
    (made.results / "encode/tiny/tuned/seed1/corpus.manifest.json").unlink()
    states = {one.name: one.state for one in read_steps(made.manifests, made.results)}
    assert states["tuned · seed0"] == "altered since"
    assert states["tiny · tuned · seed1 · corpus"] == "missing"
    assert states["tuned · seed1"] == "whole"


def test_what_a_step_took_is_found_by_its_manifest_and_shares_add_up(tmp_path):
    rows = "s\tmax_rss\tcpu_time\n{}\t{}\t{}\n"
    files = {
        "encode/a.b.pretrained.corpus": rows.format(10, 100, 15),
        "encode/a.b.pretrained.corpus.0-of-2": rows.format(30, 300, 55),
        "encode/a.b.pretrained.corpus.1-of-2": rows.format(20, 200, 35),
        "encode/a.b.pretrained.corpus-other": rows.format(1000, 1, 1),
        "search/a.b.pretrained.d128/test.top10": rows.format(7, 50, 1),
        "report/tiny": rows.format(5, "NA", "-"),
    }
    for name, text in files.items():
        file = tmp_path / "benchmarks" / f"{name}.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    found = Benchmarks(tmp_path)
    assert found.of(tmp_path / "encode/a/b/pretrained/corpus.manifest.json") == Usage(60, 105, 300)
    assert found.of(tmp_path / "search/a/b/pretrained/d128/test.top10.manifest.json") == Usage(7, 1, 50)
    assert found.of(tmp_path / "experiments/tiny/manifest.json") == Usage(5, 0, 0)
    assert found.of(tmp_path / "evaluate/tiny/manifest.json") is None


def test_machines_are_told_step_by_step_and_the_one_of_most_steps_comes_first(tmp_path):
    made = PageResults(tmp_path)
    one, other = ({"processor": name, "memory": "8 GiB"} for name in ("One", "Other"))
    for name, facts in (
        ("dataset/tiny", one),
        ("train/tuned.seed0", other),
        ("train/tuned.seed1", one),
        ("encode/tiny.tuned.seed0.corpus.0-of-2", one),
        ("encode/tiny.tuned.seed0.corpus.1-of-2", other),
    ):
        write_json(made.results / "logs" / f"{name}.machine.json", facts)
    found = {one.name: one for one in read_steps(made.manifests, made.results)}
    assert found["tuned · seed0"].machines == [other]
    assert sorted(facts["processor"] for facts in found["tiny · tuned · seed0 · corpus"].machines) == ["One", "Other"]
    assert found["tuned · seed1"].machines == [one]
    assert found["base · pretrained"].machines == []
    write_page(made.sources, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert page.index('<td class="text">One</td>') < page.index('<td class="text">Other</td>')


def test_energy_is_estimated_by_the_formula_that_the_page_prints():
    usage = Usage(seconds=3600, cpu_seconds=7200, memory_mb=2000)
    without = 2 * CPU_WATTS + 2 * MEMORY_WATTS
    assert usage.watt_hours(gpu=False) == pytest.approx(without)
    assert usage.watt_hours(gpu=True) == pytest.approx(without + GPU_WATTS)


def test_costs_are_what_a_system_takes_to_make_to_keep_and_a_query(made, steps):
    costs = {cost.system: cost for cost in find_costs(steps, made.systems)}
    assert costs["bm25"].make_seconds == 1 + 2  # the dataset, the index
    assert costs["bm25"].bytes == 10
    assert costs["bm25"].query_ms == pytest.approx(1000 * 4 / QUERIES)
    assert costs["before"].make_seconds == 1 + 3 + 10
    assert costs["before"].bytes == 60 * 8 * 2
    assert costs["before"].query_ms == pytest.approx(1000 * (10 + 6) / QUERIES)
    assert costs["after"].make_seconds == 1 + 3 + 5 + (100 + 120) / 2 + 10
    assert all(cost.with_start for cost in costs.values())


def test_a_measured_search_is_told_without_the_steps_start(tmp_path):
    made = PageResults(tmp_path)
    write_speed(made.results / f"bm25/tiny/en_0.9_0.4/test.top{DEPTH}.trec", QUERIES, 0.4)
    bm25 = find_costs(read_steps(made.manifests, made.results), made.systems)[0]
    assert (bm25.query_ms, bm25.with_start) == (pytest.approx(10), False)


def test_curves_come_with_dev_first_and_long_ones_are_thinned_to_their_last_point(steps):
    curves = read_curves(steps)
    assert list(curves) == ["dev/RR", "loss", "learning_rate"]
    assert [curve.series for curve in curves["loss"]] == ["tuned · seed0", "tuned · seed1"]
    points = curves["loss"][0].points
    assert len(points) <= MOST_POINTS + 1
    assert (points[0][0], points[-1][0]) == (1, 400)


def test_the_similarities_of_a_training_share_a_chart_behind_the_loss(steps, tmp_path):
    curves = tmp_path / "curves.tsv"
    names = ("loss", "positive_similarity", "mixed_similarity", "passage_cosine")
    lines = [f"{step}\t0.5\t{name}\t0.5\n" for step in (1, 2) for name in names]
    curves.write_text("step\tepoch\tname\tvalue\n" + "".join(lines))
    (training, *_) = (step for step in steps if step.stage == "train" and "curves.tsv" in step.facts["files"])
    found = read_curves([replace(training, manifest=tmp_path / "manifest.json")])
    assert list(found) == ["loss", f"similarities of {training.name}", "passage_cosine"]
    assert [curve.series for curve in found[f"similarities of {training.name}"]] == ["positive", "mixed"]


def test_ranges_of_ranks_stand_in_their_order_whatever_the_order_of_the_keys():
    spec = charts.ranks_chart({"1-5": 3, "11-15": 1, "6-10": 2})
    (data,) = spec["datasets"].values()
    assert [row["ranks"] for row in data] == ["1-5", "6-10", "11-15"]


def test_bars_have_the_means_and_intervals_of_the_table(made):
    rows = list(read_rows(made.sources.report.with_name("table.tsv")))
    (data,) = charts.means_chart(rows, "RR")["datasets"].values()
    expected = [(row.system, row.mean, row.low, row.high) for row in rows if row.measure == "RR"]
    assert [(row["system"], row["mean"], row["low"], row["high"]) for row in data] == expected


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, "\N{EN DASH}"), (0.44, "0.4 s"), (59.6, "1 min 00 s"), (11_100, "3 h 05 min")]
)
def test_times_are_short(seconds, said):
    assert forms.duration(seconds) == said


def test_sizes_and_energy_are_short():
    assert [forms.size(count) for count in (512, 5_600_000, 120e9)] == ["512 B", "5.6 MB", "120 GB"]
    assert [forms.energy(wh) for wh in (0.0001, 0.83, 1234)] == ["< 0.001 Wh", "0.83 Wh", "1.23 kWh"]
