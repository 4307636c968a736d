"""BM25 on the classic collections: ir_measures says the same of each run, and others' BM25 scores about the same."""

import math

import ir_measures
import pytest
from classic_collections import lay_out_classic

from denseflow.bm25.index import build_index
from denseflow.bm25.search import search
from denseflow.collection import read_qrels
from denseflow.evaluate.measures import evaluate
from denseflow.manifest import read_manifest
from denseflow.run_file import read_run

MEASURES = ["nDCG@10", "nDCG", "R@100", "AP", "AP@100", "RR", "RR@10", "P@5", "Success@5", "Rprec", "Bpref", "SetF"]
COLLECTIONS = {  # documents, judged queries, and nDCG@10, recall, RR and AP of the BM25 in the collection's SOURCE.md
    "adi": (82, 35, 0.4938, 0.9103, 0.6460, 0.4185),
    "cacm": (3204, 52, 0.4935, 0.6774, 0.7479, 0.3391),
    "cisi": (1460, 76, 0.3858, 0.4402, 0.6412, 0.2146),
    "cranfield": (1400, 225, 0.3650, 0.7349, 0.5316, 0.3013),
    "npl": (11429, 93, 0.4280, 0.5966, 0.6881, 0.2803),
    "time": (423, 83, 0.7467, 0.9535, 0.7905, 0.6852),
}


def scored(qrels, run):
    """The means by measure, and how many queries they are over."""
    values: dict[str, list[float]] = {}
    for score in evaluate(qrels, run, MEASURES):
        values.setdefault(score.measure, []).append(score.value)
    return {measure: math.fsum(each) / len(each) for measure, each in values.items()}, len(values["AP"])


@pytest.mark.parametrize("name", COLLECTIONS)
def test_bm25_scores_as_ir_measures_computes_it_and_about_what_another_bm25_does(shared, tmp_path, name):
    dataset = lay_out_classic(shared, name, tmp_path / "dataset")
    documents, judged, *published = COLLECTIONS[name]
    index = tmp_path / "index" / "manifest.json"
    build_index(dataset / "corpus.jsonl", dataset / "manifest.json", index.parent, analyzer="en")
    assert read_manifest(index)["documents"] == documents
    run_file = tmp_path / "test.trec"
    how = {"k1": 1.5, "b": 0.75, "depth": 1000, "threads": 1, "dataset_manifest": dataset / "manifest.json"}
    search(index, dataset / "queries.test.jsonl", run_file, **how)
    qrels, run = read_qrels(dataset / "qrels.test.tsv"), read_run(run_file)
    means, queries = scored(qrels, run)
    assert queries == judged
    found = [means[measure] for measure in ("nDCG@10", "R@100", "RR", "AP")]
    assert found == pytest.approx(published, abs=0.025)
    del run[next(query for query in run if query in qrels)]  # a judged query without results counts 0 in both
    expected = ir_measures.calc_aggregate(list(map(ir_measures.parse_measure, MEASURES)), qrels, run)
    assert scored(qrels, run)[0] == pytest.approx({str(one): value for one, value in expected.items()}, abs=1e-12)
