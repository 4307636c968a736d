"""A run is reranked: its first documents by the cross-encoder, the others behind them as they were."""

import json

import numpy as np
import pytest
from tiny_cross_encoder import make_cross_encoder
from tiny_training import WORDS, make_collection

from denseflow.collection import read_corpus, read_qrels, read_queries
from denseflow.contract import passage_text
from denseflow.errors import DenseflowError
from denseflow.evaluate.measures import evaluate
from denseflow.manifest import write_manifest
from denseflow.run_file import read_run, write_run
from denseflow.search import rerank as module
from denseflow.search.cross_encoder import load_cross_encoder, read_pair_contract, score_pairs
from denseflow.search.rerank import reorder, rerank
from denseflow.search.speed import read_speed, speed_file


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_collection(tmp_path_factory.mktemp("dataset"), split="test")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_cross_encoder(tmp_path_factory.mktemp("model"), contract={"title_separator": ": "})


@pytest.fixture
def run(tmp_path):
    """Every query ranks 12 documents, with tied scores."""
    path = tmp_path / "first" / "test.top12.trec"
    rankings = [
        (f"q{number}", [f"d{(7 * number + place) % 40}" for place in range(12)], [5.0] * 12)
        for number in range(len(WORDS))
    ]
    write_run(path, rankings, "first")
    write_manifest(path.parent, "search", [path.name], name="test.top12.manifest.json")
    return path


def do(run, dataset, model, folder, **changes):
    options = {"split": "test", "depth": 5, "work": folder / "work", "granted_gpus": 0, "threads": 1}
    reranked = folder / "out" / "test.top12.trec"
    rerank(run.with_suffix(".manifest.json"), dataset, model, reranked, **{**options, **changes})
    return read_run(reranked)


def test_the_first_documents_are_ordered_by_the_cross_encoder_and_the_others_stay_behind(run, dataset, model, tmp_path):
    reranked, before = do(run, dataset, model, tmp_path), read_run(run)
    cross_encoder = load_cross_encoder(model.parent / "model")
    documents = {document.id: document for document in read_corpus(dataset.parent / "corpus.jsonl")}
    queries = read_queries(dataset.parent / "queries.test.jsonl")
    assert list(reranked) == list(before)
    moved = 0
    for query, ranking in before.items():
        first, deeper = list(ranking)[:5], list(ranking)[5:]
        texts = [passage_text(documents[name], read_pair_contract(cross_encoder)) for name in first]
        scores = score_pairs(cross_encoder, [(queries[query], text) for text in texts])
        expected = [first[place] for place in np.argsort(-scores, kind="stable")]
        assert list(reranked[query]) == expected + deeper
        assert np.allclose(list(reranked[query].values())[:5], np.sort(scores)[::-1], atol=1e-4)
        moved += expected != first
    assert moved > 5


def test_scores_fall_strictly_so_that_all_tools_see_one_ranking(run, dataset, model, tmp_path):
    for ranking in do(run, dataset, model, tmp_path).values():
        scores = np.array(list(ranking.values()), dtype=np.float32)
        assert (np.diff(scores) < 0).all()


def test_a_ranking_by_the_judgements_is_measured_as_perfect(run, dataset, model, tmp_path, monkeypatch):
    qrels = read_qrels(dataset.parent / "qrels.test.tsv")
    rankings = [(query, [*(f"d{n}" for n in range(12)), *judged], range(20, 0, -1)) for query, judged in qrels.items()]
    rankings = [(query, list(dict.fromkeys(names)), scores) for query, names, scores in rankings]
    write_run(run, [(query, names, list(scores)[: len(names)]) for query, names, scores in rankings], "first")
    write_manifest(run.parent, "search", [run.name], name="test.top12.manifest.json")
    levels = iter([qrels[query].get(name, 0) for query, names, _ in rankings for name in names])
    monkeypatch.setattr(module, "score_pairs", lambda model, pairs: np.array([next(levels) for _ in pairs], np.float32))
    reranked = do(run, dataset, model, tmp_path, depth=20)
    assert [score.value for score in evaluate(qrels, reranked, ["nDCG@10"])] == [1.0] * len(qrels)


def test_how_quick_the_scoring_was_stands_beside_the_run_and_in_no_manifest(run, dataset, model, tmp_path):
    do(run, dataset, model, tmp_path)
    reranked = tmp_path / "out" / "test.top12.trec"
    speed = json.loads(speed_file(reranked).read_text())
    assert speed["queries"] == len(WORDS)
    assert read_speed(reranked) == speed["queries_per_second"] > 0
    manifest = json.loads(reranked.with_suffix(".manifest.json").read_text())
    assert list(manifest["files"]) == [reranked.name]
    assert "seconds" not in json.dumps(manifest)


@pytest.mark.parametrize("depth", [1, 3, 12])
def test_the_depth_says_how_many_documents_are_ordered_anew(run, dataset, model, tmp_path, depth):
    reranked, before = do(run, dataset, model, tmp_path, depth=depth), read_run(run)
    for query, ranking in before.items():
        assert list(reranked[query])[depth:] == list(ranking)[depth:]
        assert set(reranked[query]) == set(ranking)


def test_equal_scores_keep_the_order_of_the_run():
    documents, scores = reorder(["a", "b", "c", "d", "e"], np.array([1, 2, 2], dtype=np.float32))
    assert documents == ["b", "c", "a", "d", "e"]
    assert scores == sorted(scores, reverse=True)


def test_what_was_scored_before_a_kill_is_not_scored_again(run, dataset, model, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SHARD", 10)  # two queries of depth 5
    whole = do(run, dataset, model, tmp_path / "whole")
    calls = []

    def killed(model, pairs):
        calls.append(len(pairs))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return score_pairs(model, pairs)

    with monkeypatch.context() as patch:
        patch.setattr(module, "score_pairs", killed)
        with pytest.raises(KeyboardInterrupt):
            do(run, dataset, model, tmp_path)
    assert not (tmp_path / "out" / "test.top12.trec").exists()
    calls.clear()
    monkeypatch.setattr(module, "score_pairs", lambda model, pairs: calls.append(1) or score_pairs(model, pairs))
    assert do(run, dataset, model, tmp_path) == whole
    assert len(calls) == 3
    assert not (tmp_path / "work").exists()
    # The clock measured the two last pairs of queries and the one that was left over, and counts these alone.
    assert json.loads(speed_file(tmp_path / "out" / "test.top12.trec").read_text())["queries"] == len(WORDS) - 4


def test_scores_of_another_model_or_depth_are_not_taken_up(run, dataset, model, tmp_path, monkeypatch):
    other = make_cross_encoder(tmp_path / "other", seed=5)
    clean = do(run, dataset, model, tmp_path, depth=4)
    monkeypatch.setattr(module.Shards, "remove", lambda self: None)
    one = do(run, dataset, model, tmp_path)
    assert do(run, dataset, other, tmp_path) != one
    do(run, dataset, model, tmp_path)
    assert do(run, dataset, model, tmp_path, depth=4) == clean


def test_a_document_or_a_query_of_another_collection_is_refused(run, dataset, model, tmp_path):
    write_run(run, [("q1", ["d1", "elsewhere"], [2.0, 1.0])], "first")
    write_manifest(run.parent, "search", [run.name], name="test.top12.manifest.json")
    with pytest.raises(DenseflowError, match="document 'elsewhere' is not in"):
        do(run, dataset, model, tmp_path)
    write_run(run, [("qx", ["d1"], [2.0])], "first")
    write_manifest(run.parent, "search", [run.name], name="test.top12.manifest.json")
    with pytest.raises(DenseflowError, match="query 'qx' is none of the split's"):
        do(run, dataset, model, tmp_path)


def test_of_the_run_no_more_queries_are_held_than_are_scored_at_once(run, dataset, model, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SHARD", 10)  # two queries of depth 5
    read, scored = [], []
    ranking = module.RunFile.ranking
    monkeypatch.setattr(module.RunFile, "ranking", lambda self, query: read.append(query) or ranking(self, query))
    monkeypatch.setattr(
        module, "score_pairs", lambda model, pairs: scored.append(len(read)) or np.zeros(len(pairs), np.float32)
    )
    reranked = do(run, dataset, model, tmp_path)
    queries = len(reranked)
    assert scored == [queries + count for count in range(2, queries + 1, 2)]  # once for their passages, then in pairs
    assert {name: list(of) for name, of in reranked.items()} == {name: list(of) for name, of in read_run(run).items()}


def test_the_manifest_says_what_was_done(run, dataset, model, tmp_path):
    do(run, dataset, model, tmp_path)
    manifest = json.loads((tmp_path / "out" / "test.top12.manifest.json").read_text())
    assert manifest["options"] == {"depth": 5}
    assert manifest["queries"] == 10
    assert manifest["pairs"] == 50
    assert set(manifest["inputs"]) == {"run", "dataset", "model"}
