import json
import subprocess
import sys
from pathlib import Path

import pytest

from denseflow.bm25 import index as index_module
from denseflow.bm25.analyzers import ANALYZERS, check_analyzer
from denseflow.bm25.index import build_index
from denseflow.bm25.java import java_class, start
from denseflow.bm25.search import search
from denseflow.errors import DenseflowError
from denseflow.files import write_jsonl, write_text
from denseflow.manifest import write_manifest
from denseflow.run_file import read_run


def make_dataset(folder, documents, queries, split="test"):
    """Lay a collection out as the dataset stage does; ``documents`` are (id, title, text)."""
    rows = ({"_id": id_, "title": title, "text": text} for id_, title, text in documents)
    write_jsonl(folder / "corpus.jsonl", rows)
    write_jsonl(folder / f"queries.{split}.jsonl", ({"_id": id_, "text": text} for id_, text in queries))
    write_manifest(folder, "dataset", ["corpus.jsonl", f"queries.{split}.jsonl"])
    return folder


def rank(dataset, index, run, *, k1=0.9, b=0.4, depth=1000, threads=2):
    search(
        index / "manifest.json",
        dataset / "queries.test.jsonl",
        run,
        k1=k1,
        b=b,
        depth=depth,
        threads=threads,
        dataset_manifest=dataset / "manifest.json",
    )
    return read_run(run)


def bm25(folder, documents, queries, *, analyzer="en", **options):
    """The documents' ids best first, by query id."""
    dataset = make_dataset(folder / "dataset", documents, queries)
    build_index(dataset / "corpus.jsonl", dataset / "manifest.json", folder / "index", analyzer=analyzer)
    run = rank(dataset, folder / "index", folder / "run.trec", **options)
    return {query_id: list(ranking) for query_id, ranking in run.items()}


ENGLISH = [
    ("short", "", "running shoes"),
    ("long", "", "running shoes and many other words about rivers mountains lakes forests deserts oceans islands"),
    ("often", "", "shoes shoes shoes shoes rivers mountains lakes forests deserts oceans islands glaciers volcanoes"),
    ("other", "A title about marathons", "nothing else"),
]


@pytest.fixture(scope="module")
def english(tmp_path_factory):
    folder = tmp_path_factory.mktemp("english")
    queries = [
        ("stem", "run shoe"),
        ("title", "marathon"),
        ("nothing", "zebra"),
        ("blank", "   "),
        ("empty", ""),
        ("punctuation", 'AND OR NOT (+shoes) "running" ~2 ^3 [a TO b] {c} * ? : \\ / && || !'),
        ("long", " ".join(f"word{i}" for i in range(3000)) + " shoes"),
        ("emoji", "😀 shoes\u0000 \t\n marathon"),
    ]
    dataset = make_dataset(folder / "dataset", ENGLISH, queries)
    manifest = build_index(dataset / "corpus.jsonl", dataset / "manifest.json", folder / "index", analyzer="en")
    return dataset, folder / "index", manifest


def test_the_table_of_analyzers_is_anserinis_own():
    start(memory_mb=512, threads=1)
    anserini = java_class("io.anserini.analysis.AnalyzerMap").analyzerMap
    theirs = {name: anserini.get(name) for name in ANALYZERS if anserini.containsKey(name)}
    assert theirs == {name: ANALYZERS[name] for name in theirs}
    assert len(theirs) == anserini.size()
    assert set(ANALYZERS) - set(theirs) == {"en", "whitespace", "character_bigrams", "ha", "so", "sw", "yo"}


def test_an_unknown_analyzer_is_refused_with_the_list_of_those_known():
    with pytest.raises(DenseflowError, match=r"found 'english', expected one of ar, bn, .* whitespace, yo, zh"):
        check_analyzer("english")


def test_words_are_stemmed_titles_are_searched_and_queries_without_hits_have_no_line(english, tmp_path):
    dataset, index, _ = english
    run = rank(dataset, index, tmp_path / "test.top1000.trec")
    assert set(run["stem"]) == {"short", "long", "often"}
    assert list(run["title"]) == ["other"]
    assert not {"nothing", "blank", "empty"} & set(run)
    manifest = json.loads((tmp_path / "test.top1000.manifest.json").read_text())
    assert manifest["counts"] == {"queries": 8, "queries_without_hits": 3, "hits": 3 + 1 + 3 + 3 + 4}
    assert manifest["warnings"] == ["3 of 8 queries find no document"]


def test_punctuation_long_queries_and_any_character_are_only_words(english, tmp_path):
    dataset, index, _ = english
    run = rank(dataset, index, tmp_path / "run.trec")
    assert set(run["punctuation"]) == {"short", "long", "often"}
    assert set(run["long"]) == {"short", "long", "often"}
    assert set(run["emoji"]) == {"short", "long", "often", "other"}


@pytest.mark.parametrize(("option", "one", "other"), [("k1", 0.1, 3.0), ("b", 0.0, 1.0)])
def test_k1_and_b_change_the_scores(english, tmp_path, option, one, other):
    dataset, index, _ = english
    runs = [rank(dataset, index, tmp_path / f"{value}.trec", **{option: value}) for value in (one, other)]
    assert runs[0]["stem"] != runs[1]["stem"]


def test_depth_limits_each_ranking(english, tmp_path):
    dataset, index, _ = english
    assert len(rank(dataset, index, tmp_path / "run.trec", depth=2)["stem"]) == 2


def test_threads_do_not_change_the_run(english, tmp_path):
    dataset, index, _ = english
    rank(dataset, index, tmp_path / "one.trec", threads=1)
    rank(dataset, index, tmp_path / "two.trec", threads=2)
    assert (tmp_path / "one.trec").read_bytes() == (tmp_path / "two.trec").read_bytes()


def test_ties_are_ordered_by_document_id_whatever_the_order_and_the_threads_of_indexing(tmp_path, monkeypatch):
    monkeypatch.setattr(index_module, "DOCUMENTS_A_FILE", 3)
    documents = [(f"d{i}", "", "the same words") for i in range(12)] + [("e1", "", "something else entirely")]
    runs = []
    for name, order, threads in [("forward", documents, 1), ("backward", documents[::-1], 2)]:
        dataset = make_dataset(tmp_path / name, order, [("q", "words")])
        build_index(
            dataset / "corpus.jsonl",
            dataset / "manifest.json",
            tmp_path / name / "index",
            analyzer="en",
            threads=threads,
        )
        runs.append(rank(dataset, tmp_path / name / "index", tmp_path / name / "run.trec", depth=5))
    assert list(runs[0]["q"]) == ["d0", "d1", "d10", "d11", "d2"]
    assert list(runs[0]["q"].items()) == list(runs[1]["q"].items())
    scores = list(runs[0]["q"].values())
    assert scores == sorted(set(scores), reverse=True)


def test_the_index_is_read_with_the_analyzer_that_made_it(tmp_path):
    documents = [("upper", "", "Running Shoes"), ("lower", "", "running shoes"), ("x", "", "x")]
    found = bm25(tmp_path, documents, [("q", "Running"), ("stem", "runs")], analyzer="whitespace")
    assert found == {"q": ["upper"]}


def test_japanese_is_cut_into_words(tmp_path):
    documents = [
        ("tokyo", "", "東京都は日本の首都です。"),
        ("kyoto", "", "京都には古いお寺がたくさんあります。"),
        ("eat", "", "昨日、寿司を食べました。"),
    ]
    found = bm25(tmp_path, documents, [("kyoto", "京都"), ("eat", "寿司を食べる")], analyzer="ja")
    assert found == {"kyoto": ["kyoto"], "eat": ["eat"]}  # 東京都 holds 京都 as characters, not as a word


def test_korean_finds_words_with_other_particles(tmp_path):
    documents = [("seoul", "", "서울은 대한민국의 수도이다."), ("busan", "", "부산에서 바다를 보았다.")]
    found = bm25(tmp_path, documents, [("q", "서울의 날씨")], analyzer="ko")
    assert found == {"q": ["seoul"]}


def test_empty_documents_are_counted_and_an_index_of_nothing_is_refused(tmp_path):
    dataset = make_dataset(tmp_path / "d", [("a", "", " "), ("b", "", "words")], [("q", "words")])
    manifest = build_index(dataset / "corpus.jsonl", dataset / "manifest.json", tmp_path / "index", analyzer="en")
    assert (manifest["documents"], manifest["empty_documents"]) == (2, 1)
    assert manifest["warnings"] == ["1 of 2 documents are empty and can never be found"]
    dataset = make_dataset(tmp_path / "e", [("a", "", "")], [("q", "words")])
    with pytest.raises(DenseflowError, match="of 1 documents Anserini indexed 0"):
        build_index(dataset / "corpus.jsonl", dataset / "manifest.json", tmp_path / "none", analyzer="en")
    assert not (tmp_path / "none").exists()


def test_a_broken_index_a_changed_corpus_and_an_index_of_another_corpus_are_refused(english, tmp_path):
    _, index, _ = english
    other = make_dataset(tmp_path / "other", ENGLISH[:2], [("q", "words")])
    with pytest.raises(DenseflowError, match="the index is of a corpus with sha256"):
        rank(other, index, tmp_path / "run.trec")
    write_text(other / "corpus.jsonl", "{}\n")
    with pytest.raises(DenseflowError, match="differs from"):
        build_index(other / "corpus.jsonl", other / "manifest.json", tmp_path / "index", analyzer="en")
    assert not (tmp_path / "run.trec").exists()
    assert not (tmp_path / "index").exists()


def test_a_failure_of_java_is_told_and_leaves_nothing_behind(english, tmp_path):
    dataset, _, _ = english
    with pytest.raises(DenseflowError, match="ended with code 1 at a heap of 1 MiB"):
        build_index(dataset / "corpus.jsonl", dataset / "manifest.json", tmp_path / "index", analyzer="en", memory_mb=1)
    assert list(tmp_path.iterdir()) == []


def test_a_new_index_replaces_an_old_one_and_what_an_interrupted_one_left(english, tmp_path):
    dataset, _, manifest = english
    for folder in (tmp_path / "index", tmp_path / ".index.partial"):
        folder.mkdir()
        (folder / "old").write_text("old")
    build_index(dataset / "corpus.jsonl", dataset / "manifest.json", tmp_path / "index", analyzer="en")
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    assert {path.name for path in (tmp_path / "index").iterdir()} == {*manifest["files"], "manifest.json"}


def test_a_run_and_its_manifest_are_the_same_when_the_index_is_made_again(english, tmp_path):
    dataset, index, _ = english
    build_index(dataset / "corpus.jsonl", dataset / "manifest.json", tmp_path / "index", analyzer="en")
    for folder in (index, tmp_path / "index"):
        rank(dataset, folder, tmp_path / folder.parent.name / "run.trec")
    names = [index.parent.name, tmp_path.name]
    for file in ("run.trec", "run.manifest.json"):
        assert (tmp_path / names[0] / file).read_bytes() == (tmp_path / names[1] / file).read_bytes()


def test_nothing_but_the_packages_own_java_is_used(english, tmp_path):
    dataset, index, _ = english
    program = f"""
from pathlib import Path
from denseflow.bm25.search import search
dataset, index = Path({str(dataset)!r}), Path({str(index)!r})
search(index / "manifest.json", dataset / "queries.test.jsonl", Path({str(tmp_path)!r}) / "run.trec", k1=0.9, b=0.4,
       depth=3, threads=1, dataset_manifest=dataset / "manifest.json")
import sys
print([name for name in ("torch", "transformers", "pyserini") if name in sys.modules])
"""
    source = Path(index_module.__file__).resolve().parents[2]
    environment = {"PATH": "/nowhere", "JAVA_HOME": "/nowhere", "PYTHONPATH": str(source)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"  # Java's log goes to stderr, and nothing heavy is imported
    assert read_run(tmp_path / "run.trec")
