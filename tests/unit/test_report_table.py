import csv
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from denseflow.errors import DenseflowError
from denseflow.evaluate.measures import evaluate_experiment
from denseflow.manifest import read_manifest, write_manifest
from denseflow.report.gains import shortened
from denseflow.report.markdown import escape
from denseflow.report.near_twins_file import HEADER
from denseflow.report.rows import ALL, NO_NEAR_TWIN, over, read_rows, verdict
from denseflow.report.table import write_report
from denseflow.report.terminal import print_table, print_tables

QUERIES = 60
NASTY = "<script>alert('x|y')</script>\n& *bold* [link](http://x)"


class Setup:
    """A collection in which each query has one relevant document and a ranking is given by that document's rank."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dataset = folder / "dataset" / "tiny"
        self.dataset.mkdir(parents=True)
        documents = [{"_id": f"d{i}", "title": f"Title {i}", "text": f"Text {i}"} for i in range(QUERIES + 20)]
        documents[0] = {"_id": "d0", "title": "", "text": NASTY + " and so on" * 30}
        queries = [{"_id": f"q{i}", "text": NASTY if i == 0 else f"query number {i}"} for i in range(QUERIES)]
        self._jsonl("corpus.jsonl", documents)
        self._jsonl("queries.test.jsonl", queries)
        rows = "".join(f"q{i}\td{i}\t1\n" for i in range(QUERIES))
        (self.dataset / "qrels.test.tsv").write_text("query-id\tcorpus-id\tscore\n" + rows)
        write_manifest(self.dataset, "dataset", ["corpus.jsonl", "queries.test.jsonl", "qrels.test.tsv"])
        self.systems: list[dict] = []

    def _jsonl(self, name: str, rows: list[dict]) -> None:
        (self.dataset / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def add(self, name: str, ranks, variant: str = "seed0") -> "Setup":
        """A system that puts each query's relevant document at a rank from 1 on (one for all, or one a query)."""
        run = self.folder / f"{name}.{variant}.trec"
        with run.open("w") as file:
            for query, rank in enumerate(np.broadcast_to(ranks, QUERIES)):
                fillers = [f"d{QUERIES + place}" for place in range(15)]
                ranking = [*fillers[: rank - 1], f"d{query}", *fillers[rank - 1 :]]
                for place, document in enumerate(ranking, start=1):
                    file.write(f"q{query} Q0 {document} {place} {100 - place} t\n")
        qrels = self.dataset / "qrels.test.tsv"
        system = {"name": name, "variant": variant, "dataset": "tiny", "split": "test", "run": run, "qrels": qrels}
        self.systems.append(system)
        return self

    def report(self, measures=("RR", "P@5"), **options) -> Path:
        evaluate_experiment(self.systems, measures, self.folder / "evaluate")
        folder = self.folder / "experiments" / "demo"
        options = {"bootstrap_resamples": 500, "permutations": 1000, **options}
        evaluation = self.folder / "evaluate" / "manifest.json"
        datasets = {"tiny": self.dataset / "manifest.json"}
        twins = self.folder / "near_twins.manifest.json"
        write_report(
            evaluation,
            options,
            folder,
            datasets=datasets,
            systems=self.systems,
            near_twins=twins if twins.is_file() else None,
        )
        return folder

    def near_twins(self, *query_ids: str) -> "Setup":
        """Say that these queries have a near-twin in training."""
        lines = [f"tiny\ttest\t{id_}\ttrain\tt\t0.9\t1" for id_ in query_ids]
        lines.append("tiny\ttest\tq9\ttrain\tt\t0.9\t0")  # near in words, without a relevant document in common
        (self.folder / "near_twins.tsv").write_text("\n".join(["\t".join(HEADER), *lines, ""]))
        places = [{"dataset": "tiny", "split": "test"}]
        write_manifest(self.folder, "report", ["near_twins.tsv"], name="near_twins.manifest.json", places=places)
        return self


@pytest.fixture
def setup(tmp_path) -> Setup:
    return Setup(tmp_path).add("before", 3, "pretrained")


def rows_of(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (folder / "table.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return {(row["system"], row["measure"]): row for row in rows}


def gains_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "gains.tsv").open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_the_table_has_a_row_a_system_and_measure_in_long_form(setup):
    folder = setup.add("after", 1).report()
    assert " ".join((folder / "table.tsv").read_text().splitlines()[0].split("\t")) == (
        "dataset split subset system measure mean low high sd seeds seed_min seed_max difference diff_low diff_high "
        "p p_holm t_p t_p_holm effect detectable wins ties losses queries verdict"
    )
    rows = rows_of(folder)
    assert list(rows) == [("before", "RR"), ("after", "RR"), ("before", "P@5"), ("after", "P@5")]
    before, after = rows["before", "RR"], rows["after", "RR"]
    assert (before["mean"], before["verdict"], before["difference"], before["wins"]) == (
        "0.3333333333",
        "before",
        "",
        "",
    )
    assert (after["mean"], after["difference"], after["queries"]) == ("1", "0.6666666667", "60")
    assert (after["wins"], after["ties"], after["losses"]) == ("60", "0", "0")


def test_a_better_system_is_called_better_and_one_the_same_is_not(setup):
    rows = rows_of(setup.add("after", 1).report())
    assert rows["after", "RR"]["verdict"] == "better"
    assert rows["after", "P@5"]["verdict"] == "no difference shown"


def test_a_worse_system_is_called_worse_in_capitals_everywhere(setup, capsys):
    folder = setup.add("after", 8).report()
    assert rows_of(folder)["after", "RR"]["verdict"] == "WORSE"
    assert "after is **WORSE** than before on RR" in (folder / "table.md").read_text()
    print_table(folder)
    assert "after is WORSE than before on RR" in capsys.readouterr().out


def test_a_drop_that_may_be_chance_is_called_lower_but_not_significantly(setup):
    folder = setup.add("after", [4, *[3] * (QUERIES - 1)]).report()
    assert rows_of(folder)["after", "RR"]["verdict"] == "lower, but not significantly"
    assert "after is lower than before on RR, but not significantly" in (folder / "table.md").read_text()


@pytest.mark.parametrize(
    ("difference", "p", "word"),
    [
        (0.1, 0.04, "better"),
        (-0.1, 0.04, "WORSE"),
        (0.1, 0.05, "no difference shown"),
        (-0.1, 0.05, "lower, but not significantly"),
        (0.0, 1.0, "no difference shown"),
    ],
)
def test_the_word_follows_from_the_sign_and_the_corrected_p(difference, p, word):
    assert verdict(difference, p, 0.95) == word


def test_p_is_corrected_over_all_systems_and_measures_of_the_table(setup):
    rows = rows_of(setup.add("after", 1).add("other", 2).report())
    compared = [row for row in rows.values() if row["p"]]
    assert len(compared) == 4
    assert float(rows["after", "RR"]["p_holm"]) == pytest.approx(4 * float(rows["after", "RR"]["p"]), rel=1e-4)


def test_of_several_seeds_the_spread_is_shown_and_the_test_uses_each_querys_mean(setup):
    folder = setup.add("after", 1, "seed0").add("after", 2, "seed1").report()
    row = rows_of(folder)["after", "RR"]
    assert (row["seeds"], row["queries"], row["mean"]) == ("2", "60", "0.75")
    assert (row["seed_min"], row["seed_max"]) == ("0.5", "1")
    assert float(row["sd"]) == pytest.approx(np.std([1, 0.5], ddof=1), rel=1e-5)
    assert "0.7500 ± 0.3536" in (folder / "table.md").read_text()
    assert "± is the standard deviation of the means over the seeds (their least" in (folder / "table.md").read_text()


def test_the_caption_says_how_the_numbers_were_made(setup):
    text = (setup.add("after", 1).report(permutations=1234) / "table.md").read_text()
    for part in (
        "trec\\_eval -c",
        "test of tiny: 60",
        "500 resamples",
        "1,234 permutations",
        "Holm's method over all 2",
        "Cohen's d\\_z",
        "with probability 0.8 in one t-test at 0.05",
    ):
        assert part in text


def test_the_queries_without_a_near_twin_in_training_are_shown_apart_with_a_correction_of_their_own(setup):
    # All of the gain is in the 20 queries that have a near-twin.
    twins = range(20)
    setup.add("after", [1 if query in twins else 3 for query in range(QUERIES)])
    folder = setup.near_twins(*(f"q{query}" for query in twins)).report()
    rows = list(read_rows(folder / "table.tsv"))
    whole, rest = ([row for row in over(rows, subset) if row.system == "after"] for subset in (ALL, NO_NEAR_TWIN))
    assert [(row.measure, row.queries, row.verdict) for row in whole] == [
        ("RR", 60, "better"),
        ("P@5", 60, "no difference shown"),
    ]
    assert [(row.measure, row.queries, row.difference) for row in rest] == [("RR", 40, 0), ("P@5", 40, 0)]
    assert whole[0].p_holm == pytest.approx(2 * whole[0].p)
    text = (folder / "table.md").read_text()
    assert text.index("## tiny, test: 60 queries") < text.index("## tiny, test: 40 queries without a near-twin")
    assert "20 of the 60 queries of tiny test have a near-twin in training" in text
    assert text.count("- after is better") == 1


@pytest.mark.parametrize(
    ("twins", "said"), [((), "no query of tiny test has a near-twin"), (range(QUERIES), "every query of tiny test has")]
)
def test_that_none_or_all_queries_have_a_near_twin_is_said_in_words(setup, twins, said):
    folder = setup.add("after", 1).near_twins(*(f"q{query}" for query in twins)).report()
    assert {row.subset for row in read_rows(folder / "table.tsv")} == {ALL}
    assert said in (folder / "table.md").read_text()


def test_warnings_of_the_evaluation_are_in_the_report(setup):
    folder = setup.add("after", 1).report(measures=["R@100"])
    assert "R@100 looks deeper than the run's longest ranking" in (folder / "table.md").read_text()
    assert len(read_manifest(folder / "manifest.json")["warnings"]) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"confidence": 0.8},
        {"bootstrap_resamples": 600},
        {"permutations": 1500},
        {"power": 0.9},
        {"seed": 1},
        {"before": "after"},
        {"compare": []},
    ],
)
def test_each_option_of_the_table_changes_the_table(tmp_path, changed):
    ranks = np.random.default_rng(0).integers(1, 8, QUERIES)
    plain = Setup(tmp_path / "plain").add("before", 3).add("after", ranks).report()
    other = Setup(tmp_path / "other").add("before", 3).add("after", ranks).report(**changed)
    assert (plain / "table.tsv").read_text() != (other / "table.tsv").read_text()


def test_the_queries_that_changed_most_are_shown_with_texts_and_passages(setup):
    ranks = np.full(QUERIES, 3)
    ranks[:4] = [1, 2, 12, 5]
    setup.add("after", ranks)
    gains = gains_of(setup.report())
    assert [(gain["query_id"], gain["direction"]) for gain in gains] == [
        ("q0", "gained"),
        ("q1", "gained"),
        ("q2", "lost"),
        ("q3", "lost"),
    ]
    second, third = gains[1], gains[2]
    assert (second["text"], second["before"], second["after"]) == ("query number 1", "0.333333", "0.5")
    assert second["top_after"] == "Title 60 | ✓ Title 1 | Title 61"
    assert (third["relevant_before"], third["relevant_after"]) == ("1", "0")


def test_the_number_the_measure_and_the_systems_of_the_gains_can_be_chosen(setup):
    setup.add("after", [1, 2, 8, 9] * 15).add("other", [2, 8, 9, 1] * 15, "pretrained")
    assert len(gains_of(setup.report(gains=3))) == 6
    assert gains_of(setup.report(gains=0)) == []
    assert {gain["system"] for gain in gains_of(setup.report())} == {"after"}
    assert {gain["system"] for gain in gains_of(setup.report(after=["other"]))} == {"other"}
    assert {gain["measure"] for gain in gains_of(setup.report(measure_for_gains="P@5"))} == {"P@5"}


def test_a_document_without_a_title_is_shown_by_its_first_words(setup):
    setup.add("after", [1, *[3] * (QUERIES - 1)])
    (gain,) = gains_of(setup.report())
    first = gain["top_after"].split(" | ")[0]
    assert first.startswith("✓ <script>alert('x¦y')</script> & *bold*")
    assert first.endswith(" …")
    assert shortened("a  short\ntitle") == "a short title"


def test_markdown_tables_keep_their_columns_whatever_the_texts_hold(setup):
    setup.add("after", [1, *[3] * (QUERIES - 1)])
    folder = setup.report()
    for name in ("table.md", "gains.md"):
        for line in (folder / name).read_text().splitlines():
            assert "<script" not in line
            if line.startswith("|") and "verdict" not in line:
                cells = line.replace("\\|", "").count("|") - 1
                assert cells in (3, 7, 9)
    assert escape("a|b\n*c* <d> & `e`") == "a\\|b \\*c\\* &lt;d&gt; &amp; \\`e\\`"


def test_the_terminal_shows_the_table_again_from_its_file_in_80_columns(setup):
    folder = setup.add("after", 1).report()
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_table(folder, console)
    text = console.export_text()
    assert "demo: tiny, test: 60 queries" in text
    assert "+0.6667" in text
    assert "after is better than before on RR (+0.6667" in text


def test_measures_that_do_not_fit_beside_each_other_go_below_and_nothing_is_cut(setup):
    folder = setup.add("after", 1).report()
    console = Console(width=50, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    print_table(folder, console)
    text = console.export_text()
    assert text.count("demo: tiny, test: 60 queries") == 2
    assert "…" not in text


def test_missing_tables_are_passed_over_by_the_terminal(setup, tmp_path, capsys):
    folder = setup.report()
    print_tables([tmp_path / "nowhere" / "table.tsv", folder / "table.tsv"])
    assert "demo: tiny, test" in capsys.readouterr().out


def test_reading_the_table_gives_the_rows_that_were_written(setup):
    folder = setup.add("after", 1).report()
    before, after, *_ = read_rows(folder / "table.tsv")
    assert (before.compared, before.wins, after.compared, after.wins) == (False, None, True, 60)


def test_a_table_of_one_system_compares_nothing(setup):
    folder = setup.report()
    assert rows_of(folder)["before", "RR"]["difference"] == ""
    assert "Holm" not in (folder / "table.md").read_text()
    assert "No query changed" in (folder / "gains.md").read_text()


def test_the_same_report_is_the_same_to_the_byte(setup):
    setup.add("after", [1, 2, 8, 9] * 15)
    first = {file.name: file.read_bytes() for file in setup.report().iterdir()}
    assert {file.name: file.read_bytes() for file in setup.report().iterdir()} == first
    assert set(first) == {
        *(f"table.{kind}" for kind in ("tsv", "csv", "json", "tex", "md")),
        *("report.json", "gains.tsv", "gains.md", "manifest.json"),
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"before": "nobody"}, r"'before' names 'nobody', which is none of the systems \['before', 'after'\]"),
        ({"compare": ["nobody"]}, "'compare' names 'nobody'"),
        ({"after": ["nobody"]}, "'after' names 'nobody'"),
        ({"measure_for_gains": "AP"}, r"'measure_for_gains' is 'AP', which is none of the measures \['RR', 'P@5'\]"),
        ({"bootstraps": 3}, r"options \['bootstraps'\] are unknown"),
    ],
)
def test_options_that_name_nothing_are_refused(setup, options, message):
    with pytest.raises(DenseflowError, match=message):
        setup.add("after", 1).report(**options)


def test_a_system_that_lacks_queries_of_another_is_refused(setup):
    setup.add("after", 1).report()
    scores = setup.folder / "evaluate" / "scores.tsv"
    scores.write_text("".join(line for line in scores.open() if "after\tseed0\tRR\tq7\t" not in line))
    write_manifest(scores.parent, "evaluate", ["scores.tsv"])
    with pytest.raises(DenseflowError, match=r"scores\.tsv: after lacks values of RR"):
        write_report(
            scores.with_name("manifest.json"),
            {},
            setup.folder / "out",
            datasets={"tiny": setup.dataset / "manifest.json"},
            systems=setup.systems,
        )


def test_altered_scores_are_refused(setup):
    setup.report()
    (setup.folder / "evaluate" / "scores.tsv").write_text("")
    with pytest.raises(DenseflowError, match=r"scores\.tsv: sha256 .* differs"):
        write_report(
            setup.folder / "evaluate" / "manifest.json", {}, setup.folder / "out", datasets={}, systems=setup.systems
        )


def test_ids_that_look_like_numbers_or_missing_values_stay_as_they_are(tmp_path):
    (tmp_path / "qrels.test.tsv").write_text("query-id\tcorpus-id\tscore\n007\td\t1\nNA\td\t1\n1e5\td\t1\n")
    (tmp_path / "run.trec").write_text("".join(f"{query} Q0 d 1 1.0 t\n" for query in ("007", "NA", "1e5")))
    system = {"variant": "seed0", "dataset": "1", "split": "2", "run": tmp_path / "run.trec"}
    systems = [{**system, "name": name, "qrels": tmp_path / "qrels.test.tsv"} for name in ("0", "null")]
    evaluate_experiment(systems, ["AP"], tmp_path / "evaluate")
    options = {"before": "0", "gains": 0, "bootstrap_resamples": 100}
    evaluation = tmp_path / "evaluate" / "manifest.json"
    write_report(evaluation, options, tmp_path / "out", datasets={}, systems=systems)
    assert [(row.system, row.dataset, row.queries) for row in read_rows(tmp_path / "out" / "table.tsv")] == [
        ("0", "1", 3),
        ("null", "1", 3),
    ]
