"""Mining on the real NFCorpus: up to 1,363 relevant documents a query, and 80 documents that are copies."""

import json

import pytest
from real_collections import lay_out_nfcorpus

from denseflow.bm25.index import build_index
from denseflow.bm25.search import search
from denseflow.collection import read_qrels
from denseflow.negatives.mine import mine
from denseflow.negatives.training_file import read_training_file

pytestmark = pytest.mark.slow

SOURCES = [
    {"type": "bm25", "k1": 0.9, "b": 0.4, "count": 8, "first_rank": 1, "last_rank": 100},
    {"type": "random", "count": 2},
]


@pytest.fixture(scope="module")
def mined(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nfcorpus")
    dataset = lay_out_nfcorpus(shared, folder / "dataset", ("train",))
    manifest = dataset / "manifest.json"
    build_index(dataset / "corpus.jsonl", manifest, folder / "index", analyzer="en")
    run = folder / "train.top100.trec"
    options = {"k1": 0.9, "b": 0.4, "depth": 100, "threads": 2, "dataset_manifest": manifest}
    search(folder / "index" / "manifest.json", dataset / "queries.train.jsonl", run, **options)
    options = {"sources": SOURCES, "seed": 0, "max_queries": None, "min_level": 1, "max_positives": None}
    mine(manifest, "train", options, {"0": run}, folder)
    return folder


def test_every_judgement_becomes_a_positive_and_none_a_negative(mined):
    qrels = read_qrels(mined / "dataset" / "qrels.train.tsv")
    training = read_training_file(mined / "train.jsonl")
    assert len(training.examples) == 2590
    assert sum(len(example.positives) for example in training.examples) == 110_575
    for example in training.examples:
        judged = set(qrels[example.query_id])
        negatives = [training.passages[place].id for place in example.negatives]
        assert {training.passages[place].id for place in example.positives} == judged
        assert judged.isdisjoint(negatives)
        assert example.relevant.isdisjoint(example.negatives)
        assert len(set(negatives)) == len(negatives) <= 10


def test_what_was_found_adds_up(mined):
    audit = json.loads((mined / "audit.json").read_text())
    found = sum(len(example.negatives) for example in read_training_file(mined / "train.jsonl").examples)
    assert found == sum(source["found"] for source in audit["sources"])
    bm25, uniform = audit["sources"]
    assert uniform["found"] == uniform["asked"] == 5180
    assert uniform["queries_with_fewer"] == 0
    assert bm25["asked"] == 20_720
    assert bm25["queries_with_enough"] + bm25["queries_with_fewer"] == 2590
    assert bm25["dropped"]["known relevant"] > 10_000
    assert bm25["dropped"]["same text as a relevant passage"] > 100
    assert sum(bm25["histogram"].values()) == bm25["found"]
