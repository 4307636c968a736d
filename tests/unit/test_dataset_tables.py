"""One's own tables and plain lines: every form of column, what is wrong with them, and real collections read so."""

import gzip
import json
from pathlib import Path

import pytest
import yaml
from real_collections import lay_out_nfcorpus, lay_out_scifact

from denseflow.collection import read_answers, read_corpus, read_qrels, read_queries
from denseflow.config.answers import may_have_answers
from denseflow.config.dataset import Dataset
from denseflow.config.load import check
from denseflow.config.registry import Registry
from denseflow.dataset.export import export
from denseflow.errors import DenseflowError
from denseflow.manifest import read_manifest
from denseflow.workflow.canonical import canonical

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENTS = 'id,title,text\nd1,Apples,Apples are red.\nd2,,"Pears are green,\nand long."\n'
QUERIES = 'id\ttext\nq1\tred "fruit"\nq2\tgreen fruit\nq3\tnone\n'
JUDGEMENTS = "q1 0 d1 2\nq2 0 d2 1\nq2 0 d1 0\n"
TABLES = {
    "documents": [{"file": "d.csv", "id": "id", "title": "title", "text": ["text"]}],
    "queries": [{"file": "q.tsv", "id": "id", "text": ["text"]}],
    "judgements": {"test": {"file": "j.qrels", "format": "spaces", "query": 1, "document": 3, "level": 4}},
}
FILES = {"d.csv": DOCUMENTS, "q.tsv": QUERIES, "j.qrels": JUDGEMENTS}


def exported(folder: Path, source: dict, files: dict[str, str] | None = None) -> Path:
    """The collection of a source as config/datasets has it, of files that are named in it by their names."""
    for name, text in (files or {}).items():
        packed = name.endswith(".gz")
        (folder / name).write_bytes(gzip.compress(text.encode()) if packed else text.encode())

    def placed(value, key=""):
        if isinstance(value, dict):
            return {name: placed(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [{"path": str(folder / one)} if key == "files" else placed(one) for one in value]
        return {"path": str(folder / value)} if key == "file" else value

    dataset = check(Dataset, {"source": placed(source)}, "here.yaml")
    export(json.loads(canonical(dataset.source)), folder / "out")
    return folder / "out"


def real(shared: Path, name: str, folder: Path) -> Path:
    """The collection of config/datasets/NAME.yaml."""
    text = (PROJECT / f"config/datasets/{name}.yaml").read_text(encoding="utf-8").replace("../shared/", f"{shared}/")
    dataset = check(Dataset, yaml.safe_load(text), name)
    export(json.loads(canonical(dataset.mirror or dataset.source)), folder)
    return folder


def tables(**changes) -> dict:
    return {"type": "tables", **TABLES, **changes}


def all_of(folder: Path) -> tuple:
    """Documents, queries and judgements of the split test."""
    qrels = read_qrels(folder / "qrels.test.tsv")
    return (
        [tuple(one) for one in read_corpus(folder / "corpus.jsonl")],
        read_queries(folder / "queries.test.jsonl"),
        qrels,
    )


def test_csv_tsv_and_qrels_make_a_collection(tmp_path):
    documents, queries, qrels = all_of(exported(tmp_path, tables(), FILES))
    assert documents == [("d1", "Apples", "Apples are red."), ("d2", "", "Pears are green,\nand long.")]
    assert queries == {"q1": 'red "fruit"', "q2": "green fruit"}
    assert qrels == {"q1": {"d1": 2}, "q2": {"d2": 1, "d1": 0}}


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_columns_go_by_number_without_a_header_and_ids_by_row_without_a_column(tmp_path, mark):
    files = {
        "d.tsv.gz": f"{mark}Apples are red.\tApples\nPears are green.\tPears\n",
        "q.csv": mark + "1,red fruit\n2,green fruit\n",
        "j.tsv": "1\t1\n2\t2\n",
    }
    source = tables(
        documents=[{"file": "d.tsv.gz", "title": 2, "text": [1]}],
        queries=[{"file": "q.csv", "id": 1, "text": [2]}],
        judgements={"test": {"file": "j.tsv", "query": 1, "document": 2}},
    )
    documents, queries, qrels = all_of(exported(tmp_path, source, files))
    assert documents == [("1", "Apples", "Apples are red."), ("2", "Pears", "Pears are green.")]
    assert queries == {"1": "red fruit", "2": "green fruit"}
    assert qrels == {"1": {"1": 1}, "2": {"2": 1}}


def test_json_may_have_nested_columns_numbers_as_ids_lists_and_answers(tmp_path):
    rows = [
        {"n": 7, "of": {"name": "Paris", "body": "A city."}, "more": "Large."},
        {"n": 8, "of": {"name": None, "body": "b"}, "more": None},
    ]
    queries = [
        {"n": 1, "q": "Where?", "a": ["Paris", " "]},
        {"n": 2, "q": "Who?", "a": "b"},
        {"n": 3, "q": "?", "a": None},
    ]
    judged = [{"q": 1, "d": [7, 8], "how": "good"}, {"q": 2, "d": 8, "how": "fair"}, {"q": 3, "d": 8, "how": "no"}]
    files = {
        "d.json": json.dumps(rows),
        "q.jsonl": "".join(json.dumps(row) + "\n" for row in queries),
        "j.json": json.dumps(judged),
    }
    source = tables(
        documents=[{"file": "d.json", "id": "n", "title": "of.name", "text": ["of.body", "more"]}],
        queries=[{"file": "q.jsonl", "id": "n", "text": ["q"], "answers": "a"}],
        judgements={
            "test": {"file": "j.json", "query": "q", "document": "d", "level": "how", "levels": {"good": 2, "fair": 1}}
        },
    )
    out = exported(tmp_path, source, files)
    assert all_of(out) == (
        [("7", "Paris", "A city. Large."), ("8", "", "b")],
        {"1": "Where?", "2": "Who?"},
        {"1": {"7": 2, "8": 2}, "2": {"8": 1}},
    )
    assert read_answers(out / "queries.test.jsonl") == {"1": ["Paris"], "2": ["b"]}


def test_several_files_are_one_collection_and_their_rows_are_told_apart(tmp_path):
    files = {"a.csv": "text\nred\n", "b.csv": "text\ngreen\n", "q.csv": "id,text\n1,colour\n", "j.csv": "q,d\n1,2-1\n"}
    source = tables(
        documents=[{"file": name, "text": ["text"]} for name in ("a.csv", "b.csv")],
        queries=[{"file": "q.csv", "id": "id", "text": ["text"]}],
        judgements={"test": {"file": "j.csv", "query": "q", "document": "d"}},
    )
    documents, _, qrels = all_of(exported(tmp_path, source, files))
    assert (documents, qrels) == ([("1-1", "", "red"), ("2-1", "", "green")], {"1": {"2-1": 1}})


PAIRS = """\
question\tanswer\tname\tlevel
what is red\tAn apple.\tA\t2
what is green\tA pear.\tP\t1
what is red\tA pear.\tP\t0
"""


def test_pairs_make_a_collection_in_which_equal_texts_are_one(tmp_path):
    columns = {"query": "question", "passage": "answer", "title": "name", "level": "level"}
    source = {"type": "tables", "pairs": {"train": {"file": "p.tsv", **columns}, "test": {"file": "t.tsv", **columns}}}
    other = "question\tanswer\tname\tlevel\nwhat is long\tA pear.\tP\t1\nwhat is round\tAn apple.\tB\t1\n"
    out = exported(tmp_path, source, {"p.tsv": PAIRS, "t.tsv": other})
    documents = {(one.title, one.text): one.id for one in read_corpus(out / "corpus.jsonl")}
    assert set(documents) == {("A", "An apple."), ("P", "A pear."), ("B", "An apple.")}
    queries = {text: query_id for query_id, text in read_queries(out / "queries.train.jsonl").items()}
    assert list(queries) == ["what is red", "what is green"]
    assert read_qrels(out / "qrels.train.tsv") == {
        queries["what is red"]: {documents["A", "An apple."]: 2, documents["P", "A pear."]: 0},
        queries["what is green"]: {documents["P", "A pear."]: 1},
    }
    assert list(read_queries(out / "queries.test.jsonl").values()) == ["what is long", "what is round"]
    assert read_manifest(out / "manifest.json")["counts"]["documents"] == 3


def test_pairs_may_have_ids_and_answers_of_their_own(tmp_path):
    rows = [
        {"q": "Where?", "p": "In Paris.", "qid": 5, "pid": "x", "a": {"text": ["Paris"]}},
        {"q": "Who?", "p": "In Paris.", "qid": 6, "pid": "x", "a": {"text": []}},
    ]
    columns = {"query": "q", "passage": "p", "query_id": "qid", "passage_id": "pid", "answers": "a.text"}
    out = exported(
        tmp_path, {"type": "tables", "pairs": {"test": {"file": "p.json", **columns}}}, {"p.json": json.dumps(rows)}
    )
    assert all_of(out) == ([("x", "", "In Paris.")], {"5": "Where?", "6": "Who?"}, {"5": {"x": 1}, "6": {"x": 1}})
    assert read_answers(out / "queries.test.jsonl") == {"5": ["Paris"]}


def test_pairs_may_have_negatives_which_are_passages_but_never_relevant_ones(tmp_path):
    rows = [
        {"q": "red?", "p": "An apple.", "t": "A", "n": "A pear.", "more": ["A plum.", " ", "An apple."]},
        {"q": "green?", "p": "A pear.", "t": "P", "n": None, "more": []},
        {"q": "red?", "p": "A plum.", "t": "", "n": "A fig.", "more": []},
    ]
    columns = {"query": "q", "passage": "p", "title": "t", "negatives": ["n", "more"]}
    source = {"type": "tables", "pairs": {"train": {"file": "p.json", **columns}}}
    out = exported(tmp_path, source, {"p.json": json.dumps(rows)})
    passages = {one.id: one.text for one in read_corpus(out / "corpus.jsonl")}
    assert sorted(passages.values()) == ["A fig.", "A pear.", "A plum.", "An apple."]
    lists = [json.loads(line) for line in (out / "negatives.train.jsonl").read_text().splitlines()]
    assert [[passages[one] for one in row["hard"]] for row in lists] == [["A pear.", "A fig."], []]
    assert read_manifest(out / "manifest.json")["counts"]["splits"]["train"]["judgements"] == 3


@pytest.mark.parametrize(
    ("split", "kind", "message"),
    [
        ("train", "hard", None),
        ("test", "hard", r"'d' come without negatives in the split 'train'.*pairs whose `negatives` name columns"),
        ("train", "easy", r"own\.yaml: key 'sources\[0\].kind': 'easy', but .* 'd' is of `type: tables`"),
    ],
)
def test_negatives_of_the_type_given_need_their_columns_in_the_split_that_is_trained_on(tmp_path, split, kind, message):
    pairs = {
        name: {"file": {"path": str(tmp_path / "p.csv")}, "query": "q", "passage": "p"} for name in ("train", "test")
    }
    pairs[split]["negatives"] = ["n"]
    (tmp_path / "p.csv").write_text("q,p,n\na,b,c\n")
    files = {
        "datasets/d": {"source": {"type": "tables", "pairs": pairs}},
        "negatives/own": {"sources": [{"type": "given", "count": 1, "kind": kind}]},
        "models/base": {"pretrained": {"path": str(tmp_path)}},
        "models/m": {"trained": {"base": "base", "data": {"dataset": "d", "negatives": "own"}}},
        "experiments/e": {
            "evaluate_on": [{"dataset": "d", "split": "train"}],
            "systems": {"before": {"model": "base"}, "after": {"model": "m"}},
        },
    }
    for name, value in files.items():
        path = tmp_path / "config" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(value))
    if message is None:
        Registry({"experiments": ["e"]}, tmp_path / "config")
        return
    with pytest.raises(DenseflowError, match=message):
        Registry({"experiments": ["e"]}, tmp_path / "config")


def test_lines_are_passages_named_by_their_number(tmp_path):
    files = {"a.txt": "\ufeffone line\n\n  a line more \r\none line\nx\n", "b.txt.gz": "a line more\nlast\n"}
    out = exported(tmp_path, {"type": "lines", "files": list(files), "min_characters": 2}, files)
    documents = [tuple(one) for one in read_corpus(out / "corpus.jsonl")]
    assert documents == [("1-1", "", "one line"), ("1-3", "", "a line more"), ("2-2", "", "last")]
    assert read_manifest(out / "manifest.json")["facts"]["lines_left_out"] == {"short": 2, "repeated": 2}
    assert sorted(path.name for path in out.iterdir()) == ["corpus.jsonl", "manifest.json"]
    out = exported(tmp_path, {"type": "lines", "files": ["a.txt"], "repeated": "keep"})
    assert [one.id for one in read_corpus(out / "corpus.jsonl")] == ["1", "3", "4", "5"]


def test_lines_may_be_judged_elsewhere(tmp_path):
    files = {"a.txt": "apples are red\npears are green\n", "q.csv": "id,text\nq,green\n", "j.csv": "q,d\nq,2\n"}
    queries = [{"file": "q.csv", "id": "id", "text": ["text"]}]
    judgements = {"test": {"file": "j.csv", "query": "q", "document": "d"}}
    source = {"type": "lines", "files": ["a.txt"], "queries": queries, "judgements": judgements}
    documents, texts, qrels = all_of(exported(tmp_path, source, files))
    assert (documents[1], texts, qrels) == (("2", "", "pears are green"), {"q": "green"}, {"q": {"2": 1}})


def test_a_measure_of_answers_on_lines_needs_their_column(tmp_path):
    def dataset(**columns):
        queries = [{"file": {"path": "q.csv"}, "text": ["text"], **columns}]
        judgements = {"test": {"file": {"path": "j.csv"}, "query": "q", "document": "d"}}
        source = {"type": "lines", "files": [{"path": "a.txt"}], "queries": queries, "judgements": judgements}
        return check(Dataset, {"source": source}, "d.yaml")

    assert may_have_answers(dataset(answers="a"), "test")
    assert not may_have_answers(dataset(), "test")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("d.csv", "id,text\nd1,a\n", "d.csv, row 1: no column 'title'; there are id, text"),
        ("d.csv", "id,title,text,text\nd1,a,b,c\n", "d.csv: the header has the column 'text' more than once"),
        ("d.csv", "id,title,text\nd1,a\n", "d.csv, row 1: 2 columns, expected 3"),
        ("d.csv", "id,title,text\nd1,a,b\nd1,a,c\n", "document 'd1' comes twice"),
        ("q.tsv", "id\ttext\nq1\ta\nq1\tb\n", "row 2: query 'q1' is 'b', but was 'a' before"),
        ("j.qrels", "q1 0 d1 good\n", "row 1, column 4: found 'good', expected a whole number; say with `levels`"),
        ("j.qrels", "q1 0 d1 1\nq9 0 d1 1\n", "row 2: query 'q9' is not among the queries"),
        ("j.qrels", "q1 0 d1 1\nq1 0 d1\n", "row 2: 3 columns, expected 4"),
        ("j.qrels", "q1 0 [d1 1\n", None),
    ],
)
def test_what_is_wrong_is_said_with_file_row_and_column(tmp_path, name, text, message):
    files = {**FILES, name: text}
    if message is None:  # an id may begin with a bracket; that no document has it is a warning
        warnings = read_manifest(exported(tmp_path, tables(), files) / "manifest.json")["warnings"]
        assert any("1 documents are judged but not in the corpus ('[d1')" in one for one in warnings)
        return
    with pytest.raises(DenseflowError, match=message):
        exported(tmp_path, tables(), files)


def test_values_that_mean_no_level_and_queries_that_nobody_judged_are_counted(tmp_path):
    levels = {"levels": {0: 0, 2: 1, "good": 1}}
    judgements = {"test": {**TABLES["judgements"]["test"], **levels}}
    rows = "q1 0 d1 2\nq1 0 d2 good\nq2 0 d2 god\nq2 0 d1 1\nq2 0 d1 1\n"
    out = exported(tmp_path, tables(judgements=judgements), {**FILES, "j.qrels": rows})
    assert read_qrels(out / "qrels.test.tsv") == {"q1": {"d1": 1, "d2": 1}}
    facts = read_manifest(out / "manifest.json")["facts"]
    assert facts == {"unjudged_queries": 2, "levels_left_out": {"test": {"1": 2, "god": 1}}}


def test_judgements_that_differ_keep_the_highest_and_are_counted(tmp_path):
    out = exported(tmp_path, tables(), {**FILES, "j.qrels": "q1 0 d1 1\nq1 0 d1 2\nq1 0 d1 2\nq1 0 d1 0\n"})
    assert read_qrels(out / "qrels.test.tsv") == {"q1": {"d1": 2}}
    assert "2 judgements differ from others of the pair" in read_manifest(out / "manifest.json")["warnings"][0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pairs": {"test": {"file": "p.csv", "query": "q", "passage": "p"}}}, "give either `documents`"),
        ({"documents": []}, "give either `documents`"),
        ({"judgements": {}}, "`queries` and `judgements` go together"),
        ({"queries": [{"file": "q.txt", "id": "id", "text": ["text"]}]}, "ends in '.txt'.*or give `format`"),
        ({"queries": [{"file": "q.tsv", "id": 1, "text": ["text"]}]}, r"columns \[1, 'text'\] are names and numbers"),
        ({"queries": [{"file": "q.tsv", "text": []}]}, "queries.*text"),
        (
            {"judgements": {"test": {"file": "j.csv", "query": "q", "document": "d", "levels": {"a": 1}}}},
            "needs `level`",
        ),
    ],
)
def test_a_source_that_says_too_little_or_too_much_is_refused(tmp_path, changes, message):
    with pytest.raises(DenseflowError, match=message):
        exported(tmp_path, tables(**changes))


def test_scifact_s_own_files_are_the_collection_that_beir_has(shared, tmp_path):
    found, expected = (
        real(shared, "scifact", tmp_path / "own"),
        lay_out_scifact(shared, tmp_path / "beir", ("train", "test")),
    )
    assert list(read_corpus(found / "corpus.jsonl")) == list(read_corpus(expected / "corpus.jsonl"))
    for split, queries, judgements in (("train", 809, 919), ("test", 300, 339)):
        qrels = read_qrels(found / f"qrels.{split}.tsv")
        assert qrels == read_qrels(expected / f"qrels.{split}.tsv")
        assert sum(map(len, qrels.values())) == judgements
        texts = read_queries(found / f"queries.{split}.jsonl")
        assert texts == read_queries(expected / f"queries.{split}.jsonl")
        assert len(texts) == queries


def test_nfcorpus_s_own_judgements_grade_what_beir_s_train_file_does_not(shared, tmp_path):
    found = real(shared, "nfcorpus-files", tmp_path / "own")
    expected = lay_out_nfcorpus(shared, tmp_path / "beir", ("train", "dev", "test"))
    assert list(read_corpus(found / "corpus.jsonl")) == list(read_corpus(expected / "corpus.jsonl"))
    for split in ("dev", "test"):
        assert read_qrels(found / f"qrels.{split}.tsv") == read_qrels(expected / f"qrels.{split}.tsv")
        assert read_queries(found / f"queries.{split}.jsonl") == read_queries(expected / f"queries.{split}.jsonl")
    train, binary = read_qrels(found / "qrels.train.tsv"), read_qrels(expected / "qrels.train.tsv")
    assert {query: set(judged) for query, judged in train.items()} == {
        query: set(judged) for query, judged in binary.items()
    }
    levels = [level for judged in train.values() for level in judged.values()]
    assert (levels.count(1), levels.count(2)) == (106296, 4279)


@pytest.mark.parametrize(
    ("name", "count", "last"),
    [
        ("cacm/common_words", 428, ("429", "specifying")),
        ("nfcorpus/original-release/nontopics.ids", 1517, ("1517", "PLAIN-3474")),
    ],
)
def test_lists_of_words_and_ids_are_read_as_lines(shared, tmp_path, name, count, last):
    source = {"type": "lines", "files": [{"path": str(shared / "data" / name)}]}
    export(json.loads(canonical(check(Dataset, {"source": source}, name).source)), tmp_path / "out")
    documents = list(read_corpus(tmp_path / "out" / "corpus.jsonl"))
    assert (len(documents), (documents[-1].id, documents[-1].text)) == (count, last)
