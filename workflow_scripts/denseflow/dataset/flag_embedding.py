"""Queries with positive and negative texts, a line of JSON each, as FlagEmbedding and PaddleNLP train on."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from denseflow.collection import Document
from denseflow.dataset.collection_source import HARD_NEGATIVES, SourceCollection, Split
from denseflow.dataset.data_files import at_hand
from denseflow.dataset.draw_questions import drawn_questions
from denseflow.errors import DenseflowError
from denseflow.files import read_lines, sha256_text


class Group(NamedTuple):
    """A line: a query and its texts."""

    query: str
    positives: list[str]
    negatives: list[str]


@contextmanager
def open_collection(source: Mapping[str, Any], work: Path) -> Iterator[SourceCollection]:
    """The queries of ``source["splits"]``; the documents are all their texts, each once.

    Ids are made of the texts, so that a query that comes on several lines is one query with all their texts. What
    some line has as a query's positive is no negative of it.

    Args:
        source: ``splits``: a file (see :func:`denseflow.dataset.data_files.at_hand`) each; ``seed`` and
            ``max_questions``.
        work: A folder to download and unpack into.

    Raises:
        DenseflowError: A file is missing, or a line has another form.
    """
    files = {split: at_hand(file, work) for split, file in source["splits"].items()}
    yield SourceCollection(
        origin=f"flag_embedding {', '.join(file.name for file in files.values())}",
        documents=partial(_documents, files),
        splits={split: partial(_split, split, file, source) for split, file in files.items()},
    )


def read_groups(file: Path) -> Iterator[Group]:
    """The lines of a file.

    Raises:
        DenseflowError: A line is no object with a text as ``query`` and lists of texts as ``pos`` and ``neg``.
    """
    for number, line in read_lines(file):
        if not line.strip():
            continue
        try:
            row: Any = json.loads(line)
        except ValueError as error:
            raise DenseflowError(f"{file}, line {number}: not JSON ({error})") from None
        if not isinstance(row, dict) or not isinstance(row.get("query"), str):
            raise DenseflowError(f"{file}, line {number}: {line[:80]!r}; expected an object with a text as `query`")
        texts = {}
        for key in ("pos", "neg"):
            value = row.get(key, [])
            texts[key] = [value] if isinstance(value, str) else value
            if not isinstance(texts[key], list) or not all(isinstance(text, str) and text for text in texts[key]):
                raise DenseflowError(
                    f"{file}, line {number}: `{key}` is {str(value)[:80]!r}, expected a list of texts, none empty"
                )
        if not texts["pos"]:
            raise DenseflowError(
                f"{file}, line {number}: `pos` is empty, so that there is nothing to find; take it out"
            )
        yield Group(row["query"], texts["pos"], texts["neg"])


def _documents(files: Mapping[str, Path]) -> Iterator[Document]:
    seen: set[str] = set()
    for split in sorted(files):
        for group in read_groups(files[split]):
            for text in (*group.positives, *group.negatives):
                name = _document_id(text)
                if name not in seen:
                    seen.add(name)
                    yield Document(name, "", text)


def _split(name: str, file: Path, source: Mapping[str, Any]) -> Split:
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    negatives: dict[str, dict[str, None]] = {}
    for group in read_groups(file):
        query = f"q-{sha256_text(group.query)[:16]}"
        queries[query] = group.query
        qrels.setdefault(query, {}).update({_document_id(text): 1 for text in group.positives})
        negatives.setdefault(query, {}).update(dict.fromkeys(map(_document_id, group.negatives)))
    queries = drawn_questions(queries, source, name)
    return Split(
        queries,
        {query: qrels[query] for query in queries},
        f"flag_embedding, split {name} ({file.name})",
        negatives={
            HARD_NEGATIVES: {
                query: [text for text in negatives[query] if text not in qrels[query]] for query in queries
            }
        },
    )


def _document_id(text: str) -> str:
    return f"p-{sha256_text(text)[:16]}"
