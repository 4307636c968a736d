"""A teacher's scores: written for all pairs of a training file, read with care, and put where the loss looks."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder
from tiny_training import make_base, make_training_file

from denseflow.cross_encoder import new_cross_encoder, save_cross_encoder
from denseflow.encode.encode import encode_corpus, encode_queries
from denseflow.encoder import load_encoder, read_contract
from denseflow.errors import DenseflowError
from denseflow.files import write_jsonl
from denseflow.manifest import read_manifest, write_manifest
from denseflow.negatives import cross_encoder_teacher
from denseflow.negatives.encoder_teacher import score_with_vectors
from denseflow.negatives.teacher import read_teacher_scores, scored_share
from denseflow.negatives.training_file import read_training_file
from denseflow.train.batches import Batches
from denseflow.train.examples import Draw


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A training file, its data set, and the scores of a tiny encoder by its vectors."""
    folder = tmp_path_factory.mktemp("teacher")
    (folder / "negatives").mkdir()
    training_file = make_training_file(folder / "negatives" / "train.jsonl")
    write_manifest(training_file.parent, "negatives", ["train.jsonl"])
    training_set = read_training_file(training_file)
    data = folder / "dataset"
    write_jsonl(data / "corpus.jsonl", ({"_id": p.id, "title": p.title, "text": p.text} for p in training_set.passages))
    write_jsonl(data / "queries.train.jsonl", ({"_id": e.query_id, "text": e.query} for e in training_set.examples))
    write_manifest(data, "dataset", ["corpus.jsonl", "queries.train.jsonl"])
    model = make_base(folder / "model")
    where = {"granted_gpus": 0, "threads": 1}
    encode_corpus(model, data / "manifest.json", folder, shard_size=50, **where)
    encode_queries(model, data / "manifest.json", folder, split="train", **where)
    queries, corpus = folder / "queries.train.manifest.json", folder / "corpus.manifest.json"
    score_with_vectors(training_file.parent / "manifest.json", queries, corpus, folder / "scores")
    return folder, training_set


def test_an_encoder_scores_every_pair_as_it_would_directly(scored):
    folder, training_set = scored
    scores = read_teacher_scores(folder / "scores" / "scores.jsonl")
    model = load_encoder(folder / "model" / "model")
    example = training_set.examples[3]
    passages = [training_set.passages[place] for place in (*example.positives, *example.negatives)]
    texts = [f"{passage.title} {passage.text}".strip() for passage in passages]
    expected = model.encode_query([example.query]) @ model.encode_document(texts).T
    assert list(scores[example.query_id]) == [passage.id for passage in passages]
    assert np.allclose(list(scores[example.query_id].values()), expected[0], atol=1e-6)
    manifest = read_manifest(folder / "scores" / "manifest.json")
    assert manifest["counts"] == {"queries": 10, "pairs": 50}
    assert set(manifest["inputs"]) == {"negatives", "queries", "corpus"}


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory, tiny_model):
    """The manifest of a tiny cross-encoder that separates titles with a comma."""
    folder = tmp_path_factory.mktemp("cross")
    contract = read_contract(load_encoder(tiny_model))
    model, _ = new_cross_encoder(tiny_model, replace(contract, title_separator=", "), seed=0)
    save_cross_encoder(model, folder / "model")
    files = [str(path.relative_to(folder)) for path in (folder / "model").rglob("*") if path.is_file()]
    write_manifest(folder, "train", files)
    return folder / "manifest.json"


def test_a_cross_encoder_scores_every_pair_as_sentence_transformers_does(scored, cross_encoder, tmp_path):
    folder, training_set = scored
    manifest = by_cross_encoder(folder, cross_encoder, tmp_path / "scores", work=tmp_path / "work")
    scores = read_teacher_scores(tmp_path / "scores" / "scores.jsonl")
    for example in training_set.examples[:2]:
        passages = [training_set.passages[place] for place in (*example.positives, *example.negatives)]
        texts = [f"{passage.title}, {passage.text}" if passage.title else passage.text for passage in passages]
        model = CrossEncoder(str(cross_encoder.parent / "model"), device="cpu", activation_fn=torch.nn.Identity())
        expected = model.predict([(example.query, text) for text in texts])
        assert list(scores[example.query_id]) == [passage.id for passage in passages]
        assert np.allclose(list(scores[example.query_id].values()), expected, atol=1e-5)
    assert manifest["counts"] == {"queries": 10, "pairs": 50}
    assert manifest["contract"]["title_separator"] == ", "
    assert not (tmp_path / "work").exists()


def test_a_cross_encoder_that_was_stopped_goes_on_with_the_same_bits(scored, cross_encoder, tmp_path, monkeypatch):
    folder, _ = scored
    monkeypatch.setattr(cross_encoder_teacher, "SHARD", 4)
    calls = []
    plain = cross_encoder_teacher.score_pairs

    def score_pairs(model, pairs):
        calls.append(len(pairs))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(model, pairs)

    monkeypatch.setattr(cross_encoder_teacher, "score_pairs", score_pairs)
    with pytest.raises(KeyboardInterrupt):
        by_cross_encoder(folder, cross_encoder, tmp_path / "scores", work=tmp_path / "work")
    by_cross_encoder(folder, cross_encoder, tmp_path / "scores", work=tmp_path / "work")
    assert calls == [20, 20, 10, 10]
    monkeypatch.setattr(cross_encoder_teacher, "score_pairs", plain)
    by_cross_encoder(folder, cross_encoder, tmp_path / "whole", work=tmp_path / "other")
    assert (tmp_path / "scores/scores.jsonl").read_bytes() == (tmp_path / "whole/scores.jsonl").read_bytes()


def by_cross_encoder(folder, cross_encoder, scores, *, work):
    manifest = folder / "negatives" / "manifest.json"
    return cross_encoder_teacher.score_with_cross_encoder(
        manifest, cross_encoder, scores, work=work, granted_gpus=0, threads=1
    )


def test_the_share_of_scored_pairs_is_told(scored):
    folder, training_set = scored
    scores = read_teacher_scores(folder / "scores" / "scores.jsonl")
    assert scored_share(training_set, scores) == 1.0
    del scores["q0"]
    scores["q1"] = {"p10": 0.5, "of another file": 1.0}
    assert scored_share(training_set, scores) == 41 / 50


def test_the_loss_gets_the_scores_of_each_querys_passages_and_nan_elsewhere(scored, tiny_model):
    _, training_set = scored
    scores = {"q0": {"p00": 3.0, "n01": -1.0}, "q1": {"p10": 2.0}}
    batches = Batches(load_encoder(tiny_model), training_set, seed=0, teacher_scores=scores)
    first, second = training_set.examples[:2]
    draws = [Draw(0, 0, 0, first.positives[0], first.negatives[:2]), Draw(0, 1, 1, second.positives[0], ())]
    targets = batches(draws)["targets"]
    assert targets.teacher.shape == targets.drawn.shape == (2, 4)
    assert targets.teacher.dtype == torch.float32
    by_positive = {float(row[place]): row for row, place in zip(targets.teacher, targets.positive, strict=True)}
    assert sorted(by_positive) == [2.0, 3.0]
    assert sorted(score for score in by_positive[3.0].tolist() if not math.isnan(score)) == [-1.0, 3.0]
    assert by_positive[2.0].isnan().sum() == 3
    assert Batches(load_encoder(tiny_model), training_set, seed=0)(draws)["targets"].teacher is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"query_id": "1"}, "expected query_id, a text, and scores"),
        ({"query_id": 1, "scores": {}}, "expected query_id, a text, and scores"),
        ({"query_id": "1", "scores": {"d": "0.5"}}, "docid 'd' has the score '0.5', expected a finite number"),
        ({"query_id": "1", "scores": {"d": float("nan")}}, "docid 'd' has the score nan"),
        ({"query_id": "0", "scores": {}}, "query_id '0' comes a second time"),
    ],
)
def test_broken_scores_are_refused_with_their_line(tmp_path, row, message):
    path = tmp_path / "scores.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in ({"query_id": "0", "scores": {"d": 1.5}}, row)))
    with pytest.raises(DenseflowError) as error:
        read_teacher_scores(path)
    assert f"{path}, line 2: " in str(error.value)
    assert message in str(error.value)
