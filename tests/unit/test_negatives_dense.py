"""Dense sources: runs and vectors of a real model, the filters against false negatives, and the audit of the whole."""

import json
import logging
import random
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from denseflow.errors import DenseflowError
from denseflow.files import write_jsonl, write_text
from denseflow.manifest import write_manifest
from denseflow.negatives.false_negatives import NearDuplicates, ScoreFilter
from denseflow.negatives.mine import mine
from denseflow.negatives.passages import Passages
from denseflow.negatives.vector_scores import VectorScores
from denseflow.run_file import read_run, write_run
from denseflow.search.flat import search

DENSE = {"type": "dense", "count": 4, "first_rank": 1, "last_rank": 8, "model": "m"}
BM25 = {"type": "bm25", "count": 4, "first_rank": 1, "last_rank": 8, "k1": 0.9, "b": 0.4}
RANDOM = {"type": "random", "count": 2}
QUERIES = ["q0", "q1", "q2"]
QRELS = {"q0": {"d0": 1, "d1": 2}, "q1": {"d39": 1}, "q2": {"d5": 1, "d6": 0}}


@dataclass
class Mining:
    """A collection of 40 passages with random vectors, on which ``run`` mines."""

    folder: Path

    def __post_init__(self) -> None:
        self.texts = {f"d{n}": f"passage number {n}" for n in range(40)}
        self.generator = np.random.default_rng(0)
        self.queries = self.unit(len(QUERIES))
        self.passages = self.unit(40)

    def unit(self, rows: int) -> np.ndarray:
        vectors = self.generator.normal(size=(rows, 4)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def score(self, query: str, document: str) -> float:
        return float(self.queries[int(query[1:])] @ self.passages[list(self.texts).index(document)])

    def write(self, name: str = "m", depth: int = 8) -> tuple[Path, tuple[Path, Path]]:
        """The data set, the vectors and the run; returns the run and the vectors' manifests."""
        data, encoded = self.folder / "dataset", self.folder / name
        encoded.mkdir(exist_ok=True)
        write_jsonl(data / "corpus.jsonl", ({"_id": i, "title": "", "text": t} for i, t in self.texts.items()))
        write_jsonl(data / "queries.train.jsonl", ({"_id": query, "text": f"query {query}"} for query in QUERIES))
        lines = [f"{query}\t{i}\t{level}" for query, judged in QRELS.items() for i, level in judged.items()]
        write_text(data / "qrels.train.tsv", "\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n")
        write_manifest(data, "dataset", ["corpus.jsonl", "queries.train.jsonl", "qrels.train.tsv"])
        for part, vectors, ids in (
            ("queries.train", self.queries, QUERIES),
            ("corpus", self.passages, list(self.texts)),
        ):
            np.save(encoded / f"{part}.npy", vectors)
            (encoded / f"{part}.ids").write_text("".join(f"{i}\n" for i in ids))
            files = [f"{part}.npy", f"{part}.ids"]
            shards = [{"file": f"{part}.npy", "rows": len(vectors)}]
            facts = {"shards": shards, "dimensions": vectors.shape[1], "similarity": "dot"}
            write_manifest(encoded, "encode", files, name=f"{part}.manifest.json", **facts)
        manifests = (encoded / "queries.train.manifest.json", encoded / "corpus.manifest.json")
        run = encoded / f"train.top{depth}.trec"
        search(*manifests, run, depth=depth, threads=1)
        return run, manifests

    def run(self, *sources: dict, name: str = "out", depth: int = 8, bm25: dict | None = None, **changes):
        """Mine; returns the negatives' ids by query id, and the audit."""
        run, vectors = self.write(depth=depth)
        runs, all_vectors = {}, {}
        for place, source in enumerate(sources):
            if source["type"] == "dense":
                runs[str(place)], all_vectors[str(place)] = run, vectors
            elif source["type"] == "bm25":
                runs[str(place)] = self.folder / "bm25.trec"
                rankings = [(query, list(scores), list(scores.values())) for query, scores in (bm25 or {}).items()]
                write_run(runs[str(place)], rankings, "bm25")
                write_manifest(self.folder, "bm25", ["bm25.trec"], name="bm25.manifest.json")
        options = {"sources": list(sources), "seed": 0, "min_level": 1} | changes
        mine(self.folder / "dataset" / "manifest.json", "train", options, runs, self.folder / name, all_vectors)
        rows = [json.loads(line) for line in (self.folder / name / "train.jsonl").read_text().splitlines()]
        found = {row["query_id"]: [passage["docid"] for passage in row["negative_passages"]] for row in rows}
        return found, json.loads((self.folder / name / "audit.json").read_text())


@pytest.fixture
def mining(tmp_path: Path) -> Mining:
    return Mining(tmp_path)


def everything(count: int = 40, **changes) -> dict:
    return DENSE | {"count": count, "last_rank": 40} | changes


def test_a_known_relevant_passage_is_never_a_negative_of_a_dense_source(mining):
    found, audit = mining.run(everything(), depth=40)
    for query, judged in QRELS.items():
        assert set(found[query]) == set(mining.texts) - {i for i, level in judged.items() if level > 0}
    assert audit["sources"][0]["dropped"] == {"known relevant": 4}


def test_dense_negatives_are_the_same_for_the_same_seed_without_replacement_and_others_for_another(mining):
    first, again, other = (mining.run(DENSE, seed=seed, name=name)[0] for seed, name in ((0, "a"), (0, "b"), (1, "c")))
    assert (mining.folder / "a/train.jsonl").read_bytes() == (mining.folder / "b/train.jsonl").read_bytes()
    assert first == again != other
    assert all(len(set(ids)) == len(ids) == 4 for ids in first.values())


def test_dense_negatives_come_from_the_ranks_of_the_models_run(mining):
    found, _ = mining.run(DENSE | {"first_rank": 3, "count": 6})
    run = read_run(mining.folder / "m" / "train.top8.trec")
    for query in QUERIES:
        relevant = {i for i, level in QRELS[query].items() if level > 0}
        assert set(found[query]) == set(list(run[query])[2:8]) - relevant


def test_scores_by_vectors_are_those_of_the_search_for_passages_of_any_rank(mining):
    run, vectors = mining.write(depth=40)
    scores = VectorScores(*vectors)
    for query, ranking in read_run(run).items():
        assert scores(query, list(ranking)).tolist() == np.float32(list(ranking.values())).tolist()


@pytest.mark.parametrize("option", [{"margin": 0.1}, {"share": 0.7}, {"share": 1.2}, {"margin": 0.1, "share": 0.7}])
def test_what_scores_near_the_best_positive_is_left_out_though_the_positive_is_in_no_run(mining, option):
    found, audit = mining.run(everything(**option, last_rank=8), depth=8)
    run = read_run(mining.folder / "m" / "train.top8.trec")
    dropped = 0
    for query in QUERIES:
        positives = [i for i, level in QRELS[query].items() if level > 0]
        best = max(mining.score(query, i) for i in positives)
        limit = min(best - option.get("margin", -9), best - (1 - option.get("share", 9)) * abs(best))
        candidates = [i for i in run[query] if i not in positives]
        expected = {i for i in candidates if mining.score(query, i) <= limit}
        assert set(found[query]) == expected
        dropped += len(candidates) - len(expected)
    counts = audit["sources"][0]["dropped"]
    assert dropped > 0
    assert counts.get("above the margin", 0) + counts.get("above the share", 0) == dropped
    assert any(set(run[query]).isdisjoint(QRELS[query]) for query in QUERIES), "a positive deeper than the run"
    assert audit["sources"][0]["queries_without_positive_score"] == 0


@pytest.mark.parametrize(
    ("options", "best", "kept", "dropped"),
    [
        ({"margin": 0.0}, 0.5, 0.5, 0.51),
        ({"margin": 0.1}, 0.5, 0.4, 0.41),
        ({"share": 0.9}, 10.0, 9.0, 9.1),
        ({"share": 0.9}, -10.0, -11.0, -10.9),
        ({"share": 0.9}, 0.0, 0.0, 0.1),
        ({"share": 1.5}, -10.0, -5.0, -4.9),
    ],
)
def test_the_limits_are_the_best_score_less_the_margin_and_its_share_below_zero_too(options, best, kept, dropped):
    score_filter = ScoreFilter(**options)
    assert score_filter.reason(kept, best) is None
    assert score_filter.reason(dropped, best) == ("above the margin" if "margin" in options else "above the share")
    assert score_filter.reason(dropped, None) is None


def test_a_candidate_that_scores_exactly_as_the_best_positive_is_within_a_margin_of_0(mining):
    twins = {"q0": [10, 11], "q1": [4, 7], "q2": [8, 9]}  # before the positives, where scores are equal
    for query, rows in twins.items():
        positives = [i for i, level in QRELS[query].items() if level > 0]
        best = max(positives, key=lambda i: mining.score(query, i))
        mining.passages[rows] = mining.passages[int(best[1:])]
    found, _ = mining.run(everything(margin=0.0), depth=40)
    for query, rows in twins.items():
        assert {f"d{row}" for row in rows} <= set(found[query])


def test_the_filters_know_all_positives_whatever_max_positives_says(mining):
    for seed in range(4):  # which of q0's two positives is drawn depends on it
        all_positives, _ = mining.run(everything(share=0.7), depth=40, seed=seed)
        one, audit = mining.run(everything(share=0.7), depth=40, seed=seed, max_positives=1)
        assert one == all_positives
        assert audit["positives"]["written"] == len(QUERIES)


def test_bm25_filters_by_the_positives_that_its_run_has_and_keeps_all_where_it_has_none(mining):
    ranking = {"d2": 12.0, "d0": 10.0, "d3": 9.6, "d4": 9.4}
    found, audit = mining.run(BM25 | {"share": 0.95}, bm25={"q0": ranking, "q1": ranking})
    assert set(found["q0"]) == {"d4"}
    assert set(found["q1"]) == set(ranking)
    assert audit["sources"][0]["dropped"] == {"above the share": 2, "known relevant": 1}
    assert audit["sources"][0]["queries_without_positive_score"] == 2  # q1, and q2 without a ranking


def test_a_run_of_other_vectors_is_refused(mining):
    run, _ = mining.write()
    mining.queries = mining.unit(3)
    _, others = mining.write("others")
    options = {"sources": [DENSE], "seed": 0, "min_level": 1}
    with pytest.raises(DenseflowError, match="was made with other vectors than"):
        mine(mining.folder / "dataset/manifest.json", "train", options, {"0": run}, mining.folder / "o", {"0": others})


def test_two_negatives_of_a_query_never_have_the_same_text(mining):
    mining.texts |= {f"d{n}": "the same words" for n in range(20, 30)}
    mining.texts["d30"] = "THE  same words"
    found, audit = mining.run(everything(5), RANDOM | {"count": 40}, depth=40)
    for ids in found.values():
        texts = [mining.texts[i].casefold().split() for i in ids]
        assert all(texts.count(text) == 1 for text in texts)
    assert len(found["q0"]) == 40 - 2 - 10
    assert audit["sources"][1]["dropped"]["same text as a chosen negative"] > 0
    assert audit["negatives"]["different_texts"] <= 30 < audit["negatives"]["different_ids"]


def test_the_audit_counts_the_candidates_that_sources_share(mining):
    ranking = {f"d{n}": 20.0 - n for n in range(8)}
    _, audit = mining.run(DENSE, BM25, RANDOM, bm25=dict.fromkeys(QUERIES, ranking))
    run = read_run(mining.folder / "m" / "train.top8.trec")
    relevant = {query: {i for i, level in judged.items() if level > 0} for query, judged in QRELS.items()}
    dense = {query: set(run[query]) - relevant[query] for query in QUERIES}
    bm25 = {query: set(ranking) - relevant[query] for query in QUERIES}
    first = audit["overlap"][0]
    assert first["sources"] == ["0 dense m", "1 bm25"]
    assert first["candidates"] == [sum(map(len, dense.values())), sum(map(len, bm25.values()))]
    assert first["shared"] == sum(len(dense[query] & bm25[query]) for query in QUERIES) > 0
    assert len(audit["overlap"]) == 3


def test_the_audit_names_negatives_that_score_above_the_best_positive(mining):
    found, audit = mining.run(everything(), depth=40)
    suspected = audit["suspected_false_negatives"]["scores above the best positive"]
    expected = [
        (query, i)
        for query in QUERIES
        for i in found[query]
        if mining.score(query, i) > max(mining.score(query, p) for p, level in QRELS[query].items() if level > 0)
    ]
    assert suspected["negatives"] == len(expected) > 0
    assert [(row["query_id"], row["docid"]) for row in suspected["examples"]] == expected[:20]
    assert all(row["score"] > row["best_positive"] for row in suspected["examples"])


def test_the_audit_names_negatives_of_nearly_the_words_of_a_relevant_passage(mining):
    mining.texts["d0"] = "one two three four five six seven eight nine ten"
    mining.texts["d7"] = "Nine ten one two three four five six seven ELEVEN eight"
    mining.texts["d8"] = "one two three four five six seven twelve"
    _, audit = mining.run(everything(), depth=40)
    suspected = audit["suspected_false_negatives"]["near-duplicate of a relevant passage"]
    assert (suspected["negatives"], suspected["queries"]) == (1, 1)
    row = suspected["examples"][0]
    assert (row["query_id"], row["docid"], row["relevant_docid"], row["source"]) == ("q0", "d7", "d0", "0 dense m")


def test_near_duplicates_are_those_of_comparing_all_words(tmp_path):
    words = [f"w{n}" for n in range(40)]
    draw = random.Random(0)
    texts = [" ".join(draw.sample(words, draw.randint(25, 40))) for _ in range(120)]
    write_jsonl(tmp_path / "corpus.jsonl", ({"_id": str(n), "text": text} for n, text in enumerate(texts)))
    near = NearDuplicates(Passages(tmp_path / "corpus.jsonl"))
    found = expected = 0
    for one, other in combinations(range(120), 2):
        first, second = set(texts[one].split()), set(texts[other].split())
        expected += len(first & second) / len(first | second) >= 0.8
        found += near.among(str(one), [str(other)]) is not None
    assert 100 < expected == found < 7000


def test_the_log_shows_the_audit_in_short(mining, caplog):
    caplog.set_level(logging.INFO, "denseflow")
    mining.run(everything(3, share=0.7), DENSE, RANDOM, depth=40)
    for expected in (
        "3 of 3 queries, 4 positives",
        "0 dense m",
        "above the share",
        "candidates shared by 0 dense m and 1 dense m",
        "different texts",
    ):
        assert expected in caplog.text
