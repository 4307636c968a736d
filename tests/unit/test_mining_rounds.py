"""Rounds of mining and training, through the stages' own functions: a model's negatives train the next one."""

import json

import pytest
from tiny_training import history, make_collection, run, same, weights

from denseflow.encode.encode import encode_corpus, encode_queries
from denseflow.files import write_jsonl
from denseflow.manifest import read_manifest
from denseflow.negatives.encoder_teacher import score_with_vectors
from denseflow.negatives.mine import mine
from denseflow.search.flat import search

OPTIONS = {"seed": 0, "min_level": 1}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Forty passages, and ten queries with two relevant ones each."""
    return make_collection(tmp_path_factory.mktemp("dataset"), split="train")


def encoded(model, dataset, folder):
    where = {"granted_gpus": 0, "threads": 1}
    encode_corpus(model, dataset, folder, shard_size=50, **where)
    encode_queries(model, dataset, folder, split="train", **where)
    return folder / "queries.train.manifest.json", folder / "corpus.manifest.json"


def mined_with(model, dataset, folder):
    """Mine with a model; returns the training file and the vectors' manifests."""
    vectors = encoded(model, dataset, folder)
    search(*vectors, folder / "train.top10.trec", depth=10, threads=1)
    source = {"type": "dense", "model": "m", "count": 4, "first_rank": 1, "last_rank": 10}
    options = {**OPTIONS, "sources": [source]}
    mine(dataset, "train", options, {"0": folder / "train.top10.trec"}, folder, {"0": vectors})
    return folder / "train.jsonl", vectors


def test_each_round_mines_with_the_model_of_the_round_before(base, dataset, tmp_path):
    options = {**OPTIONS, "sources": [{"type": "random", "count": 4}]}
    mine(dataset, "train", options, {}, tmp_path)
    first = run(base, tmp_path / "train.jsonl", tmp_path / "round1", max_steps=5)
    by_base, _ = mined_with(base, dataset, tmp_path / "by_base")
    by_first, vectors = mined_with(first / "manifest.json", dataset, tmp_path / "by_first")
    assert by_base.read_text() != by_first.read_text()
    assert read_manifest(vectors[1])["inputs"]["model"] != read_manifest(first / "manifest.json")["inputs"]["base"]
    for line in by_first.read_text().splitlines():
        row = json.loads(line)
        positives, negatives = ({p["docid"] for p in row[f"{kind}_passages"]} for kind in ("positive", "negative"))
        assert len(negatives) == 4
        assert positives.isdisjoint(negatives)
    second = run(base, by_first, tmp_path / "round2", max_steps=5)
    other = run(base, by_base, tmp_path / "other", max_steps=5)
    assert not same(weights(second), weights(other))


def test_a_student_learns_the_scores_of_its_teacher(base, dataset, tmp_path):
    file, _ = mined_with(base, dataset, tmp_path / "mined")
    scores = []
    for name, negated in (("teacher", 1), ("opposite", -1)):
        vectors = encoded(base, dataset, tmp_path / name)
        score_with_vectors(file.with_name("manifest.json"), *vectors, tmp_path / name / "scores")
        path = tmp_path / name / "scores" / "scores.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        write_jsonl(path, ({**row, "scores": {k: negated * v for k, v in row["scores"].items()}} for row in rows))
        scores.append(path)
    recipe = {
        "loss": {"name": "kl", "temperature": 0.1, "teacher_temperature": 0.1, "infonce_weight": 0.0},
        "negatives_per_query": 4,
        "max_steps": 3,
        "dropout": 0.0,
    }
    itself = run(base, file, tmp_path / "itself", teacher_scores=scores[0], **recipe)
    opposite = run(base, file, tmp_path / "opposite_student", teacher_scores=scores[1], **recipe)
    assert abs(history(itself)[0]["loss"]) < 1e-6
    assert history(opposite)[0]["loss"] > 0.01
    assert read_manifest(itself / "manifest.json")["teacher"] == {"scored_share": 1.0}
    assert not same(weights(itself), weights(opposite))
