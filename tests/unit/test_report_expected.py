import pytest

from denseflow.config.expected import SIMILARITY_MEASURES
from denseflow.config.experiment import Experiment
from denseflow.config.load import check
from denseflow.errors import DenseflowError
from denseflow.manifest import write_manifest
from denseflow.report.correlations import MEASURES
from denseflow.report.expected import check_expected
from denseflow.report.exports import as_tsv, table_frame
from denseflow.report.rows import ALL, NO_NEAR_TWIN, Row
from denseflow.report.similarity import MINING

SCORE = {"dataset": "docs", "split": "test", "system": "after", "measure": "RR@10", "value": 0.7, "tolerance": 0.01}


@pytest.fixture
def report(tmp_path):
    def row(subset, mean):
        return Row("docs", "test", subset, "after", "RR@10", mean, 0.0, 1.0, float("nan"), 1, queries=9)

    (tmp_path / "table.tsv").write_text(as_tsv(table_frame([row(ALL, 0.7051), row(NO_NEAR_TWIN, 0.1)])))
    write_manifest(tmp_path, "report", ["table.tsv"])
    return tmp_path / "manifest.json"


def test_scores_within_their_tolerance_pass_and_are_written_down(report):
    check_expected([report], [SCORE], report.with_name("expected.tsv"))
    header, line = report.with_name("expected.tsv").read_text().splitlines()
    assert header == "dataset\tsplit\tsystem\tmeasure\texpected\ttolerance\tfound\tdifference"
    assert line == "docs\ttest\tafter\tRR@10\t0.7\t0.01\t0.705100\t+0.005100"


def test_all_scores_that_are_off_are_listed_with_what_was_expected_and_found(report):
    off = [{**SCORE, "tolerance": 0.005}, SCORE, {**SCORE, "value": 0.8}]
    with pytest.raises(DenseflowError, match=r"2 of 3 scores are not as the experiment's `expected` says") as error:
        check_expected([report], off, report.with_name("expected.tsv"))
    assert "after, RR@10 on docs test: expected 0.7 ± 0.005, found 0.7051 (difference +0.0051)" in str(error.value)
    assert "expected 0.8 ± 0.01, found 0.7051 (difference -0.0949)" in str(error.value)
    assert not report.with_name("expected.tsv").exists()


def test_another_spelling_of_a_measure_and_the_edge_of_a_tolerance_pass(report):
    check_expected([report], [{**SCORE, "measure": "MRR@10", "tolerance": 0.0051}], report.with_name("expected.tsv"))


def test_a_score_without_a_row_is_named(report):
    with pytest.raises(DenseflowError, match="no row for docs test before RR@10"):
        check_expected([report], [{**SCORE, "system": "before"}], report.with_name("expected.tsv"))


@pytest.fixture
def of_sentences(report):
    def row(system, mean):
        nan = float("nan")
        return Row("sts", "pairs", ALL, system, "Spearman", mean, nan, nan, nan, 1, queries=9)

    report.with_name("similarity.tsv").write_text(as_tsv(table_frame([row("after", 0.8021)])))
    write_manifest(report.parent, "report", ["similarity.tsv"], name="similarity.manifest.json")
    return report.with_name("similarity.manifest.json")


def test_scores_on_sentences_are_found_in_their_own_table(report, of_sentences):
    similar = {"similarity": "sts", "system": "after", "measure": "Spearman", "value": 0.802, "tolerance": 0.0005}
    check_expected([report, of_sentences], [SCORE, similar], report.with_name("expected.tsv"))
    assert report.with_name("expected.tsv").read_text().splitlines()[2] == (
        "sts\t\tafter\tSpearman\t0.802\t0.0005\t0.802100\t+0.000100"
    )
    with pytest.raises(DenseflowError, match=r"after, Spearman on sts: expected 0\.7 ± 0\.0005, found 0\.8021"):
        check_expected([of_sentences], [{**similar, "value": 0.7}], report.with_name("expected.tsv"))
    with pytest.raises(DenseflowError, match="no row for sts before Spearman, whose score is expected"):
        check_expected([report, of_sentences], [{**similar, "system": "before"}], report.with_name("expected.tsv"))


def test_the_measures_of_sentences_are_those_of_their_table():
    assert {"sts": MEASURES, "paraphrases": tuple(MINING)} == SIMILARITY_MEASURES


def experiment(**more):
    value = {
        "evaluate_on": [{"dataset": "docs"}, {"dataset": "docs", "split": "dev"}],
        "systems": {"before": {"model": "tiny"}},
        "measures": ["RR@10"],
        **more,
    }
    return check(Experiment, value, "demo.yaml")


def expected(**more):
    return {"expected": [{"system": "before", "measure": "MRR@10", "value": 0.5, "tolerance": 0.1, **more}]}


SETS = {"similarity": {"sts": {"type": "sts", "path": "pairs.csv"}}}


def with_set(**more):
    return {**SETS, "systems": {"before": {"model": "tiny"}, "bm25": {"bm25": {}}}, **expected(**more)}


def test_expected_scores_are_of_the_first_place_where_none_is_named():
    from denseflow.config.expected import expected_place

    assert expected_place(experiment(**expected()), 0) == ("docs", "test")
    assert expected_place(experiment(**expected(split="dev")), 0) == ("docs", "dev")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (expected(system="after"), r"`expected\[0\]`: system 'after' is none of the systems \['before'\]"),
        (expected(measure="AP"), r"`expected\[0\]`: measure 'AP' is none of the `measures` \['RR@10'\]"),
        (expected(measure="nDGC@10"), "unknown measure 'nDGC@10'"),
        (
            expected(dataset="other"),
            r"dataset 'other', split None are none of `evaluate_on`, which has docs test, docs",
        ),
        (expected(tolerance=-1.0), "tolerance"),
        (expected(similarity="sts"), "similarity 'sts' is none of the sets in `similarity`: none"),
        (with_set(similarity="sts"), "measure 'MRR@10', expected Spearman or Pearson, which 'sts' gives"),
        (with_set(similarity="sts", split="test"), "`similarity` is given, and `dataset` or `split` too"),
        (with_set(similarity="sts", measure="Pearson", system="bm25"), "'bm25' is no model whose vectors are compared"),
        ({"evaluate_on": []}, "give `evaluate_on`, the splits to search and score, or `similarity`, or both"),
        ({"evaluate_on": [], **SETS, "systems": {"before": {"model": "tiny"}}}, "`measures` is of searches"),
        ({"evaluate_on": [], **SETS, "systems": {"before": {"bm25": {}}}}, "`systems.before` is no model whose"),
        ({"report": {"compare": ["after"]}}, "`report.compare` names 'after'"),
        ({"report": {"after": ["after"]}}, "`report.after` names 'after'"),
        ({"report": {"measure_for_gains": "AP"}}, "`report.measure_for_gains` is 'AP'"),
        ({"report": {"measure_for_gains": "nDGC"}}, "unknown measure 'nDGC'"),
    ],
)
def test_what_names_nothing_of_the_experiment_is_refused(more, message):
    with pytest.raises(DenseflowError, match=message):
        experiment(**more)
