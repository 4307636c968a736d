"""A collection made of rows, wherever these come from: documents, queries and judgements."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from denseflow.collection import Document, Qrels
from denseflow.dataset.collection_source import SourceCollection, Split, examples
from denseflow.dataset.row_cells import Row, answers_of, array_of, id_of, ids_of, level_of, text_of
from denseflow.errors import DenseflowError
from denseflow.table_rows import cell


@dataclass(frozen=True)
class Table:
    """Rows that can be gone through again and again, and what their columns are.

    Attributes:
        place: Where they are, for messages.
        rows: Starts over them: their number from 1, and their cells by column.
        options: A section of :mod:`denseflow.config.sources.columns`.
    """

    place: str
    rows: Callable[[], Iterator[tuple[int, Mapping[Any, Any]]]]
    options: Mapping[str, Any]

    def __iter__(self) -> Iterator[Row]:
        for number, cells in self.rows():
            yield Row(self.place, number, cells)


def collection_of_documents(
    documents: Callable[[], Iterator[Document]], origin: str, queries: Sequence[Table], judgements: Mapping[str, Table]
) -> SourceCollection:
    """Documents with the queries that a split's judgements name, in the queries' order.

    Raises:
        DenseflowError: Reading a split: a row's cells are wrong, or a query is judged that is not there.
    """
    texts: dict[str, str] = {}
    answers: dict[str, list[str]] = {}
    unjudged: dict[str, None] = {}

    def split(name: str) -> Split:
        if not texts:
            _read_queries(queries, texts, answers)
            unjudged.update(dict.fromkeys(texts))
        found = _judgements(judgements[name], texts)
        found.warn(name, warnings)
        qrels = found.qrels
        for query_id in qrels:
            unjudged.pop(query_id, None)
        facts["unjudged_queries"] = len(unjudged)
        if found.left_out:
            facts.setdefault("levels_left_out", {})[name] = dict(sorted(found.left_out.items()))
        named = {query_id: qrels[query_id] for query_id in texts if query_id in qrels}
        return split_of(named, texts, answers, judgements[name].place)

    warnings: list[str] = []
    facts: dict[str, Any] = {}
    return SourceCollection(
        origin=origin,
        documents=documents,
        splits={name: partial(split, name) for name in judgements},
        facts=facts,
        warnings=warnings,
    )


def documents_of(tables: Sequence[Table]) -> Iterator[Document]:
    """The documents of all tables; where a row's number is the id and there are several tables, theirs is before it."""
    for number, table in enumerate(tables, start=1):
        options = table.options
        text = array_of if options.get("arrays") else text_of
        for row in table:
            column = options.get("id")
            by_number = f"{number}-{row.number}" if len(tables) > 1 else str(row.number)
            yield Document(
                by_number if column is None else id_of(row, column),
                text_of(row, options["title"]) if options.get("title") is not None else "",
                " ".join(filter(None, (text(row, column) for column in options["text"]))),
            )


def _read_queries(tables: Sequence[Table], texts: dict[str, str], answers: dict[str, list[str]]) -> None:
    for table in tables:
        for row in table:
            query_id = id_of(row, table.options.get("id"))
            text = " ".join(filter(None, (text_of(row, column) for column in table.options["text"])))
            keep_query(row, query_id, text, table.options, texts, answers)


def keep_query(
    row: Row,
    query_id: str,
    text: str,
    options: Mapping[str, Any],
    texts: dict[str, str],
    answers: dict[str, list[str]],
) -> None:
    """Keep a query's text, which must be what it was before, and its answers.

    Raises:
        DenseflowError: The id has two texts, or the answers are none.
    """
    if texts.setdefault(query_id, text) != text:
        raise DenseflowError(
            f"{row.place}, row {row.number}: query {query_id!r} is {text[:60]!r}, but was {texts[query_id][:60]!r} "
            "before; ids must be unique"
        )
    if options.get("answers") is not None:
        known = answers.setdefault(query_id, [])
        known += [answer for answer in answers_of(row, options["answers"]) if answer not in known]


@dataclass
class Judgements:
    """A split's levels, of a pair that comes twice the highest.

    Attributes:
        qrels: What was added.
        repeated: How many levels differed from what the pair had before.
        left_out: How many rows had a value that means no level, by the value.
    """

    qrels: Qrels
    repeated: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, query_id: str, document_id: str, level: int) -> None:
        """Keep a level."""
        judged = self.qrels.setdefault(query_id, {})
        self.repeated += judged.get(document_id, level) != level
        judged[document_id] = max(level, judged.get(document_id, level))

    def warn(self, split: str, warnings: list[str]) -> None:
        """Say how many differed."""
        if self.repeated:
            warnings.append(f"{split}: {self.repeated} judgements differ from others of the pair; the highest was kept")


def _judgements(table: Table, texts: Mapping[str, str]) -> Judgements:
    judgements = Judgements({})
    unknown: dict[str, int] = {}
    for row in table:
        level = level_of(row, table.options)
        if level is None:
            judgements.left_out[str(cell(*row, table.options["level"]))] += 1
            continue
        query_id = id_of(row, table.options["query"])
        if query_id not in texts:
            unknown.setdefault(query_id, row.number)
        for document_id in ids_of(row, table.options["document"]):
            judgements.add(query_id, document_id, level)
    if unknown:
        first = next(iter(unknown))
        raise DenseflowError(
            f"{table.place}, row {unknown[first]}: query {first!r} is not among the queries, as {len(unknown)} judged "
            f"ones are not ({examples(list(unknown))}); add them, or take out their judgements"
        )
    return judgements


def split_of(qrels: Qrels, texts: Mapping[str, str], answers: Mapping[str, list[str]], origin: str) -> Split:
    """The split of the judged queries, in the order of their judgements."""
    return Split(
        {query_id: texts[query_id] for query_id in qrels},
        qrels,
        origin,
        {query_id: answers[query_id] for query_id in qrels if answers.get(query_id)},
    )
