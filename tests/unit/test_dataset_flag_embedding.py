"""Queries with positive and negative texts, as PaddleNLP trains on: a collection, and its negatives."""

import json

import pytest

from denseflow.collection import read_corpus, read_qrels, read_queries
from denseflow.dataset.export import export
from denseflow.errors import DenseflowError
from denseflow.negatives.mine import mine
from denseflow.negatives.training_file import read_training_file

WATER = {"query": "水是什么", "pos": ["水是氢和氧。"], "neg": ["沙是硅。", "雨。", "冰是水。"]}
AGAIN = {"query": "水是什么", "pos": ["冰是水。"], "neg": ["雨。"]}
SAND = {"query": "沙是什么", "pos": "沙是硅。", "neg": []}


def made(tmp_path, *rows, **options):
    file = tmp_path / "train.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    export({"type": "flag_embedding", "splits": {"train": {"path": str(file)}}, **options}, tmp_path / "out")
    return tmp_path / "out"


def test_all_texts_are_documents_once_and_a_query_on_two_lines_is_one(tmp_path):
    out = made(tmp_path, WATER, AGAIN, SAND)
    texts = {document.id: document.text for document in read_corpus(out / "corpus.jsonl")}
    assert list(texts.values()) == ["水是氢和氧。", "沙是硅。", "雨。", "冰是水。"]
    queries = read_queries(out / "queries.train.jsonl")
    assert list(queries.values()) == ["水是什么", "沙是什么"]
    qrels = read_qrels(out / "qrels.train.tsv")
    assert {queries[query]: {texts[id_] for id_ in levels} for query, levels in qrels.items()} == {
        "水是什么": {"水是氢和氧。", "冰是水。"},
        "沙是什么": {"沙是硅。"},
    }


def test_given_negatives_are_the_query_s_own_without_what_another_line_has_as_positive(tmp_path):
    out = made(tmp_path, WATER, AGAIN, SAND)
    lists = [json.loads(line)["hard"] for line in (out / "negatives.train.jsonl").read_text().splitlines()]
    assert [len(one) for one in lists] == [2, 0]
    options = {"sources": [{"type": "given", "count": 5, "kind": "hard"}], "seed": 0, "min_level": 1}
    mine(out / "manifest.json", "train", options, {}, tmp_path / "negatives")
    mined = read_training_file(tmp_path / "negatives" / "train.jsonl")
    found = {example.query: {mined.passages[place].text for place in example.negatives} for example in mined.examples}
    assert found == {"水是什么": {"沙是硅。", "雨。"}, "沙是什么": set()}


def test_at_most_so_many_queries_are_drawn_with_the_seed(tmp_path):
    rows = [{"query": f"q{number}", "pos": [f"p{number}"], "neg": []} for number in range(20)]
    seen = []
    for seed in (0, 1, 0):
        out = made(tmp_path, *rows, seed=seed, max_questions={"train": 5})
        seen.append(list(read_queries(out / "queries.train.jsonl").values()))
    assert [len(one) for one in seen] == [5, 5, 5]
    assert seen[0] == seen[2] != seen[1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"query": "a", "pos": ["b"]', r"line 1: not JSON"),
        ('["a"]', r"line 1: .*expected an object with a text as `query`"),
        ('{"query": "a", "pos": []}', r"line 1: `pos` is empty"),
        ('{"query": "a", "pos": ["b"], "neg": [1]}', r"line 1: `neg` is .*expected a list of texts"),
        ('{"query": "a", "pos": ["\\ud800"]}', r"type flag_embedding: half of a surrogate pair, .* in .*ud800"),
        ('{"query": "a", "pos": [""]}', r"line 1: `pos` is .*none empty"),
    ],
)
def test_a_line_of_another_form_is_named(tmp_path, line, said):
    file = tmp_path / "train.jsonl"
    file.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(DenseflowError, match=said):
        export({"type": "flag_embedding", "splits": {"train": {"path": str(file)}}}, tmp_path / "out")
