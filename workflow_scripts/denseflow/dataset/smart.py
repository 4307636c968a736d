"""The classic collections of the SMART project and their like, with what is odd in each as an option."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from denseflow.collection import Document, Qrels
from denseflow.dataset.collection_source import SourceCollection, Split, examples
from denseflow.dataset.data_files import at_hand
from denseflow.dataset.smart_files import (
    Judged,
    Record,
    read_fields,
    read_judged_slashes,
    read_pair_lines,
    read_query_lines,
    read_slashes,
    read_stars,
)
from denseflow.errors import DenseflowError


@contextmanager
def open_collection(source: Mapping[str, Any], work: Path) -> Iterator[SourceCollection]:
    """A collection of a file of documents, one of queries and one of judgements.

    Queries without any judgement are left out, and counted: a score of 0 would be wrong. Ids are the numbers without
    leading zeros.

    Args:
        source: The options of :class:`denseflow.config.sources.smart.SmartSource`.
        work: A folder to download and unpack into.

    Raises:
        DenseflowError: A file is missing or in another form, or a judgement names what is not there.
    """
    documents_file, queries_file, judgements_file = (
        at_hand(source[name], work / name) for name in ("documents", "queries", "judgements")
    )
    encoding, form = source["encoding"], source["form"]
    documents = _documents(documents_file, _records(documents_file, form, encoding, "TEXT"), source)
    queries = _queries(queries_file, _records(queries_file, form, encoding, "FIND"), source)
    judged = _judged(judgements_file, source)
    qrels, facts = _qrels(judgements_file, judged, queries, {document.id for document in documents}, source)
    unjudged = [query_id for query_id in queries if query_id not in qrels]
    drawn = shares([query_id for query_id in queries if query_id in qrels], source["splits"], source["seed"])
    yield SourceCollection(
        origin=str(documents_file),
        documents=lambda: iter(documents),
        splits={split: partial(_split, split, drawn[split], queries, qrels, judgements_file) for split in drawn},
        facts={"unjudged_queries": len(unjudged), **facts},
        warnings=[f"{len(unjudged)} queries have no judgement ({examples(unjudged)}); left out"] if unjudged else [],
    )


def shares(names: Sequence[str], splits: Mapping[str, float], seed: int) -> dict[str, list[str]]:
    """Names drawn into splits by their shares; each keeps the order in which they came.

    Raises:
        DenseflowError: A share is too small for a single one.
    """
    drawn = list(names)
    random.Random(seed).shuffle(drawn)
    place = {name: number for number, name in enumerate(names)}
    ends, sum_ = [0], 0.0
    for share in splits.values():
        sum_ += share
        ends.append(round(sum_ * len(names)))
    parts = {
        split: sorted(drawn[start:end], key=place.__getitem__)
        for split, start, end in zip(splits, ends, ends[1:], strict=False)
    }
    for split, part in parts.items():
        if not part:
            raise DenseflowError(
                f"source: key 'splits.{split}': {splits[split]} of {len(names)} judged queries is none; raise it"
            )
    return parts


def _records(path: Path, form: str, encoding: str, mark: str) -> list[Record]:
    if form == "fields":
        return read_fields(path, encoding)
    return read_slashes(path, encoding) if form == "slashes" else read_stars(path, encoding, mark)


def _documents(path: Path, records: list[Record], source: Mapping[str, Any]) -> list[Document]:
    _check_fields(path, records, source, "text")
    numbers: Iterator[int] | None = None
    if source["form"] == "stars":  # the judgements count the articles
        missing = set(source["missing_positions"])
        numbers = (number for number in range(1, len(records) + len(missing) + 1) if number not in missing)
    documents = []
    for record in records:
        title = record.fields.get(source.get("title", ""), "")
        text = " ".join(record.fields[letter] for letter in source["text"] if record.fields.get(letter))
        if source["title_in_text"] and title:
            text = text.removeprefix(title).lstrip()
        documents.append(Document(str(next(numbers)) if numbers else _plain(path, record.number), title, text))
    return documents


def _queries(path: Path, records: list[Record], source: Mapping[str, Any]) -> dict[str, str]:
    _check_fields(path, records, source, "query_text")
    queries: dict[str, str] = {}
    for place, record in enumerate(records, start=1):
        text = " ".join(record.fields[letter] for letter in source["query_text"] if record.fields.get(letter))
        query_id = str(place) if source["queries_by_position"] else _plain(path, record.number)
        if query_id in queries:
            raise DenseflowError(f"{path}: query {query_id!r} comes twice; is `queries_by_position` meant?")
        queries[query_id] = text
    return queries


def _check_fields(path: Path, records: list[Record], source: Mapping[str, Any], key: str) -> None:
    there = {letter for record in records for letter in record.fields}
    for letter in source[key]:
        if letter not in there:
            raise DenseflowError(
                f"{path}: no record has a field {letter!r}, which `{key}` of the source names; there are "
                f"{', '.join(sorted(there)) or 'none'}"
            )


def _plain(path: Path, number: str) -> str:
    if not number.isdecimal():
        raise DenseflowError(
            f"{path}: a record has the number {number!r}, expected a whole number; see that `form` is right"
        )
    return number.lstrip("0") or "0"


def _judged(path: Path, source: Mapping[str, Any]) -> Iterator[Judged]:
    encoding = source["encoding"]
    if source["form"] == "fields":
        return read_pair_lines(path, encoding, source.get("level_column"))
    return read_judged_slashes(path, encoding) if source["form"] == "slashes" else read_query_lines(path, encoding)


def _qrels(
    path: Path, judged: Iterator[Judged], queries: Mapping[str, str], documents: set[str], source: Mapping[str, Any]
) -> tuple[Qrels, dict[str, Any]]:
    levels: Mapping[str, int] | None = source.get("levels")
    qrels: Qrels = {}
    left_out: Counter[str] = Counter()
    repeated = 0
    for one in judged:
        query, document = str(one.query), str(one.document)
        for kind, name, known in (("query", query, queries), ("document", document, documents)):
            if name not in known:
                raise DenseflowError(
                    f"{path}, line {one.line}: {kind} {name!r} is not in the collection; if the judgements count by "
                    "position, set `queries_by_position`, or `missing_positions` with the form stars"
                )
        if levels is not None and str(one.code) not in levels:
            left_out[str(one.code)] += 1
            continue
        level = 1 if one.code is None else one.code if levels is None else levels[str(one.code)]
        repeated += document in qrels.setdefault(query, {})
        qrels[query][document] = max(level, qrels[query].get(document, level))
    facts = {"codes_left_out": dict(sorted(left_out.items())), "repeated_judgements": repeated}
    return qrels, {name: value for name, value in facts.items() if value}


def _split(name: str, drawn: list[str], queries: dict[str, str], qrels: Qrels, path: Path) -> Split:
    return Split({one: queries[one] for one in drawn}, {one: qrels[one] for one in drawn}, f"{path}, split {name}")
