"""BM25 must score what Anserini publishes for BEIR's flat baseline (k1 0.9, b 0.4, 1,000 documents a query)."""

import pytest
import pytrec_eval
from real_collections import lay_out_nfcorpus, lay_out_scifact

from denseflow.bm25.index import build_index
from denseflow.bm25.search import search
from denseflow.collection import read_qrels
from denseflow.run_file import read_run


def scores(dataset, folder):
    """Means of nDCG@10 and Recall@100 over all judged queries; those without a result count as 0."""
    build_index(dataset / "corpus.jsonl", dataset / "manifest.json", folder / "index", analyzer="en")
    search(
        folder / "index" / "manifest.json",
        dataset / "queries.test.jsonl",
        folder / "test.top1000.trec",
        k1=0.9,
        b=0.4,
        depth=1000,
        threads=2,
        dataset_manifest=dataset / "manifest.json",
    )
    qrels = read_qrels(dataset / "qrels.test.tsv")
    found = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recall.100"}).evaluate(
        read_run(folder / "test.top1000.trec")
    )
    return [sum(row[key] for row in found.values()) / len(qrels) for key in ("ndcg_cut_10", "recall_100")]


def test_nfcorpus_scores_what_anserini_publishes(shared, tmp_path):
    dataset = lay_out_nfcorpus(shared, tmp_path / "dataset", ("test",))
    assert scores(dataset, tmp_path) == pytest.approx([0.3218, 0.2457], abs=0.00005)


@pytest.mark.slow
def test_scifact_scores_what_anserini_publishes(shared, tmp_path):
    dataset = lay_out_scifact(shared, tmp_path / "dataset")
    assert scores(dataset, tmp_path) == pytest.approx([0.6789, 0.9253], abs=0.00005)
