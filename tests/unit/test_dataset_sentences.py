"""Sentences of a collection: where they end, which are left out, in what order they come."""

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from denseflow.collection import read_corpus
from denseflow.config.dataset import Dataset
from denseflow.config.registry import Registry
from denseflow.config.sources.sentences import SentencesSource
from denseflow.dataset.export import export
from denseflow.dataset.sentence_cuts import sentences, wiki40b_paragraphs
from denseflow.errors import DenseflowError
from denseflow.files import write_jsonl
from denseflow.manifest import write_manifest

PROJECT = Path(__file__).resolve().parents[2]
ENDS = SentencesSource(type="sentences", of="x").ends
PASSAGES = {
    "猫": "吾輩は猫である。名前はまだ無い。\n短い。どこで生れたかとんと見当がつかぬ。",
    "en": "This sentence is of ASCII alone!",
    "mixed": "『こころ。』は夏目漱石の小説である。It is of ASCII alone.",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("吾輩は猫である。名前はまだ無い。", ["吾輩は猫である。", "名前はまだ無い。"]),
        ("本当か！？本当だ！！それで", ["本当か！？", "本当だ！！", "それで"]),
        ("「行くぞ。帰るぞ。」と言った。彼は。", ["「行くぞ。帰るぞ。」と言った。", "彼は。"]),
        ("『「入れ子。」の中。』まで（注。）続く。次。", ["『「入れ子。」の中。』まで（注。）続く。", "次。"]),
        ("開いた「まま終わる。次の文。", ["開いた「まま終わる。", "次の文。"]),
        ("閉じた」だけの文。次。", ["閉じた」だけの文。", "次。"]),
        ("ずれた（「括弧）。」の文。", ["ずれた（「括弧）。", "」の文。"]),
        ("一行目\n 二行目。 三行目。\r\n\n", ["一行目", "二行目。", "三行目。"]),
        ("Yahoo!ニュースを読む。Really? はい", ["Yahoo!ニュースを読む。", "Really?", "はい"]),
        ("Ver. 2.0は2.5倍速い。", ["Ver. 2.0は2.5倍速い。"]),
        ("。。。", ["。。。"]),
        (" \n ", []),
        ("", []),
    ],
)
def test_sentences_end_at_their_marks_and_at_line_breaks_but_not_inside_brackets(text, expected):
    assert list(sentences(text, ENDS)) == expected


def test_other_languages_name_their_own_marks():
    assert list(sentences("It is 2.5 times as fast. Is it? Yes.", ".!?")) == [
        "It is 2.5 times as fast.",
        "Is it?",
        "Yes.",
    ]


def test_of_wiki40b_paragraphs_alone_are_taken():
    article = (
        "\n_START_ARTICLE_\n東京\n_START_PARAGRAPH_\n東京は首都である。_NEWLINE_人口は多い。\n"
        "_START_SECTION_\n歴史\n_START_PARAGRAPH_\n江戸と呼ばれた。"
    )
    assert wiki40b_paragraphs(article) == "東京は首都である。\n人口は多い。\n江戸と呼ばれた。"


@pytest.fixture
def collection(tmp_path):
    folder = tmp_path / "collection"
    folder.mkdir()
    write_jsonl(folder / "corpus.jsonl", ({"_id": id_, "title": "t", "text": text} for id_, text in PASSAGES.items()))
    write_manifest(folder, "dataset", ["corpus.jsonl"])
    return folder / "manifest.json"


def cut(collection, out, **options):
    source = json.loads(
        SentencesSource(type="sentences", of="collection", **options).model_dump_json(exclude_none=True)
    )
    manifest = export(source, out, collection)
    return {document.id: document.text for document in read_corpus(out / "corpus.jsonl")}, manifest


def test_short_ones_and_those_of_ascii_alone_are_left_out_and_counted(collection, tmp_path):
    found, manifest = cut(collection, tmp_path / "out", min_characters=8)
    assert found == {
        "猫.1": "吾輩は猫である。",
        "猫.2": "名前はまだ無い。",
        "猫.4": "どこで生れたかとんと見当がつかぬ。",
        "mixed.1": "『こころ。』は夏目漱石の小説である。",
    }
    assert manifest["facts"]["sentences"] == {"kept": 4, "too short": 1, "of ASCII alone": 2, "beyond max_sentences": 0}
    assert manifest["counts"] == {"documents": 4, "splits": {}}
    everything, _ = cut(collection, tmp_path / "all", min_characters=1, drop_ascii=False)
    assert len(everything) == 7


def test_a_collection_of_wiki40b_is_cut_without_its_marks_and_headings(collection, tmp_path):
    article = "\n_START_ARTICLE_\n東京\n_START_PARAGRAPH_\n東京は首都である。_NEWLINE_人口は多い。"
    write_jsonl(collection.with_name("corpus.jsonl"), [{"_id": "w", "title": "", "text": article}])
    write_manifest(collection.parent, "dataset", ["corpus.jsonl"])
    found, _ = cut(collection, tmp_path / "out", min_characters=1, wiki40b=True)
    assert found == {"w.1": "東京は首都である。", "w.2": "人口は多い。"}
    found, _ = cut(collection, tmp_path / "all", min_characters=1)
    assert "東京" in found.values()


def test_the_seed_decides_the_order_and_what_is_drawn(collection, tmp_path):
    whole, _ = cut(collection, tmp_path / "whole", min_characters=1)
    again, _ = cut(collection, tmp_path / "again", min_characters=1)
    other, _ = cut(collection, tmp_path / "other", min_characters=1, seed=1)
    assert list(again.items()) == list(whole.items())
    assert list(other) != list(whole)
    assert other == whole
    few, manifest = cut(collection, tmp_path / "few", min_characters=1, max_sentences=2)
    assert list(few) == list(whole)[:2]
    assert manifest["facts"]["sentences"]["beyond max_sentences"] == len(whole) - 2


def test_the_collection_that_they_are_of_is_checked_and_named_by_its_sum(collection, tmp_path):
    _, manifest = cut(collection, tmp_path / "out")
    assert manifest["inputs"].keys() == {"dataset"}
    collection.with_name("corpus.jsonl").write_text("other\n")
    with pytest.raises(DenseflowError, match=r"corpus\.jsonl"):
        cut(collection, tmp_path / "later")


def test_nothing_left_is_an_error_that_says_why(collection, tmp_path):
    with pytest.raises(DenseflowError, match=r"none of its 7 sentences is left .* `min_characters`"):
        cut(collection, tmp_path / "out", min_characters=1000)


@pytest.mark.parametrize(
    ("of", "message"),
    [("nothing", "there is no file"), ("ja-sentences", "which is of sentences itself")],
)
def test_what_they_are_of_is_looked_up_before_a_job_starts(tmp_path, of, message):
    files = {
        "datasets/ja-sentences": {"source": {"type": "sentences", "of": "beir"}, "language": "ja"},
        "datasets/beir": {"source": {"type": "beir", "path": str(tmp_path), "splits": ["test"]}},
        "datasets/mine": {"source": {"type": "sentences", "of": of}},
        "negatives/passages": {"queries": "passages"},
        "models/base": {"pretrained": {"hub": "x/y"}},
        "models/mine": {
            "trained": {
                "base": "base",
                "data": {"dataset": "mine", "negatives": "passages"},
                "recipe": {"loss": {"name": "simcse"}},
            }
        },
        "experiments/e": {
            "evaluate_on": [{"dataset": "beir"}],
            "systems": {"before": {"model": "base"}, "after": {"model": "mine"}},
        },
    }
    for name, value in files.items():
        path = tmp_path / "config" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(value))
    with pytest.raises(DenseflowError, match=message):
        Registry({"experiments": ["e"]}, tmp_path / "config")


def test_jaquad_s_sentences_are_cut(shared, tmp_path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    read = TypeAdapter(Dataset).validate_python
    of = read(yaml.safe_load((PROJECT / "config/datasets/jaquad.yaml").read_text(encoding="utf-8")))
    passages = json.loads(of.source.model_dump_json(exclude_none=True))
    export(passages, tmp_path / "jaquad")
    found, manifest = cut(tmp_path / "jaquad" / "manifest.json", tmp_path / "out")
    assert manifest["facts"]["sentences"]["kept"] == len(found)
    assert 69_000 < len(found) < 70_500
    assert Counter(text[-1] for text in found.values()).most_common(1)[0][0] == "。"
    assert not any(text.isascii() or "\n" in text for text in found.values())
