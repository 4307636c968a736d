"""Pairs of sentences with a value each, from CSV, TSV or JSON, into one form: pairs.jsonl."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from denseflow.errors import DenseflowError
from denseflow.files import read_jsonl, read_lines, write_jsonl
from denseflow.manifest import write_manifest

PAIRS = "pairs.jsonl"
KINDS = (".csv", ".tsv", ".json", ".jsonl")


class Pair(NamedTuple):
    """Two sentences and what people say of them: a score, or whether they mean the same."""

    first: str
    second: str
    value: float


def kind_of(name: str) -> str:
    """The ending of a file's name or address that says how it is written, ``.gz`` left out.

    Raises:
        DenseflowError: It is none of :data:`KINDS`.
    """
    kind = PurePosixPath(name.removesuffix(".gz")).suffix
    if kind not in KINDS:
        raise DenseflowError(
            f"{name}: its name ends in {kind!r}, expected one of {', '.join(KINDS)}, or these with .gz"
        )
    return kind


def write_pairs(file: Path, kind: str, options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write pairs.jsonl (keys ``first``, ``second``, ``value``) and its manifest.

    Args:
        file: What to read.
        kind: How it is written: one of :data:`KINDS`.
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
    same = options.get("same")
    columns = [options["first"], options["second"], options["score" if same is None else "label"]]
    for number, row in _rows(file, kind, header=isinstance(columns[0], str)):
        first, second, value = (_cell(file, number, row, column) for column in columns)
        for column, sentence in zip(columns, (first, second), strict=False):
            if not isinstance(sentence, str) or not sentence.strip():
                raise DenseflowError(
                    f"{file}, row {number}, column {column!r}: found {sentence!r:.80}, expected a text"
                )
        label = value if isinstance(value, str) else json.dumps(value)
        yield Pair(first, second, _score(file, number, value) if same is None else float(label in same))


def _rows(file: Path, kind: str, *, header: bool) -> Iterator[tuple[int, Mapping[Any, Any]]]:
    """Yield (number from 1, cells by column): columns are names where there is a header, else numbers from 1."""
    if kind in (".json", ".jsonl"):
        yield from _json_rows(file)
        return
    lines = (line + "\n" for _, line in read_lines(file))
    # A quote in a .tsv is a letter like any other.
    tabs = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if kind == ".tsv" else {"strict": True}
    cells = csv.reader(lines, **tabs)
    names: list[Any] | None = None
    try:
        for number, row in enumerate((row for row in cells if row), start=0 if header else 1):
            if names is None:
                names = row if header else list(range(1, len(row) + 1))
                if header:
                    continue
            if len(row) != len(names):
                raise DenseflowError(
                    f"{file}, row {number}: {len(row)} columns, expected {len(names)} as in the first line; correct "
                    "the row, or the file's ending, which says how columns are separated"
                )
            yield number, dict(zip(names, row, strict=True))
    except csv.Error as error:
        raise DenseflowError(f"{file}: not CSV ({error}); correct the quotes") from None


def _json_rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """One object a line, or one list of objects."""
    start = next((line.lstrip() for _, line in read_lines(file) if line.strip()), "")
    if not start.startswith("["):
        yield from read_jsonl(file)
        return
    try:
        rows = json.loads("\n".join(line for _, line in read_lines(file)))
    except json.JSONDecodeError as error:
        raise DenseflowError(f"{file}, line {error.lineno}: not JSON ({error.msg})") from None
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DenseflowError(f"{file}, row {number}: found {row!r:.80}, expected a JSON object")
        yield number, row


def _cell(file: Path, number: int, row: Mapping[Any, Any], column: str | int) -> Any:
    """The cell of a column; ``labels.score`` is the key ``score`` inside ``labels``."""
    if column in row:
        return row[column]
    value: Any = row
    for part in str(column).split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise DenseflowError(
                f"{file}, row {number}: no column {column!r}; there are {', '.join(map(str, row))}. Name them in the "
                "experiment's file (`first`, `second`, `score` or `label`), by number from 1 where there is no header"
            )
        value = value[part]
    return value


def _score(file: Path, number: int, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise DenseflowError(
            f"{file}, row {number}: score {value!r:.80}, expected a number; name the right column as `score`"
        ) from None
