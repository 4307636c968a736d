"""A collection made of rows with a query and a passage each, and perhaps passages that are no answer to it."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from denseflow.collection import Document
from denseflow.dataset.collection_source import HARD_NEGATIVES, SourceCollection, Split
from denseflow.dataset.row_cells import Row, id_of, level_of, text_of, texts_of
from denseflow.dataset.row_collection import Judgements, Table, keep_query, split_of
from denseflow.errors import DenseflowError
from denseflow.files import sha256_text


class _Pairs(NamedTuple):
    """A split, and the texts that its rows have as negatives, by query."""

    split: Split
    negatives: dict[str, dict[str, None]]


def collection_of_pairs(tables: Mapping[str, Table], origin: str) -> SourceCollection:
    """All passages of the pairs of all splits, which are kept in memory, with each split's queries.

    What has no id gets one of its text, so that equal texts are one. A text that is some query's negative is the
    passage of that text, where there is one; no query has a relevant passage among its negatives.

    Raises:
        DenseflowError: A row's cells are wrong, or an id has two texts.
    """
    passages: dict[str, Document] = {}
    warnings: list[str] = []
    pairs = {name: _pairs_of(name, table, passages, warnings) for name, table in tables.items()}
    by_text = {passage.text: passage.id for passage in reversed(passages.values())}
    for texts in (texts for one in pairs.values() for texts in one.negatives.values()):
        for text in texts:
            if text not in by_text:
                by_text[text] = _made("p", f"\n{text}")
                passages[by_text[text]] = Document(by_text[text], "", text)
    return SourceCollection(
        origin=origin,
        documents=lambda: iter(passages.values()),
        splits={name: partial(_with_negatives, one, by_text) for name, one in pairs.items()},
        warnings=warnings,
    )


def _pairs_of(split: str, table: Table, passages: dict[str, Document], warnings: list[str]) -> _Pairs:
    options = table.options
    texts: dict[str, str] = {}
    answers: dict[str, list[str]] = {}
    judgements, negatives = Judgements({}), dict[str, dict[str, None]]()
    for row in table:
        query, passage = text_of(row, options["query"]), text_of(row, options["passage"])
        title = text_of(row, options["title"]) if options.get("title") is not None else ""
        query_id = _own_or_made(row, options.get("query_id"), "q", query)
        passage_id = _own_or_made(row, options.get("passage_id"), "p", f"{title}\n{passage}")
        keep_query(row, query_id, query, options, texts, answers)
        document = Document(passage_id, title, passage)
        if passages.setdefault(passage_id, document) != document:
            raise DenseflowError(
                f"{row.place}, row {row.number}: passage {passage_id!r} is {passage[:60]!r}, but was "
                f"{passages[passage_id].text[:60]!r} before; ids must be unique"
            )
        judgements.add(query_id, passage_id, level_of(row, options) or 0)
        for column in options.get("negatives", ()):
            negatives.setdefault(query_id, {}).update(dict.fromkeys(texts_of(row, column)))
    judgements.warn(split, warnings)
    return _Pairs(split_of(judgements.qrels, texts, answers, table.place), negatives)


def _with_negatives(pairs: _Pairs, by_text: Mapping[str, str]) -> Split:
    split = pairs.split
    found = {query: [by_text[text] for text in texts] for query, texts in pairs.negatives.items()}
    hard = {query: [one for one in ids if split.qrels[query].get(one, 0) <= 0] for query, ids in found.items()}
    return split._replace(negatives={HARD_NEGATIVES: hard} if hard else {})


def _own_or_made(row: Row, column: str | int | None, letter: str, text: str) -> str:
    return _made(letter, text) if column is None else id_of(row, column)


def _made(letter: str, text: str) -> str:
    return f"{letter}-{sha256_text(text)[:16]}"
