"""Pairs of sentences with a value each, from CSV, TSV or JSON, into one form: pairs.jsonl."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from denseflow.errors import DenseflowError
from denseflow.files import read_jsonl, write_jsonl
from denseflow.manifest import write_manifest
from denseflow.table_rows import cell, read_rows

PAIRS = "pairs.jsonl"


class Pair(NamedTuple):
    """Two sentences and what people say of them: a score, or whether they mean the same."""

    first: str
    second: str
    value: float


def write_pairs(file: Path, kind: str, options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write pairs.jsonl (keys ``first``, ``second``, ``value``) and its manifest.

    Args:
        file: What to read.
        kind: How it is written: one of :data:`denseflow.table_rows.KINDS`.
        options: A section of :mod:`denseflow.config.similarity`.
        folder: Where the files go.

    Raises:
        DenseflowError: The file is broken or lacks a column, a score is no number, or all values are alike.
    """
    pairs = list(read_pairs(file, kind, options))
    values = {pair.value for pair in pairs}
    if len(values) < 2:
        found = f"{len(pairs)} pairs, all with {values.pop():g}" if values else "no pairs"
        raise DenseflowError(
            f"{file}: {found}, on which nothing can be scored; check the columns that the experiment's file gives"
        )
    write_jsonl(folder / PAIRS, (pair._asdict() for pair in pairs))
    sentences = {sentence for pair in pairs for sentence in pair[:2]}
    return write_manifest(folder, "evaluate", [PAIRS], counts={"pairs": len(pairs), "sentences": len(sentences)})


def load_pairs(folder: Path) -> list[Pair]:
    """The pairs of a pairs.jsonl."""
    return [Pair(row["first"], row["second"], row["value"]) for _, row in read_jsonl(folder / PAIRS)]


def read_pairs(file: Path, kind: str, options: Mapping[str, Any]) -> Iterator[Pair]:
    """Yield the pairs of a file; of rows with labels, 1 is the value of those that mean the same, and 0 of the others.

    Raises:
        DenseflowError: As :func:`write_pairs`.
    """
    labelled = "same" in options
    columns = [options["first"], options["second"], options["label" if labelled else "score"]]
    for number, row in read_rows(file, kind, header=isinstance(columns[0], str)):
        first, second, value = (cell(file, number, row, column) for column in columns)
        for column, sentence in zip(columns, (first, second), strict=False):
            if not isinstance(sentence, str) or not sentence.strip():
                raise DenseflowError(
                    f"{file}, row {number}, column {column!r}: found {sentence!r:.80}, expected a text"
                )
        if options.get("join_words"):
            first, second = first.replace(" ", ""), second.replace(" ", "")
        yield Pair(first, second, _same(file, number, value, options) if labelled else _score(file, number, value))


def _same(file: Path, number: int, value: Any, options: Mapping[str, Any]) -> float:
    """1 where a pair means the same, else 0."""
    if options.get("at_least") is not None:
        return float(_score(file, number, value) >= options["at_least"])
    label = value if isinstance(value, str) else json.dumps(value)
    return float(label in options["same"])


def _score(file: Path, number: int, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise DenseflowError(
            f"{file}, row {number}: score {value!r:.80}, expected a number; name the right column as `score`"
        ) from None
