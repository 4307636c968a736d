"""Passages that stay in their file give what reading the whole file gives."""

import json

import numpy as np
import pytest

from denseflow.collection import Document
from denseflow.errors import DenseflowError
from denseflow.negatives.passages import Passages
from denseflow.negatives.same_text import text_key

DOCUMENTS = [
    Document("d0", "Äpfel", "Äpfel sind rot."),
    Document("d1", "", "Birnen  sind grün"),
    Document("d2", "only a title", ""),
    Document("d3", "", " "),
    Document("d4", "another", "birnen sind GRÜN"),
]


@pytest.fixture
def corpus(tmp_path):
    lines = [json.dumps({"_id": d.id, "title": d.title, "text": d.text}, ensure_ascii=False) for d in DOCUMENTS]
    (tmp_path / "corpus.jsonl").write_text("\n\n".join(lines), encoding="utf-8")
    return tmp_path / "corpus.jsonl"


def test_documents_are_found_by_id_and_by_row(corpus):
    passages = Passages(corpus)
    assert len(passages) == 5
    assert [passages.at(row) for row in range(5)] == DOCUMENTS
    assert [passages.document(document.id) for document in reversed(DOCUMENTS)] == DOCUMENTS[::-1]
    assert [passages.row(document.id) for document in DOCUMENTS] == [0, 1, 2, 3, 4]
    assert "d4" in passages
    assert "d5" not in passages


def test_an_unknown_document_is_a_key_error(corpus):
    for ask in (Passages(corpus).row, Passages(corpus).document, Passages(corpus).text_key):
        with pytest.raises(KeyError):
            ask("d5")


def test_the_texts_keys_are_those_of_the_documents(corpus):
    passages = Passages(corpus)
    assert [passages.text_key(document.id) for document in DOCUMENTS] == [text_key(d) for d in DOCUMENTS]
    assert passages.text_key("d3") == b""


def test_different_texts_are_counted_by_case_and_spaces_aside(corpus):
    passages = Passages(corpus)
    assert passages.different_texts(np.array([0, 1, 2, 4])) == 3
    assert passages.different_texts(np.array([], dtype=np.int64)) == 0


def test_a_line_without_a_text_is_named(tmp_path):
    (tmp_path / "corpus.jsonl").write_text('{"_id": "a", "text": "x"}\n{"_id": "b"}\n')
    with pytest.raises(DenseflowError, match=r"corpus\.jsonl, line 2: key 'text'"):
        Passages(tmp_path / "corpus.jsonl")
