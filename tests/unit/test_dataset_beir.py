"""Collections in BEIR's form: folders, archives, and everything that can be wrong with them."""

import gzip
import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import pytest
from test_dataset_download import server  # noqa: F401

from denseflow.collection import read_corpus, read_qrels, read_queries
from denseflow.dataset.export import export
from denseflow.errors import DenseflowError
from denseflow.manifest import read_manifest

CORPUS = [
    {"_id": "d1", "title": "Apples", "text": "Apples are red."},
    {"_id": "d2", "title": "", "text": "Pears are green and long."},
    {"_id": "d3", "title": "Plums", "text": ""},
]
QUERIES = [{"_id": "q3", "text": "plums"}, {"_id": "q1", "text": "red fruit"}, {"_id": "q2", "text": "green fruit"}]
QRELS = {"train": "q1\td1\t2\nq3\td3\t1\nq3\td1\t0\n", "test": "q2\td2\t1\n"}


def jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def collection(tmp_path):
    folder = tmp_path / "fruit"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text(jsonl(CORPUS))
    (folder / "queries.jsonl").write_text(jsonl(QUERIES))
    for split, lines in QRELS.items():
        (folder / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines)
    return folder


def run(path, out, splits=("train", "test")):
    return export({"type": "beir", "path": str(path), "splits": list(splits)}, out)


def contents(out):
    return {file.name: file.read_bytes() for file in out.iterdir() if file.name != "manifest.json"}


def fails(collection, tmp_path, match):
    with pytest.raises(DenseflowError, match=match) as caught:
        run(collection, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    return str(caught.value)


def test_a_beir_folder_is_exported_with_counts_and_lengths(collection, tmp_path):
    manifest = run(collection, tmp_path / "out")
    assert [tuple(document) for document in read_corpus(tmp_path / "out" / "corpus.jsonl")] == [
        (row["_id"], row["title"], row["text"]) for row in CORPUS
    ]
    assert list(read_queries(tmp_path / "out" / "queries.train.jsonl").items()) == [
        ("q3", "plums"),
        ("q1", "red fruit"),
    ]
    assert (tmp_path / "out" / "qrels.train.tsv").read_text() == (
        "query-id\tcorpus-id\tscore\nq3\td3\t1\nq3\td1\t0\nq1\td1\t2\n"
    )
    assert read_qrels(tmp_path / "out" / "qrels.test.tsv") == {"q2": {"d2": 1}}
    assert manifest["counts"] == {
        "documents": 3,
        "splits": {
            "train": {"queries": 2, "judged_queries": 2, "judgements": 3, "relevant": 2},
            "test": {"queries": 1, "judged_queries": 1, "judgements": 1, "relevant": 1},
        },
    }
    assert manifest["lengths"]["documents"] == {
        "characters": {"mean": 17.3, "median": 22, "p95": 25, "max": 25},
        "words": {"mean": 3.3, "median": 4, "p95": 5, "max": 5},
    }
    assert manifest["warnings"] == []
    assert manifest == read_manifest(tmp_path / "out" / "manifest.json")


def test_gzipped_files_and_archives_give_the_same_as_a_plain_folder(collection, tmp_path):
    run(collection, tmp_path / "plain")
    shutil.make_archive(str(tmp_path / "fruit"), "gztar", tmp_path, "fruit")
    shutil.make_archive(str(tmp_path / "top"), "zip", collection)
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/train.tsv"):
        (collection / f"{name}.gz").write_bytes(gzip.compress((collection / name).read_bytes()))
        (collection / name).unlink()
    for name, path in {"gz": collection, "tar": tmp_path / "fruit.tar.gz", "zip": tmp_path / "top.zip"}.items():
        run(path, tmp_path / name)
        assert contents(tmp_path / name) == contents(tmp_path / "plain")


def test_an_archive_is_downloaded_checked_and_exported(collection, tmp_path, server, monkeypatch):  # noqa: F811
    archive = shutil.make_archive(str(tmp_path / "fruit"), "zip", tmp_path, "fruit")
    with open(archive, "rb") as file:
        content = file.read()
    monkeypatch.setattr("test_dataset_download.CONTENT", content)
    source = {"type": "beir", "url": f"{server.url}/whole", "sha256": hashlib.sha256(content).hexdigest()}
    manifest = export({**source, "splits": ["test"]}, tmp_path / "out")
    assert manifest["counts"]["splits"]["test"]["judgements"] == 1
    assert {file.name for file in (tmp_path / "out").iterdir()} == {*manifest["files"], "manifest.json"}


def test_only_the_splits_that_are_asked_for_are_exported(collection, tmp_path):
    assert sorted(run(collection, tmp_path / "out", ["test"])["files"]) == [
        "corpus.jsonl",
        "qrels.test.tsv",
        "queries.test.jsonl",
    ]


def test_moving_the_folder_does_not_change_the_manifest(collection, tmp_path):
    one = run(collection, tmp_path / "out")
    shutil.move(collection, tmp_path / "elsewhere" / "fruit")
    assert run(tmp_path / "elsewhere" / "fruit", tmp_path / "again") == one


def test_a_line_that_is_not_json_is_named(collection, tmp_path):
    (collection / "corpus.jsonl").write_text(jsonl(CORPUS[:1]) + "{'_id': 1}\n")
    fails(collection, tmp_path, r"corpus\.jsonl, line 2: not JSON")


def test_a_repeated_document_id_is_named_with_its_lines(collection, tmp_path):
    (collection / "corpus.jsonl").write_text(jsonl([*CORPUS, CORPUS[1]]))
    fails(collection, tmp_path, r"fruit: document 'd2' comes twice, as the collection's number 2 and 4")


def test_a_repeated_query_id_is_named_with_its_lines(collection, tmp_path):
    (collection / "queries.jsonl").write_text(jsonl([*QUERIES, QUERIES[0]]))
    fails(collection, tmp_path, r"queries\.jsonl, line 4: _id 'q3' was used in line 1")


def test_a_query_of_the_qrels_that_does_not_exist_is_named_with_its_line(collection, tmp_path):
    (collection / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq2\td2\t1\nq9\td1\t1\n")
    fails(collection, tmp_path, r"qrels.test\.tsv, line 3: query 'q9' is not in queries\.jsonl")


def test_invalid_utf_8_is_named_with_its_line(collection, tmp_path):
    (collection / "corpus.jsonl").write_bytes(jsonl(CORPUS).encode() + b'{"_id": "d4", "text": "caf\xe9"}\n')
    fails(collection, tmp_path, r"corpus\.jsonl, line 4: byte 26 is not UTF-8")


def test_half_of_a_surrogate_pair_is_an_error(collection, tmp_path):
    (collection / "corpus.jsonl").write_text(jsonl([*CORPUS, {"_id": "d4", "title": "", "text": "\ud83d"}]))
    fails(collection, tmp_path, r"document 'd4': character 0 of its text is half of a surrogate pair")
    (collection / "queries.jsonl").write_text(jsonl([QUERIES[0] | {"answers": ["a\ud83d"]}, *QUERIES[1:]]))
    fails(collection, tmp_path, r"answer of query 'q3': character 1 of its text is half of a surrogate pair")


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/train.tsv"])
def test_an_empty_file_is_an_error(collection, tmp_path, name):
    (collection / name).write_text("")
    fails(collection, tmp_path, r"the file is empty")


def test_a_corpus_of_blank_lines_has_no_documents(collection, tmp_path):
    (collection / "corpus.jsonl").write_text("\n\n")
    fails(collection, tmp_path, "fruit: no documents")


def test_a_split_without_judgements_is_an_error(collection, tmp_path):
    (collection / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n")
    fails(collection, tmp_path, r"test\.tsv: no judgements")


def test_a_split_that_does_not_exist_is_an_error_that_names_those_that_do(collection, tmp_path):
    (collection / "qrels" / "train.tsv").rename(collection / "qrels" / "training.tsv")
    fails(collection, tmp_path, r"no split 'train'; splits that exist: 'test', 'training'")


def test_a_missing_file_is_an_error_that_names_what_is_there(collection, tmp_path):
    (collection / "queries.jsonl").rename(collection / "topics.jsonl")
    fails(collection, tmp_path, r"no queries\.jsonl; there is 'corpus\.jsonl', 'qrels', 'topics\.jsonl'")


def test_a_file_that_is_there_both_plain_and_gzipped_is_an_error(collection, tmp_path):
    (collection / "corpus.jsonl.gz").write_bytes(gzip.compress(b"{}"))
    fails(collection, tmp_path, "both corpus.jsonl and corpus.jsonl.gz are there")


def test_a_path_that_does_not_exist_is_named(tmp_path):
    fails(tmp_path / "nowhere", tmp_path, r"nowhere: no such file or folder")


def test_an_archive_without_a_corpus_is_an_error(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        file.writestr("__MACOSX/corpus.jsonl", "{}")
    fails(tmp_path / "set.zip", tmp_path, r"folders with a corpus\.jsonl in the archive: none")


@pytest.mark.parametrize("bad", ["d 4", "d\t4", "", " d4", "d\u00a04"])
def test_a_document_id_with_white_space_is_refused(collection, tmp_path, bad):
    (collection / "corpus.jsonl").write_text(jsonl([*CORPUS, {"_id": bad, "title": "", "text": "x"}]))
    message = fails(collection, tmp_path, "must not be empty or contain white space")
    assert repr(bad) in message


def test_a_query_id_with_white_space_is_refused(collection, tmp_path):
    (collection / "queries.jsonl").write_text(jsonl([*QUERIES, {"_id": "q 4", "text": "x"}]))
    (collection / "qrels" / "test.tsv").write_text("q 4\td1\t1\n")
    fails(collection, tmp_path, "query id 'q 4': ids must not")


def test_an_export_that_fails_leaves_the_files_of_the_one_before(collection, tmp_path):
    run(collection, tmp_path / "out")
    before = contents(tmp_path / "out")
    (collection / "corpus.jsonl").write_text("{")
    with pytest.raises(DenseflowError):
        run(collection, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    read_manifest(tmp_path / "out" / "manifest.json")


def test_files_of_a_split_that_is_no_longer_asked_for_are_removed(collection, tmp_path):
    run(collection, tmp_path / "out")
    (tmp_path / "out" / "negatives.train.jsonl").write_text("{}\n")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    run(collection, tmp_path / "out", splits=["test"])
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == ["corpus.jsonl", "manifest.json", "notes.txt", "qrels.test.tsv", "queries.test.jsonl"]


def test_an_export_killed_between_two_files_leaves_no_manifest_that_is_wrong(collection, tmp_path, monkeypatch):
    run(collection, tmp_path / "out")
    replace = Path.replace

    def killed(path, target):
        if target == tmp_path / "out" / "qrels.test.tsv":
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        run(collection, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_what_a_killed_export_left_is_cleared_away(collection, tmp_path):
    (tmp_path / "out" / ".unfinished" / "whole").mkdir(parents=True)
    (tmp_path / "out" / ".unfinished" / "whole" / "corpus.jsonl").write_text("half")
    run(collection, tmp_path / "out")
    assert not (tmp_path / "out" / ".unfinished").exists()
    assert len(list(read_corpus(tmp_path / "out" / "corpus.jsonl"))) == 3


def test_judgements_of_unknown_documents_are_kept_with_a_warning(collection, tmp_path):
    (collection / "qrels" / "test.tsv").write_text("q2\td2\t1\nq2\tgone\t1\n")
    manifest = run(collection, tmp_path / "out")
    assert manifest["warnings"] == [
        "test: 1 documents are judged but not in the corpus ('gone'); the judgements are kept, so that they count "
        "against recall as in trec_eval"
    ]
    assert read_qrels(tmp_path / "out" / "qrels.test.tsv") == {"q2": {"d2": 1, "gone": 1}}


def test_empty_texts_and_queries_without_relevant_documents_are_warned_about(collection, tmp_path):
    (collection / "corpus.jsonl").write_text(jsonl([*CORPUS, {"_id": "d4", "title": " ", "text": ""}]))
    (collection / "queries.jsonl").write_text(jsonl([*QUERIES, {"_id": "q4", "text": " "}]))
    (collection / "qrels" / "test.tsv").write_text("q2\td2\t1\nq4\td1\t0\n")
    assert run(collection, tmp_path / "out")["warnings"] == [
        "test: 1 queries have judgements but no relevant document ('q4')",
        "test: 1 queries have an empty text ('q4')",
        "1 documents have neither a title nor a text ('d4')",
    ]


def test_a_query_text_in_two_splits_is_warned_about_case_and_spaces_aside(collection, tmp_path):
    (collection / "queries.jsonl").write_text(jsonl([*QUERIES[:2], {"_id": "q2", "text": " Red  FRUIT"}]))
    assert run(collection, tmp_path / "out")["warnings"] == [
        "1 queries of test have the same text as one of train ('q1 = q2')"
    ]


def test_a_source_of_an_unknown_type_is_refused(tmp_path):
    with pytest.raises(DenseflowError, match=r"type 'beer'; expected one of ir_datasets, beir, package_docs"):
        export({"type": "beer"}, tmp_path)
