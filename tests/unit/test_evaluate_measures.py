import json
import math
from collections import defaultdict
from pathlib import Path

import pytest

from denseflow.collection import Qrels, read_corpus, read_qrels, read_queries
from denseflow.errors import DenseflowError
from denseflow.evaluate.measures import evaluate, evaluate_experiment
from denseflow.run_file import Run, read_run, write_run

TREC_NAMES = {
    "map": "AP",
    "Rprec": "Rprec",
    "bpref": "Bpref",
    "recip_rank": "RR",
    "infAP": "infAP",
    "ndcg": "nDCG",
    "set_P": "SetP",
    "set_recall": "SetR",
    "set_F": "SetF",
    "set_map": "SetAP",
    "set_relative_P": "SetP(relative=True)",
    **{f"iprec_at_recall_{r / 10:.2f}": f"IPrec@{r / 10}" for r in range(11)},
    **{f"P_{k}": f"P@{k}" for k in (5, 10, 15, 20, 30, 100, 200, 500, 1000)},
    **{f"recall_{k}": f"R@{k}" for k in (5, 10, 15, 20, 30, 100, 200, 500, 1000)},
    **{f"ndcg_cut_{k}": f"nDCG@{k}" for k in (5, 10, 15, 20, 30, 100, 200, 500, 1000)},
    **{f"map_cut_{k}": f"AP@{k}" for k in (5, 10, 15, 20, 30, 100, 200, 500, 1000)},
    **{f"success_{k}": f"Success@{k}" for k in (1, 5, 10)},
}


def values(qrels: Qrels, run: Run, measure: str) -> dict[str, float]:
    return {score.query_id: score.value for score in evaluate(qrels, run, [measure])}


def mean(qrels: Qrels, run: Run, measure: str) -> float:
    by_query = values(qrels, run, measure)
    return math.fsum(by_query.values()) / len(by_query)


def trec_eval_files(shared: Path, tmp_path: Path, qrels: str, results: str, first: int) -> tuple[Qrels, Run]:
    """trec_eval's own files, their junk columns cut off, and the first documents of each query by its order."""
    folder = shared / "data" / "trec-eval-tests"
    judged: Qrels = defaultdict(dict)
    for line in (folder / qrels).read_text().splitlines():
        query, _, document, level = line.split()
        judged[query][document] = int(level)
    run_file = tmp_path / "run.trec"
    run_file.write_text("".join(" ".join(row.split()[:6]) + "\n" for row in (folder / results).open()))
    run = read_run(run_file)
    for query, ranking in run.items():
        order = sorted(ranking.items(), key=lambda item: (item[1], item[0]), reverse=True)
        run[query] = dict(order[:first])
    return dict(judged), run


@pytest.mark.parametrize(
    ("output", "qrels", "results", "level", "first"),
    [
        ("out.test", "qrels.test", "results.test", 1, 10**6),
        ("out.test.a", "qrels.test", "results.test", 1, 10**6),
        ("out.test.aq", "qrels.test", "results.test", 1, 10**6),
        ("out.test.aqc", "qrels.test", "results.trunc", 1, 10**6),
        ("out.test.aqcM", "qrels.test", "results.trunc", 1, 100),
        ("out.test.aql", "qrels.rel_level", "results.test", 2, 10**6),
    ],
)
def test_every_value_is_trec_evals_to_the_digit(shared, tmp_path, output, qrels, results, level, first):
    judged, run = trec_eval_files(shared, tmp_path, qrels, results, first)
    compared = 0
    for line in (shared / "data" / "trec-eval-tests" / output).read_text().splitlines():
        trec_name, query, expected = line.split()
        name = TREC_NAMES.get(trec_name)
        if name is None:
            continue
        if level != 1 and not name.startswith("nDCG"):  # nDCG has the levels as gains, whatever is called relevant
            bare, at, cutoff = name.partition("@")
            bare = bare[:-1] + "," if bare.endswith(")") else bare + "("
            name = f"{bare}rel={level}){at}{cutoff}"
        found = mean(judged, run, name) if query == "all" else values(judged, run, name)[query]
        if query not in run and query != "all":
            assert found == 0
        assert f"{found:.4f}" == expected, (trec_name, query)
        compared += 1
    assert compared >= 12


def test_ties_are_ordered_by_document_id_descending_whatever_the_rank_column_says():
    run = {"q": {"a": 1.0, "b": 1.0, "c": 1.0}}
    assert [values({"q": {id: 1}}, run, "RR")["q"] for id in "cba"] == [1, 1 / 2, 1 / 3]


def test_scores_that_differ_only_beyond_32_bits_are_ties():
    assert values({"q": {"a": 1}}, {"q": {"a": 1.0 + 1e-12, "b": 1.0}}, "RR") == {"q": 0.5}


def test_a_written_run_gives_the_ranking_that_was_meant_even_with_equal_scores(tmp_path):
    write_run(tmp_path / "run.trec", [("q", ["a", "b", "c"], [1.0, 1.0, 1.0])], "test")
    assert values({"q": {"a": 1}}, read_run(tmp_path / "run.trec"), "RR") == {"q": 1.0}


def test_the_average_is_over_all_judged_queries_and_no_others():
    qrels = {"found": {"d": 1}, "no results": {"d": 1}, "nothing relevant": {"d": 0}, "no judgements": {}}
    run = {"found": {"d": 1.0}, "nothing relevant": {"d": 1.0}, "no judgements": {"d": 1.0}, "not judged": {"d": 1.0}}
    assert values(qrels, run, "AP") == {"found": 1.0, "no results": 0.0, "nothing relevant": 0.0}
    assert mean(qrels, run, "AP") == pytest.approx(1 / 3)


def test_an_empty_run_counts_0_for_every_judged_query():
    assert values({"q": {"d": 1}}, {}, "nDCG@10") == {"q": 0.0}
    assert values({"q": {"d": 1}}, {"q": {}}, "nDCG@10") == {"q": 0.0}


def test_ndcg_has_graded_gains():
    qrels, run = {"q": {"good": 2, "fair": 1}}, {"q": {"fair": 2.0, "good": 1.0}}
    ideal = 2 / math.log2(2) + 1 / math.log2(3)
    assert values(qrels, run, "nDCG@10")["q"] == pytest.approx((1 / math.log2(2) + 2 / math.log2(3)) / ideal)
    assert values({"q": {"good": 1, "fair": 1}}, run, "nDCG@10") == {"q": 1.0}


def test_a_set_of_relevant_documents_is_not_counted_by_the_letters_of_an_id():
    assert values({"q": {"MED-10": 1}}, {"q": {"MED-10": 1.0}}, "AP") == {"q": 1.0}


def test_rr_at_k_forgets_what_lies_deeper_than_k():
    run = {"q": {"a": 3.0, "b": 2.0, "c": 1.0}}
    assert [values({"q": {"c": 1}}, run, f"RR@{k}")["q"] for k in (2, 3, 10)] == [0.0, 1 / 3, 1 / 3]
    both = evaluate({"q": {"c": 1}}, run, ["RR@2", "RR"])
    assert [(score.measure, score.value) for score in both] == [("RR@2", 0.0), ("RR", 1 / 3)]


def test_the_cutoff_and_the_level_change_the_value():
    qrels, run = {"q": {"a": 1, "b": 2}}, {"q": {"a": 2.0, "b": 1.0}}
    assert values(qrels, run, "R@1") == {"q": 0.5}
    assert values(qrels, run, "R@2") == {"q": 1.0}
    assert values(qrels, run, "RR(rel=2)") == {"q": 0.5}
    assert values(qrels, run, "RR") == {"q": 1.0}


def test_one_measure_given_in_two_spellings_is_computed_once():
    assert len(evaluate({"q": {"d": 1}}, {"q": {"d": 1.0}}, ["MRR@10", "RR@10"])) == 1


def experiment(folder: Path, qrels: str, runs: dict[str, str]) -> list[dict]:
    (folder / "qrels.test.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels)
    systems = []
    for name, run in runs.items():
        (folder / f"{name}.trec").write_text(run)
        systems.append(
            {
                "name": name,
                "variant": "seed0",
                "dataset": "tiny",
                "split": "test",
                "run": str(folder / f"{name}.trec"),  # text, as it comes from the rule's canonical options
                "qrels": str(folder / "qrels.test.tsv"),
            }
        )
    return systems


def test_an_experiment_writes_scores_a_query_means_and_a_manifest_of_what_was_counted(tmp_path):
    systems = experiment(
        tmp_path,
        "q1\td1\t2\nq2\td2\t0\nq3\td3\t1\n",
        {"before": "q1 Q0 d1 1 2.0 t\n", "after": "q1 Q0 d9 1 3.0 t\nq1 Q0 d1 2 2.0 t\nq9 Q0 d1 1 1.0 t\n"},
    )
    evaluate_experiment(systems, ["MRR@10", "P@1"], tmp_path / "out")
    scores = (tmp_path / "out" / "scores.tsv").read_text().splitlines()
    assert scores[0] == "dataset\tsplit\tsystem\tvariant\tmeasure\tquery_id\tvalue"
    assert "tiny\ttest\tafter\tseed0\tRR@10\tq1\t0.5" in scores
    assert len(scores) == 1 + 2 * 2 * 3
    means = (tmp_path / "out" / "means.tsv").read_text().splitlines()
    assert means[0] == "dataset\tsplit\tsystem\tvariant\tmeasure\tmean\tqueries"
    assert "tiny\ttest\tbefore\tseed0\tRR@10\t0.333333\t3" in means
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["options"] == {"measures": ["RR@10", "P@1"]}
    after = manifest["systems"][1]
    counted = ["judged_queries", "judged_without_results", "judged_without_relevant", "results_not_judged"]
    assert [after[key] for key in counted] == [3, 2, 1, 1]
    assert "after/seed0 on tiny test: RR@10 looks deeper than the run's longest ranking, 2 documents" in str(manifest)


def test_an_unknown_measure_is_refused_before_any_run_is_read(tmp_path):
    systems = experiment(tmp_path, "q\td\t1\n", {"before": "not a run\n"})
    with pytest.raises(DenseflowError, match="unknown measure 'nDCG10'"):
        evaluate_experiment(systems, ["nDCG10"], tmp_path / "out")


def test_judgements_of_no_query_are_refused_and_leave_nothing_behind(tmp_path):
    systems = experiment(tmp_path, "", {"before": "q Q0 d 1 1.0 t\n"})
    with pytest.raises(DenseflowError, match="no judgements"):
        evaluate_experiment(systems, ["AP"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_that_was_altered_is_refused_where_its_manifest_is_given(tmp_path):
    systems = experiment(tmp_path, "q\td\t1\n", {"before": "q Q0 d 1 1.0 t\n"})
    manifest = {"files": {"before.trec": {"sha256": "0" * 64, "bytes": 1}}}
    (tmp_path / "before.manifest.json").write_text(json.dumps(manifest))
    systems[0]["run_manifest"] = tmp_path / "before.manifest.json"
    with pytest.raises(DenseflowError, match=r"before\.trec: sha256 .* differs"):
        evaluate_experiment(systems, ["AP"], tmp_path / "out")


def test_a_plain_word_overlap_on_nfcorpus_scores_as_ir_measures_computes_it(shared):
    import ir_measures

    folder = shared / "data" / "nfcorpus"
    qrels, queries = read_qrels(folder / "qrels" / "test.tsv"), read_queries(folder / "queries.jsonl")
    holders = defaultdict(set)
    for document in read_corpus(folder / "corpus.jsonl.gz"):
        for word in set(f"{document.title} {document.text}".lower().split()):
            holders[word].add(document.id)
    run: Run = {}
    for query in qrels:
        scores: dict[str, float] = defaultdict(float)
        for word in set(queries[query].lower().split()) & holders.keys():
            for document_id in holders[word]:
                scores[document_id] += math.log(3634 / len(holders[word]))
        run[query] = dict(sorted(scores.items(), key=lambda item: -item[1])[:100])
    names = ["nDCG@10", "R@100", "AP", "P@5", "Success@5"]
    expected = ir_measures.calc_aggregate([ir_measures.parse_measure(name) for name in names], qrels, run)
    for measure, value in expected.items():
        assert mean(qrels, run, str(measure)) == pytest.approx(value, abs=1e-12)
    assert mean(qrels, run, "nDCG@10") > 0.15
    assert len(values(qrels, run, "nDCG@10")) == 323
