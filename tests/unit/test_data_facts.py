"""What is said of a collection before anyone trains: on small ones with known counts, and on real ones."""

import json
from collections import Counter
from itertools import combinations
from random import Random

import pytest
from real_collections import lay_out_nfcorpus, lay_out_scifact

from denseflow.errors import DenseflowError
from denseflow.manifest import write_manifest
from denseflow.report.data import histogram, passages, splits
from denseflow.report.data.facts import FILE, MANIFEST, read_facts, write_facts
from denseflow.report.data.histogram import Bar
from denseflow.report.data.languages import languages
from denseflow.report.data.near_pairs import different_words, different_words_or_bigrams, near_pairs, near_texts
from denseflow.report.data.passages import passage_facts
from denseflow.report.data.sampling import sampled, sampled_rows
from denseflow.report.data.splits import Split, between, ordered, split_facts

ENGLISH = "The heart pumps blood through the body, and the lungs give it oxygen"


def lay_out(folder, documents, **of_splits):
    """A dataset's folder: (title, text) by id, and for each split (text, {document: level}) by query id."""
    folder.mkdir(parents=True)
    rows = [{"_id": id_, "title": title, "text": text} for id_, (title, text) in documents.items()]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    names = ["corpus.jsonl"]
    for split, queries in of_splits.items():
        rows = [{"_id": id_, "text": text} for id_, (text, _) in queries.items()]
        (folder / f"queries.{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        lines = [f"{id_}\t{doc}\t{level}\n" for id_, (_, of) in queries.items() for doc, level in of.items()]
        (folder / f"qrels.{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
        names += [f"queries.{split}.jsonl", f"qrels.{split}.tsv"]
    counts = {"documents": len(documents), "splits": {split: {} for split in of_splits}}
    write_manifest(folder, "dataset", names, counts=counts)
    return folder


@pytest.fixture
def folder(tmp_path):
    documents = {
        "d1": ("Heart", ENGLISH),
        "d2": ("Another title", ENGLISH.upper()),
        "d3": ("", ENGLISH + " too"),
        "d4": ("", ""),
        "d5": ("Only a title", ""),
    }
    train = {
        "t1": ("what does the heart pump", {"d1": 1}),
        "t2": ("what gives oxygen", {"d3": 2, "d5": 0}),
        "t3": ("What  GIVES oxygen", {"d9": 1}),
    }
    test = {
        "q1": ("what does a heart pump", {"d1": 1, "d5": 1}),
        "q2": ("what gives oxygen", {"d5": 0}),
        "q3": ("never judged", {}),
    }
    return lay_out(tmp_path / "docs", documents, test=test, train=train)


@pytest.fixture
def facts(folder):
    return write_facts(folder / "manifest.json")


def test_passages_are_counted_with_those_that_are_empty_untitled_repeated_and_nearly_repeated(facts):
    of = facts["passages"]
    assert (of["count"], of["empty"], of["without_title"]) == (5, 1, 2)
    assert of["repeated"]["passages"] == 2
    assert [one["ids"] for one in of["repeated"]["examples"]] == [["d1", "d2"]]
    assert (of["near_duplicates"]["passages"], of["near_duplicates"]["pairs"]) == (3, 2)
    assert of["lengths"]["words"]["max"] == 15  # d2, with its title
    assert sum(bar.things for bar in of["lengths"]["words"]["histogram"]) == 5


def test_a_split_is_counted_with_its_levels_and_what_is_judged_but_not_there(facts):
    train, test = facts["splits"]["train"], facts["splits"]["test"]
    assert (train["queries"], train["judged"], train["judgements"]) == (3, 3, 4)
    assert train["levels"] == {"0": 1, "1": 2, "2": 1}
    assert train["unknown_documents"] == {"count": 1, "examples": ["d9"]}
    assert (train["repeated"], train["near"]["queries"]) == (2, 2)
    assert (test["judged"], test["without_relevant"], test["relevant_documents"]) == (2, 1, 2)
    assert test["relevant_a_query"] == [Bar(0, 0, 1), Bar(1, 1, 0), Bar(2, 2, 1)]
    assert test["most_relevant"][0] == ["q1", "what does a heart pump", 2]


def test_what_test_shares_with_train_is_counted_from_test(facts):
    (pair,) = facts["between"]
    assert (pair["split"], pair["earlier"], pair["queries"]) == ("test", "train", 2)
    assert (pair["same_text"], pair["near"], pair["near_twins"]) == (1, 2, 1)
    assert pair["examples"] == [["what does a heart pump", "what does the heart pump"]]
    assert (pair["relevant_documents"], pair["relevant_in_both"], pair["queries_known"]) == (2, 1, 0)


def test_the_facts_are_the_same_each_time_and_an_altered_file_is_refused(folder, facts):
    first = (folder / FILE).read_bytes(), (folder / MANIFEST).read_bytes()
    write_facts(folder / "manifest.json")
    assert first == ((folder / FILE).read_bytes(), (folder / MANIFEST).read_bytes())
    assert read_facts(folder / MANIFEST) == json.loads(json.dumps(facts))
    (folder / FILE).write_text("{}")
    with pytest.raises(DenseflowError, match=r"data\.json: sha256"):
        read_facts(folder / MANIFEST)


def test_of_many_passages_a_sample_is_compared_and_all_are_counted(tmp_path, monkeypatch):
    documents = {f"d{n}": ("", f"number {n} of the passages {n}") for n in range(40)}
    folder = lay_out(tmp_path / "many", documents, test={"q": ("number", {"d1": 1})})
    monkeypatch.setattr(passages, "NEAR_LOOKED_AT", 10)
    of, missing = passage_facts(folder / "corpus.jsonl", 40, {"d1", "d99"})
    assert (of["count"], of["near_duplicates"]["looked_at"], missing) == (40, 10, {"d99"})
    assert of["lengths"]["words"]["mean"] == 6


def test_of_many_queries_a_sample_is_compared_with_all_of_the_other_split(monkeypatch):
    one = Split("test", {f"q{n}": f"query {n}" for n in range(20)}, {f"q{n}": {"d": 1} for n in range(20)})
    other = one._replace(name="train")
    monkeypatch.setattr(splits, "MOST_PAIRS", 100)
    (pair,) = between([other, one])
    assert (pair["looked_at"], pair["near_twins"], pair["same_text"], pair["same_id"]) == (5, 5, 20, 20)


def test_the_same_rows_are_drawn_each_time_in_order():
    assert sampled_rows(5, 5) == [0, 1, 2, 3, 4]
    rows = sampled_rows(1000, 10)
    assert rows == sorted(set(rows)) == sampled_rows(1000, 10)
    assert len(rows) == 10
    assert sampled({"a": 1, "b": 2}, 5) == {"a": 1, "b": 2}


def test_splits_go_from_training_to_test():
    assert ordered(["test", "dev", "train"]) == ["train", "dev", "test"]
    assert ordered(["mytest", "validation", "train2"]) == ["train2", "validation", "mytest"]


def test_bars_of_lengths_have_one_round_width_and_the_last_holds_what_is_longer():
    lengths = Counter(dict.fromkeys(range(1, 101), 10)) + Counter({5000: 1})
    bars = histogram.of_lengths(lengths)
    assert bars[:2] == [Bar(0, 4, 40), Bar(5, 9, 50)]
    assert bars[-1].high == 5000
    assert sum(bar.things for bar in bars) == lengths.total()
    assert histogram.of_lengths(Counter()) == []


def test_bars_of_counts_are_single_while_small():
    bars = histogram.of_counts([1, 1, 3, 7, 9, 1500])
    assert [(bar.label, bar.things) for bar in bars][:5] == [("1", 2), ("2", 0), ("3", 1), ("4", 0), ("5-9", 2)]
    assert (bars[-1].label, bars[-1].things) == ("1,000-1,500", 1)


@pytest.mark.parametrize("share", [0.5, 0.6, 0.8, 1.0])
def test_no_near_pair_is_missed(share):
    random = Random(1)
    words = [f"w{n}" for n in range(12)]
    sets = list({frozenset(random.sample(words, random.randint(1, 8))) for _ in range(150)})
    expected = {
        (one, other)
        for one, other in combinations(range(len(sets)), 2)
        if len(sets[one] & sets[other]) >= share * len(sets[one] | sets[other]) - 1e-9
    }
    assert {pair[:2] for pair in near_pairs(sets, share)} == expected
    assert len(expected) > 10 or share == 1


def test_words_are_compared_without_case_and_marks_and_by_character_where_there_are_no_spaces():
    assert different_words("The cat, the CAT!") == {"the", "cat"}
    assert different_words("富士山 is high") == {"富", "士", "山", "is", "high"}
    assert different_words_or_bigrams("富士山 is High, 山") == {"富士", "士山", "is", "high", "山"}
    assert near_texts(map(different_words, ["?", "!", "富士山の高さ", "富士山の高さは"]), 0.8, 3).texts == 2


def test_languages_and_scripts_are_told_and_short_texts_are_not_guessed():
    told = languages([ENGLISH, "심장은 혈액을 온몸으로 보내고 폐는 산소를 공급한다", "short"])
    assert (told["texts"], told["languages"]) == (2, {"en": 1, "ko": 1})
    assert list(told["scripts"]) == ["Latin", "Hangul"]
    assert languages([]) == {"texts": 0, "languages": {}, "scripts": {}}


def test_114_of_scifact_s_test_claims_have_a_near_twin_in_train(shared, tmp_path):
    folder = lay_out_scifact(shared, tmp_path, ("train", "test"))
    (pair,) = between([Split.read(folder, "train"), Split.read(folder, "test")])
    assert (pair["queries"], pair["near_twins"]) == (300, 114)
    assert split_facts(Split.read(folder, "test"), set())["judgements"] == 339


def test_80_of_nfcorpus_passages_have_a_text_twice_and_its_levels_are_graded(shared, tmp_path):
    folder = lay_out_nfcorpus(shared, tmp_path, ("test",))
    split = Split.read(folder, "test")
    of, missing = passage_facts(folder / "corpus.jsonl", 3633, {id_ for of in split.qrels.values() for id_ in of})
    assert (of["repeated"]["texts"], of["repeated"]["passages"], missing) == (40, 80, set())
    assert of["near_duplicates"]["passages"] == 82
    assert of["languages"] == {"en": 2000}
    assert split_facts(split, missing)["levels"] == {"1": 11758, "2": 576}
