"""Training data in Tevatron's jsonl: a query, its relevant passages and its negatives on each line.

    {"query_id": "...", "query": "...", "positive_passages": [{"docid": "...", "title": "...", "text": "..."}],
     "negative_passages": [...], "relevant_docids": ["..."]}

Tevatron knows the first four keys (https://github.com/texttron/tevatron). ``relevant_docids``, which it passes over,
is there only where a query has known relevant documents that are none of its positives: training masks them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from denseflow.collection import Document
from denseflow.errors import DenseflowError
from denseflow.files import read_jsonl, sha256_text
from denseflow.negatives.same_text import text_key


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """A query and its passages, as positions in :attr:`TrainingSet.passages`.

    ``relevant`` holds the positives, the other known relevant passages of the query that occur in the file, and those
    with the same text as one of these. None of them is among the negatives.
    """

    query_id: str
    query: str
    positives: tuple[int, ...]
    negatives: tuple[int, ...]
    relevant: frozenset[int]


@dataclass
class TrainingSet:
    """A whole training file: each passage once, and the examples in the file's order.

    Attributes:
        own_positives: Whether each example's one positive is the passage of its own number, all texts differ, and there
            are no negatives.
    """

    passages: Sequence[Document]
    examples: Sequence[TrainingExample]
    own_positives: ClassVar[bool] = False

    def positives_per_query(self) -> list[int]:
        """How many positives each example has."""
        return [1] * len(self.examples) if self.own_positives else [len(one.positives) for one in self.examples]

    def negatives_per_query(self) -> list[int]:
        """How many negatives each example has."""
        return [0] * len(self.examples) if self.own_positives else [len(one.negatives) for one in self.examples]


def training_row(
    query_id: str,
    query: str,
    positives: Sequence[Document],
    negatives: Sequence[Document],
    other_relevant: Iterable[str] = (),
) -> dict[str, Any]:
    """The object of one line; ``other_relevant`` are ids of known relevant documents that are no positives."""
    row: dict[str, Any] = {
        "query_id": query_id,
        "query": query,
        "positive_passages": [_passage_row(document) for document in positives],
        "negative_passages": [_passage_row(document) for document in negatives],
    }
    relevant_docids = list(other_relevant)
    if relevant_docids:
        row["relevant_docids"] = relevant_docids
    return row


def _passage_row(document: Document) -> dict[str, str]:
    return {"docid": document.id, "title": document.title, "text": document.text}


def read_training_file(path: Path) -> TrainingSet:
    """Read a training file of ours or of Tevatron's making (``.gz`` too).

    Tolerated: ids that are whole numbers; passages without a title (empty then) or without a docid (made from the
    SHA-256 of title and text then); no ``negative_passages``; a passage repeated within a line (kept once); a negative
    with the text of a relevant passage (left out).

    Raises:
        DenseflowError: Naming the line: a key is missing or of the wrong type; a query has no positive or its id was
            used before; a docid stands for two texts; a passage is both relevant and negative for a query.
    """
    reader = _Reader(path)
    for number, row in read_jsonl(path):
        reader.add(number, row)
    if not reader.examples:
        raise DenseflowError(f"{path}: only blank lines; expected at least one training example")
    return TrainingSet(reader.passages, reader.with_all_relevant())


@dataclass
class _Reader:
    path: Path
    passages: list[Document] = field(default_factory=list)
    examples: list[TrainingExample] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    """Docid to position in ``passages``."""
    passage_lines: list[int] = field(default_factory=list)
    query_lines: dict[str, int] = field(default_factory=dict)
    other_relevant: dict[str, list[str]] = field(default_factory=dict)

    def add(self, number: int, row: dict[str, Any]) -> None:
        query_id = self._id(number, row.get("query_id"), "query_id")
        query = self._text(number, row.get("query"), "query")
        if not query.strip():
            raise self._error(number, f"the query of query_id {query_id!r} is empty; write it, or leave the line out")
        if query_id in self.query_lines:
            raise self._error(
                number,
                f"query_id {query_id!r} was used in line {self.query_lines[query_id]} already; put all positives of a "
                "query on one line",
            )
        self.query_lines[query_id] = number
        positives = self._passages(number, row, "positive_passages")
        if not positives:
            raise self._error(
                number, f"query_id {query_id!r} has no positive_passages; expected at least one, or leave the line out"
            )
        negatives = self._passages(number, row, "negative_passages", required=False)
        relevant_docids = [
            self._id(number, docid, "relevant_docids")
            for docid in self._list(number, row.get("relevant_docids", []), "relevant_docids")
        ]
        if relevant_docids:
            self.other_relevant[query_id] = relevant_docids
        self.examples.append(TrainingExample(query_id, query, positives, negatives, frozenset(positives)))

    def with_all_relevant(self) -> list[TrainingExample]:
        """The examples with all that is relevant to their queries, now that all passages are known."""
        places_of_text: dict[bytes, list[int]] = {}
        for place, passage in enumerate(self.passages):
            if key := text_key(passage):
                places_of_text.setdefault(key, []).append(place)
        copies = {place: places for places in places_of_text.values() if len(places) > 1 for place in places}
        return [self._with_relevant(example, copies) for example in self.examples]

    def _with_relevant(self, example: TrainingExample, copies: dict[int, list[int]]) -> TrainingExample:
        others = self.other_relevant.get(example.query_id, ())  # those that are in no line need no mask
        named = example.relevant.union(self.places[docid] for docid in others if docid in self.places)
        for negative in example.negatives:
            if negative in named:
                raise self._error(
                    self.query_lines[example.query_id],
                    f"docid {self.passages[negative].id!r} is both relevant and negative for query_id "
                    f"{example.query_id!r}; take it out of negative_passages",
                )
        relevant = named.union(*(copies[place] for place in named if place in copies))
        negatives = tuple(negative for negative in example.negatives if negative not in relevant)
        return TrainingExample(example.query_id, example.query, example.positives, negatives, relevant)

    def _passages(self, number: int, row: dict[str, Any], key: str, *, required: bool = True) -> tuple[int, ...]:
        rows = self._list(number, row.get(key) if required else row.get(key, []), key)
        return tuple(dict.fromkeys(self._place(number, passage, key) for passage in rows))

    def _place(self, number: int, row: Any, key: str) -> int:
        if not isinstance(row, dict):
            raise self._error(number, f"key {key!r}: found {str(row)[:80]!r}, expected objects with docid, title, text")
        title = self._text(number, row.get("title") or "", f"{key}.title")
        text = self._text(number, row.get("text"), f"{key}.text")
        docid = row.get("docid")
        document = Document(
            sha256_text(f"{title}\n{text}") if docid is None else self._id(number, docid, f"{key}.docid"), title, text
        )
        place = self.places.setdefault(document.id, len(self.passages))
        if place == len(self.passages):
            self.passages.append(document)
            self.passage_lines.append(number)
        elif self.passages[place] != document:
            raise self._error(
                number,
                f"docid {document.id!r} has another title or text than in line {self.passage_lines[place]}; "
                "a docid must stand for one passage",
            )
        return place

    def _list(self, number: int, value: Any, key: str) -> list[Any]:
        if not isinstance(value, list):
            found = "no such key" if value is None else repr(value)[:80]
            raise self._error(number, f"key {key!r}: {found}, expected a list")
        return value

    def _text(self, number: int, value: Any, key: str) -> str:
        if not isinstance(value, str):
            found = "no such key" if value is None else repr(value)[:80]
            raise self._error(number, f"key {key!r}: {found}, expected a text")
        return value

    def _id(self, number: int, value: Any, key: str) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            found = "no such key" if value is None else repr(value)[:80]
            raise self._error(number, f"key {key!r}: {found}, expected a text or a whole number")
        return str(value)

    def _error(self, number: int, what: str) -> DenseflowError:
        return DenseflowError(f"{self.path}, line {number}: {what}")
