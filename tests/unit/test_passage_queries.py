"""Training pairs of passages alone: each is a query and its own positive, word for word as the encoder reads it."""

import json

import pytest

from denseflow.contract import passage_text
from denseflow.encoder import apply_contract, load_encoder
from denseflow.errors import DenseflowError
from denseflow.files import write_jsonl
from denseflow.manifest import write_manifest
from denseflow.negatives.mine import mine
from denseflow.negatives.training_file import read_training_file

DOCUMENTS = [
    ("a", "Milk", "is food"),
    ("b", "", "fruit"),
    ("c", "Only a title", ""),
    ("d", "", " "),
    ("e", "MILK is", "food"),
    ("f", " spaces ", "  around "),
]


def make(folder, documents=DOCUMENTS, **options):
    """Mine, and return the rows of the training file and the audit."""
    rows = ({"_id": name, "title": title, "text": text} for name, title, text in documents)
    write_jsonl(folder / "dataset" / "corpus.jsonl", rows)
    write_manifest(folder / "dataset", "dataset", ["corpus.jsonl"])  # no queries, no judgements
    options = {"queries": "passages", "sources": [], "seed": 0, "min_level": 1} | options
    mine(folder / "dataset" / "manifest.json", "passages", options, {}, folder / "out")
    lines = (folder / "out" / "train.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], json.loads((folder / "out" / "audit.json").read_text())


def test_each_non_empty_passage_of_a_text_of_its_own_is_a_query_and_its_own_positive(tmp_path):
    rows, audit = make(tmp_path)
    assert [(row["query_id"], row["query"]) for row in rows] == [
        ("a", "Milk is food"),
        ("b", "fruit"),
        ("c", "Only a title"),
        ("f", "spaces    around"),
    ]
    for row in rows:
        assert row["positive_passages"] == [{"docid": row["query_id"], "title": "", "text": row["query"]}]
        assert row["negative_passages"] == []
    assert audit["queries"] == {
        "in_split": 6,
        "written": 4,
        "skipped": {"empty passage": 1, "same text as an earlier passage": 1},
    }


def test_query_and_passage_are_the_same_words_for_an_encoder_with_any_title_separator(tmp_path, tiny_model):
    make(tmp_path)
    training_set = read_training_file(tmp_path / "out" / "train.jsonl")
    contract = apply_contract(load_encoder(tiny_model), {"title_separator": " [SEP] "})
    for example in training_set.examples:
        (positive,) = example.positives
        assert passage_text(training_set.passages[positive], contract) == example.query


def test_max_queries_draws_passages_with_the_seed_in_the_order_of_the_collection(tmp_path):
    documents = [(f"d{n}", "", f"text {n}") for n in range(100)]
    drawn = [
        [row["query_id"] for row in make(tmp_path / name, order, max_queries=most, seed=seed)[0]]
        for name, order, most, seed in (
            ("first", documents, 20, 0),
            ("again", documents, 20, 0),
            ("turned", documents[::-1], 20, 0),
            ("fewer", documents, 10, 0),
            ("other", documents, 20, 1),
        )
    ]
    first, again, turned, fewer, other = drawn
    assert first == again == turned[::-1] == sorted(first, key=lambda name: int(name[1:]))
    assert len(first) == 20
    assert set(fewer) < set(first)
    assert set(other) != set(first) != {f"d{n}" for n in range(20)}


def test_the_collection_is_read_as_a_stream(tmp_path, monkeypatch):
    held = []
    monkeypatch.setattr("denseflow.negatives.mine.Passages", lambda *_: held.append(1))
    make(tmp_path)
    assert not held


def test_a_collection_of_empty_passages_is_an_error(tmp_path):
    with pytest.raises(DenseflowError, match="all passages are empty"):
        make(tmp_path, [("a", "", ""), ("b", " ", "")])
