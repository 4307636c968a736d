"""From a source to corpus.jsonl, queries.SPLIT.jsonl, qrels.SPLIT.tsv and a manifest, or to a clear error."""

import shutil
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from denseflow.collection import QRELS_HEADER
from denseflow.dataset import (
    beir,
    dpr,
    flag_embedding,
    hugging_face,
    ir_datasets,
    lines,
    package_docs,
    sentences,
    smart,
    squad,
    tables,
)
from denseflow.dataset.collection_source import SourceCollection, Split, examples
from denseflow.dataset.lengths import Lengths
from denseflow.dataset.unique_ids import UniqueIds
from denseflow.errors import DenseflowError
from denseflow.files import atomic_path, sha256, write_jsonl
from denseflow.manifest import NAME, write_manifest
from denseflow.progress import counted

SOURCES = {
    "ir_datasets": ir_datasets.open_collection,
    "beir": beir.open_collection,
    "package_docs": package_docs.open_collection,
    "squad": squad.open_collection,
    "dpr": dpr.open_collection,
    "flag_embedding": flag_embedding.open_collection,
    "smart": smart.open_collection,
    "tables": tables.open_collection,
    "lines": lines.open_collection,
    "hugging_face": hugging_face.open_collection,
    "sentences": sentences.open_collection,
}

OF_A_SPLIT = ("queries.*.jsonl", "qrels.*.tsv", "negatives.*.jsonl")
"""The files of a split."""
EXAMPLES = 4
"""Ids kept to show three, and whether there are more."""


def export(
    source: dict[str, Any], folder: Path, of: Path | None = None, revisions: Path | None = None
) -> dict[str, Any]:
    """Write a collection in the form that every later stage reads.

    All files are made in a folder of their own and moved when the last one is whole; the manifest comes last.

    Args:
        source: ``type`` (one of :data:`SOURCES`) and that source's options.
        folder: Where the files go.
        of: The manifest of the collection that this one is made from, where it is.
        revisions: Where the commits of datasets from the hub are recorded.

    Returns:
        The manifest, with counts, lengths (of a document's title and text, and of the queries) and warnings.

    Raises:
        DenseflowError: The source cannot be read, or what it gives is no collection (repeated ids, ids with white
            space, judgements for queries that do not exist, no documents, no queries, no judgements).
    """
    if source.get("type") not in SOURCES:
        raise DenseflowError(f"source: type {source.get('type')!r}; expected one of {', '.join(SOURCES)}")
    work = folder / ".unfinished"
    shutil.rmtree(work, ignore_errors=True)
    whole = work / "whole"
    whole.mkdir(parents=True)
    try:
        places = {"manifest": of, "revisions": revisions}
        given = {key: str(path) for key, path in places.items() if path is not None}
        with SOURCES[source["type"]]({**source, **given}, work) as collection:
            facts = _write(collection, whole)
        # Without it nobody takes the old manifest for the new files', should this be killed between two moves.
        (folder / NAME).unlink(missing_ok=True)
        files = sorted(file.name for file in whole.iterdir())
        _remove_others(folder, files)
        for name in files:
            (whole / name).replace(folder / name)
    except UnicodeEncodeError as error:  # where a source makes ids of texts
        raise DenseflowError(
            f"source of type {source['type']}: half of a surrogate pair, which is not valid Unicode, in "
            f"{error.object[:60]!r}; correct the escape in the source"
        ) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    options = _without_folders({"source": source})
    inputs: dict[str, Any] = {} if of is None else {"inputs": {"dataset": sha256(of)}}
    return write_manifest(folder, "dataset", files, packages=collection.packages, options=options, **inputs, **facts)


def _remove_others(folder: Path, files: list[str]) -> None:
    """Remove what an earlier export wrote of splits, or of negatives, that the collection no longer has."""
    for pattern in OF_A_SPLIT:
        for path in folder.glob(pattern):
            if path.name not in files:
                path.unlink()


def _without_folders(options: Any, key: str = "") -> Any:
    """The options with the last part of each ``path`` only: moving a collection does not change it."""
    if isinstance(options, Mapping):
        return {name: _without_folders(value, name) for name, value in options.items()}
    if isinstance(options, list):
        return [_without_folders(value) for value in options]
    return Path(options).name if key == "path" and options else options


def _write(collection: SourceCollection, folder: Path) -> dict[str, Any]:
    splits: dict[str, dict[str, Any]] = {}
    lengths: dict[str, Any] = {}
    warnings: list[str] = []
    texts: dict[str, dict[str, str]] = {}
    judged: dict[str, set[str]] = {}
    for name, read in collection.splits.items():
        split = read()
        splits[name], lengths[f"queries.{name}"] = _write_split(folder, name, split)
        warnings += _split_warnings(name, split)
        judged[name] = {document_id for levels in split.qrels.values() for document_id in levels}
        texts[name] = {" ".join(text.casefold().split()): query_id for query_id, text in split.queries.items()}
    corpus = _Corpus(collection, set().union(*judged.values()))
    documents = write_jsonl(folder / "corpus.jsonl", counted(corpus.rows(), "documents written"))
    if not documents:
        raise DenseflowError(f"{collection.origin}: no documents; check the source's corpus file or its id")
    warnings += corpus.warnings()
    corpus.refuse_repeated()
    for name, ids in judged.items():
        unknown = sorted(ids & corpus.missing)
        if unknown:
            warnings.append(
                f"{name}: {len(unknown)} documents are judged but not in the corpus ({examples(unknown)}); the "
                "judgements are kept, so that they count against recall as in trec_eval"
            )
    return {
        "counts": {"documents": documents, "splits": splits},
        "lengths": {"documents": corpus.lengths.summary(), **lengths},
        "warnings": [*collection.warnings, *warnings, *_shared_queries(texts)],
        "facts": collection.facts,
    }


class _Corpus:
    """The rows of corpus.jsonl; of what passes through only the ids' hashes and the lengths are kept.

    Attributes:
        missing: Of the ids that are judged, those that no document has had so far.
    """

    def __init__(self, collection: SourceCollection, judged: set[str]) -> None:
        self.collection = collection
        self.missing = judged
        self.lengths = Lengths()
        self._ids = UniqueIds()
        self._empty = 0
        self._examples: list[str] = []

    def rows(self) -> Iterator[dict[str, str]]:
        for document in self.collection.documents():
            _check_id(f"{self.collection.origin}: document", document.id)
            _check_text(f"{self.collection.origin}: document {document.id!r}", document.title + document.text)
            self._ids.add(document.id)
            self.missing.discard(document.id)
            both = f"{document.title} {document.text}".strip()
            self.lengths.add(both)
            if not both:
                self._empty += 1
                self._examples += [document.id] * (self._empty <= EXAMPLES)
            yield {"_id": document.id, "title": document.title, "text": document.text}

    def refuse_repeated(self) -> None:
        """Refuse a collection in which an id came twice."""
        repeated = self._ids.repeated(document.id for document in self.collection.documents())
        if repeated is not None:
            name, first, second = repeated
            raise DenseflowError(
                f"{self.collection.origin}: document {name!r} comes twice, as the collection's number {first} and "
                f"{second}; ids must be unique"
            )

    def warnings(self) -> list[str]:
        if not self._empty:
            return []
        return [f"{self._empty} documents have neither a title nor a text ({examples(self._examples)})"]


def _write_split(folder: Path, name: str, split: Split) -> tuple[dict[str, int], dict[str, Any]]:
    """Write a split's two files; its counts and its queries' lengths."""
    unknown = [query_id for query_id in split.qrels if query_id not in split.queries]
    if unknown:
        raise DenseflowError(
            f"{split.origin}: {len(unknown)} queries of the judgements do not exist ({examples(unknown)}); add the "
            "queries, or take out their judgements"
        )
    if not split.qrels:
        raise DenseflowError(f"{split.origin}: no judgements; a split needs at least one query with a judgement")
    lengths = Lengths()
    for query_id, text in split.queries.items():
        _check_id(f"{split.origin}: query", query_id)
        _check_text(f"{split.origin}: query {query_id!r}", text)
        for answer in split.answers.get(query_id, ()):
            _check_text(f"{split.origin}: answer of query {query_id!r}", answer)
        lengths.add(text)
    write_jsonl(folder / f"queries.{name}.jsonl", _query_rows(split))
    if any(any(lists.values()) for lists in split.negatives.values()):
        write_jsonl(folder / f"negatives.{name}.jsonl", _negative_rows(split))
    pairs = relevant = 0
    with (
        atomic_path(folder / f"qrels.{name}.tsv") as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        file.write(QRELS_HEADER + "\n")
        for query_id in split.queries:
            for document_id, level in split.qrels.get(query_id, {}).items():
                _check_id(f"{split.origin}: judged document", document_id)
                file.write(f"{query_id}\t{document_id}\t{level}\n")
                pairs += 1
                relevant += level > 0
    counts = {
        "queries": len(split.queries),
        "judged_queries": len(split.qrels),
        "judgements": pairs,
        "relevant": relevant,
    }
    answered = sum(bool(split.answers.get(query_id)) for query_id in split.queries)
    if answered:
        counts["queries_with_answers"] = answered
    return counts, lengths.summary()


def _query_rows(split: Split) -> Iterator[dict[str, Any]]:
    for query_id, text in split.queries.items():
        row: dict[str, Any] = {"_id": query_id, "text": text}
        if split.answers.get(query_id):
            row["answers"] = split.answers[query_id]
        yield row


def _negative_rows(split: Split) -> Iterator[dict[str, Any]]:
    for query_id in split.queries:
        yield {"_id": query_id, **{name: lists.get(query_id, []) for name, lists in split.negatives.items()}}


def _check_id(what: str, value: str) -> None:
    if value.split() != [value]:
        raise DenseflowError(
            f"{what} id {value!r}: ids must not be empty or contain white space, which separates the columns of run "
            "files; rename it, for example with _ instead of a space, in the corpus, the queries and the judgements"
        )


def _check_text(what: str, text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DenseflowError(
            f"{what}: character {error.start} of its text is half of a surrogate pair "
            f"({text[error.start]!r}), which is not valid Unicode; correct the escape in the source"
        ) from None


def _split_warnings(name: str, split: Split) -> list[str]:
    unjudged = [query_id for query_id in split.queries if query_id not in split.qrels]
    irrelevant = [query_id for query_id, levels in split.qrels.items() if max(levels.values()) <= 0]
    empty = [query_id for query_id, text in split.queries.items() if not text.strip()]
    found = (
        (unjudged, "have no judgements and count in no measure"),
        (irrelevant, "have judgements but no relevant document"),
        (empty, "have an empty text"),
    )
    return [f"{name}: {len(ids)} queries {what} ({examples(ids)})" for ids, what in found if ids]


def _shared_queries(texts: Mapping[str, Mapping[str, str]]) -> list[str]:
    """A warning for each two splits that share query texts, case and spaces aside."""
    warnings = []
    for one, other in combinations(texts, 2):
        shared = [f"{texts[one][text]} = {query_id}" for text, query_id in texts[other].items() if text in texts[one]]
        if shared:
            warnings.append(f"{len(shared)} queries of {other} have the same text as one of {one} ({examples(shared)})")
    return warnings
