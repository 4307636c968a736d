import gzip
import hashlib
import json

import pytest

from denseflow.collection import Document
from denseflow.errors import DenseflowError
from denseflow.files import write_jsonl
from denseflow.negatives.training_file import TrainingExample, read_training_file, training_row

A = Document("a", "Title A", "text a")
B = Document("b", "", "text b")
C = Document("c", "Title C", "text c")


def write(path, *rows):
    write_jsonl(path, rows)
    return path


def passage(docid="a", text=None, **rest):
    return {"docid": docid, "text": f"text {docid}" if text is None else text, **rest}


def row(**changes):
    return {"query_id": "1", "query": "q", "positive_passages": [passage()], "negative_passages": []} | changes


def test_what_is_written_is_what_is_read(tmp_path):
    path = write(
        tmp_path / "train.jsonl",
        training_row("1", "first", [A], [B, C]),
        training_row("2", "second", [C, B], [A]),
    )
    training = read_training_file(path)
    assert training.passages == [A, B, C]
    assert training.examples == [
        TrainingExample("1", "first", (0,), (1, 2), frozenset({0})),
        TrainingExample("2", "second", (2, 1), (0,), frozenset({1, 2})),
    ]


def test_rows_have_exactly_tevatrons_keys_unless_a_relevant_document_is_no_positive():
    written = training_row("1", "first", [A], [B])
    assert list(written) == ["query_id", "query", "positive_passages", "negative_passages"]
    assert written["positive_passages"] == [{"docid": "a", "title": "Title A", "text": "text a"}]
    assert training_row("1", "first", [A], [B], ["c"])["relevant_docids"] == ["c"]


def test_other_relevant_documents_are_found_in_later_lines_and_those_in_no_line_are_passed_over(tmp_path):
    path = write(
        tmp_path / "train.jsonl",
        training_row("1", "first", [A], [], ["c", "in no line"]),
        training_row("2", "second", [C], [B]),
    )
    assert [example.relevant for example in read_training_file(path).examples] == [{0, 1}, {1}]


def test_tevatrons_files_without_titles_docids_or_negatives_and_with_numbers_as_ids_are_read(tmp_path):
    path = tmp_path / "train.jsonl.gz"
    rows = [
        {"query_id": 7, "query": "q", "positive_passages": [{"docid": 12, "text": "t"}], "negative_passages": []},
        {"query_id": "8", "query": "q", "positive_passages": [{"title": None, "text": "u"}]},
    ]
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    training = read_training_file(path)
    assert training.passages == [Document("12", "", "t"), Document(hashlib.sha256(b"\nu").hexdigest(), "", "u")]
    assert [(example.query_id, example.negatives) for example in training.examples] == [("7", ()), ("8", ())]


def test_passages_without_docid_are_the_same_if_and_only_if_title_and_text_are(tmp_path):
    passages = [{"text": "t"}, {"text": "t", "title": "T"}, {"text": "t", "title": ""}]
    path = write(tmp_path / "train.jsonl", row(positive_passages=passages))
    training = read_training_file(path)
    assert training.passages[1].title == "T"
    assert training.examples[0].positives == (0, 1)


def test_a_passage_repeated_within_a_line_is_kept_once(tmp_path):
    path = write(
        tmp_path / "train.jsonl",
        row(positive_passages=[passage(), passage()], negative_passages=[passage("b"), passage("c"), passage("b")]),
    )
    example = read_training_file(path).examples[0]
    assert (example.positives, example.negatives) == ((0,), (1, 2))


def test_passages_with_the_text_of_a_relevant_one_are_relevant_too_and_no_negatives(tmp_path):
    copy, empty = Document("copy", "Other title", " TEXT  a"), Document("empty", "", "")
    also_empty = Document("also empty", "", " ")
    path = write(
        tmp_path / "train.jsonl",
        training_row("1", "first", [A, empty], [B, copy, also_empty]),
        training_row("2", "second", [C], [copy], ["a"]),
        training_row("3", "third", [B], [copy]),
    )
    training = read_training_file(path)
    ids = [{training.passages[place].id for place in example.relevant} for example in training.examples]
    assert ids == [{"a", "empty", "copy"}, {"c", "a", "copy"}, {"b"}]
    negatives = [[training.passages[place].id for place in example.negatives] for example in training.examples]
    assert negatives == [["b", "also empty"], [], ["copy"]]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row(query_id="2", positive_passages=[]), "query_id '2' has no positive_passages"),
        ({"query_id": "2", "query": "q", "negative_passages": []}, "'positive_passages': no such key, expected a list"),
        (row(query_id="2", positive_passages={"docid": "x"}), "'positive_passages': {'docid': 'x'}, expected a list"),
        (row(query_id="2", positive_passages=["x"]), "found 'x', expected objects with docid, title, text"),
        (row(query_id="2", positive_passages=[{"docid": "x"}]), "'positive_passages.text': no such key"),
        (row(query_id="2", negative_passages=[passage("n", text=3)]), "'negative_passages.text': 3, expected a text"),
        (row(query_id="2", positive_passages=[passage(title=5)]), "'positive_passages.title': 5, expected a text"),
        (row(query_id="2", positive_passages=[passage(docid=1.5)]), "'positive_passages.docid': 1.5"),
        (row(query_id="2", positive_passages=[passage(text="other")]), "docid 'a' has another title or text than in"),
        (row(query_id="2", negative_passages=[passage()]), "docid 'a' is both relevant and negative"),
        (row(query_id="2", negative_passages=[passage("n")], relevant_docids=["n"]), "'n' is both relevant and nega"),
        (row(query_id="2", relevant_docids="n"), "'relevant_docids': 'n', expected a list"),
        (row(query_id="2", relevant_docids=[None]), "'relevant_docids': no such key"),
        (row(query_id="2", query=" "), "the query of query_id '2' is empty"),
        (row(query_id="2", query=None), "key 'query': no such key"),
        (row(query_id=True), "key 'query_id': True, expected a text or a whole number"),
        (row(query_id=1), "query_id '1' was used in line 1 already"),
    ],
)
def test_an_error_names_the_file_and_the_line(tmp_path, bad, message):
    path = write(tmp_path / "train.jsonl", row(), bad)
    with pytest.raises(DenseflowError) as error:
        read_training_file(path)
    assert f"{path}, line 2: " in str(error.value)
    assert message in str(error.value)


def test_blank_lines_are_passed_over_and_a_file_of_nothing_else_is_an_error(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text("\n" + json.dumps(row()) + "\n\n")
    assert len(read_training_file(path).examples) == 1
    path.write_text("\n\n")
    with pytest.raises(DenseflowError, match="only blank lines"):
        read_training_file(path)
