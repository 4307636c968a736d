"""The form in which the dataset stage keeps a collection: BEIR's corpus.jsonl, queries.SPLIT.jsonl, qrels.SPLIT.tsv.

A query may have the key ``answers``, a list of texts, which the measure Answer looks for.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from denseflow.errors import DenseflowError
from denseflow.files import read_jsonl, read_lines

QRELS_HEADER = "query-id\tcorpus-id\tscore"

Qrels = dict[str, dict[str, int]]
"""Relevance levels by query id, then document id, as pytrec_eval takes them."""


class Document(NamedTuple):
    """A document of a collection; the title may be empty."""

    id: str
    title: str
    text: str


def read_corpus(path: Path) -> Iterator[Document]:
    """Yield the documents of a corpus.jsonl (keys ``_id``, ``title``, ``text``) in the file's order.

    That no id comes twice is the dataset stage's to see to, once; its manifest vouches for it afterwards.

    Raises:
        DenseflowError: A key is missing or no text; file and line are named.
    """
    for number, row in read_jsonl(path):
        yield document_of(path, number, row)


def document_of(path: Path, number: int, row: dict[str, Any]) -> Document:
    """The document of a line of a corpus.jsonl.

    Raises:
        DenseflowError: As :func:`read_corpus`.
    """
    return Document(
        id=_text(path, number, row, "_id"),
        title=_text(path, number, row, "title", default=""),
        text=_text(path, number, row, "text"),
    )


def read_queries(path: Path) -> dict[str, str]:
    """The query texts by id of a queries.SPLIT.jsonl (keys ``_id``, ``text``), in the file's order.

    Raises:
        DenseflowError: A key is missing or no text, or an id is repeated; file and line are named.
    """
    seen: dict[str, int] = {}
    queries: dict[str, str] = {}
    for number, row in read_jsonl(path):
        query_id = _text(path, number, row, "_id")
        _refuse_repeated(path, number, "_id", query_id, seen)
        queries[query_id] = _text(path, number, row, "text")
    return queries


def read_answers(path: Path) -> dict[str, list[str]]:
    """The answers by id of the queries that have any (key ``answers``, a list of texts), in the file's order.

    Raises:
        DenseflowError: The key holds something else; file, line and query are named.
    """
    answers: dict[str, list[str]] = {}
    for number, row in read_jsonl(path):
        found = row.get("answers", [])
        if not isinstance(found, list) or not all(isinstance(answer, str) and answer.strip() for answer in found):
            raise DenseflowError(
                f"{path}, line {number}, query {row.get('_id')!r}: key 'answers': found {found!r:.80}, expected a list "
                'of texts such as ["Paris"]; correct it, or leave the key out where there is no answer'
            )
        if found:
            answers[_text(path, number, row, "_id")] = found
    return answers


def read_qrels(path: Path) -> Qrels:
    """The judgements of a qrels.SPLIT.tsv: a header line, then query id, document id and level, tab separated.

    Raises:
        DenseflowError: A line has not three columns, a level is no whole number, or a pair is repeated.
    """
    qrels: Qrels = {}
    for number, line in read_lines(path):
        if not line.strip() or (number == 1 and line.split("\t")[0] == "query-id"):
            continue
        columns = line.split("\t")
        if len(columns) != 3:
            raise DenseflowError(
                f"{path}, line {number}: {len(columns)} columns in {line[:80]!r}, expected 3, tab separated: "
                "query id, document id, level"
            )
        query_id, document_id, level = columns
        try:
            value = int(level)
        except ValueError:
            raise DenseflowError(
                f"{path}, line {number}: level {level!r}, expected a whole number such as 0, 1 or 2"
            ) from None
        judged = qrels.setdefault(query_id, {})
        if document_id in judged:
            raise DenseflowError(
                f"{path}, line {number}: document {document_id!r} is judged twice for query {query_id!r}; keep one line"
            )
        judged[document_id] = value
    return qrels


def _text(path: Path, number: int, row: dict, key: str, default: str | None = None) -> str:
    value = row.get(key, default)
    if not isinstance(value, str):
        found = "no such key" if value is None else repr(value)
        raise DenseflowError(f"{path}, line {number}: key {key!r}: {found}, expected a text")
    return value


def _refuse_repeated(path: Path, number: int, key: str, value: str, seen: dict[str, int]) -> None:
    if value in seen:
        raise DenseflowError(
            f"{path}, line {number}: {key} {value!r} was used in line {seen[value]} already; ids must be unique"
        )
    seen[value] = number
