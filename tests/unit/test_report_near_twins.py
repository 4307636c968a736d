import json

import pytest
from real_collections import lay_out_nfcorpus, lay_out_scifact

from denseflow.errors import DenseflowError
from denseflow.manifest import write_manifest
from denseflow.report import near_twins
from denseflow.report.near_twins import near_queries, nearest, write_near_twins
from denseflow.report.near_twins_file import MANIFEST, read_near_twins


def dataset(folder, **splits):
    """A dataset of splits, each with texts and relevant documents by query id."""
    folder.mkdir(parents=True)
    names = []
    for split, queries in splits.items():
        rows = [{"_id": id_, "text": text} for id_, (text, _) in queries.items()]
        (folder / f"queries.{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        lines = "".join(f"{id_}\t{doc}\t1\n" for id_, (_, docs) in queries.items() for doc in docs.split())
        (folder / f"qrels.{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines)
        names += [f"queries.{split}.jsonl", f"qrels.{split}.tsv"]
    write_manifest(folder, "dataset", names)
    return folder


def test_words_are_compared_without_case_order_and_repetition():
    near = dict(near_queries({"q": "The cat, the mat"}, {"same": "mat CAT the", "other": "a dog"}))
    assert near == {"q": {"same": 1.0}}


def test_a_query_is_near_from_60_percent_of_all_different_words_in_common():
    # 3 of 5 different words, and 3 of 6.
    near = dict(near_queries({"q": "a b c d"}, {"near": "a b c e", "far": "a b c e f"}))
    assert near == {"q": {"near": pytest.approx(3 / 5)}}


def test_each_character_is_a_word_where_a_script_has_no_spaces():
    near = dict(near_queries({"q": "富士山の高さは"}, {"near": "富士山の高さ", "far": "東京の人口は"}))
    assert list(near["q"]) == ["near"]


def test_queries_without_a_word_are_near_none():
    assert list(near_queries({"q": "!?"}, {"t": "!?"})) == []
    assert list(near_queries({"q": "!?", "r": "word"}, {"t": "?!", "u": "word"})) == [("r", {"u": 1.0})]


def test_small_blocks_find_what_one_large_block_finds(monkeypatch):
    queries = {f"q{i}": f"about thing {i % 7} and {i % 3}" for i in range(30)}
    training = {f"t{i}": f"about thing {i % 5} and {i % 2}" for i in range(20)}
    whole = list(near_queries(queries, training))
    monkeypatch.setattr(near_twins, "_CELLS", 50)
    assert list(near_queries(queries, training)) == whole
    assert len(whole) > 3


def test_a_near_twin_has_a_relevant_document_in_common_too(tmp_path):
    folder = dataset(
        tmp_path / "docs",
        train={"t1": ("what is milk", "d1 d2"), "t2": ("milk is what", "d3"), "t3": ("bread", "d4")},
        test={"q1": ("what is milk", "d3 d9"), "q2": ("bread", "d5"), "q3": ("water", "d4")},
    )
    first, second = nearest(folder, "test", ["train"])
    assert (first.query_id, first.training_query_id, first.shared_relevant) == ("q1", "t2", 1)
    assert (second.query_id, second.training_query_id, second.shared_relevant) == ("q2", "t3", 0)
    places = [{"dataset": "docs", "split": "test", "training_splits": ["train"]}]
    manifest = write_near_twins(places, {"docs": folder / "manifest.json"}, tmp_path / "out")
    assert manifest["places"] == [{**places[0], "queries": 3, "near_in_words": 2, "near_twins": 1}]
    assert read_near_twins(tmp_path / "out" / MANIFEST) == {("docs", "test"): {"q1"}}


def test_of_several_training_splits_the_nearest_query_counts_once(tmp_path):
    folder = dataset(
        tmp_path / "docs",
        train={"t1": ("one two three four", "d1")},
        more={"t2": ("one two three four five", "d1")},
        test={"q": ("one two three four five", "d1")},
    )
    (found,) = nearest(folder, "test", ["more", "train"])
    assert (found.split, found.shared_words) == ("more", 1.0)


def test_an_altered_dataset_is_refused(tmp_path):
    folder = dataset(tmp_path / "docs", train={"t": ("a", "d")}, test={"q": ("a", "d")})
    (folder / "queries.test.jsonl").write_text("")
    with pytest.raises(DenseflowError, match=r"queries\.test\.jsonl: sha256"):
        write_near_twins([], {"docs": folder / "manifest.json"}, tmp_path / "out")


def test_114_of_scifact_s_test_claims_and_24_of_nfcorpus_test_queries_have_a_near_twin(shared, tmp_path):
    splits = ("train", "test")
    scifact = lay_out_scifact(shared, tmp_path / "scifact", splits)
    nfcorpus = lay_out_nfcorpus(shared, tmp_path / "nfcorpus", splits)
    found = {folder.name: nearest(folder, "test", ["train"]) for folder in (scifact, nfcorpus)}
    assert {name: len(near) for name, near in found.items()} == {"scifact": 116, "nfcorpus": 30}
    twins = {name: sum(one.shared_relevant > 0 for one in near) for name, near in found.items()}
    assert twins == {"scifact": 114, "nfcorpus": 24}
