"""Tables as people keep them, CSV, TSV and JSON: row by row, by the names or numbers of their columns."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from denseflow.addresses import last_part
from denseflow.errors import DenseflowError
from denseflow.files import read_jsonl, read_lines

KINDS = (".csv", ".tsv", ".json", ".jsonl")
LARGEST_CELL = 2**31 - 1


def kind_of(name: str) -> str:
    """The ending of a file's name or address that says how it is written, ``.gz`` left out.

    Raises:
        DenseflowError: It is none of :data:`KINDS`.
    """
    kind = PurePosixPath(last_part(name).removesuffix(".gz")).suffix
    if kind not in KINDS:
        raise DenseflowError(
            f"{name}: its name ends in {kind!r}, expected one of {', '.join(KINDS)}, or these with .gz"
        )
    return kind


def read_rows(file: Path, kind: str, *, header: bool) -> Iterator[tuple[int, Mapping[Any, Any]]]:
    """Yield (number from 1, cells by column): columns are names where there is a header, else numbers from 1.

    Args:
        file: What to read.
        kind: One of :data:`KINDS`, or ``.spaces``: columns with any white space between, as in TREC's files.
        header: Whether the first line of a .csv, .tsv or .spaces names the columns.

    Raises:
        DenseflowError: The file is missing, empty or broken, or its rows have different numbers of columns.
    """
    if kind in (".json", ".jsonl"):
        yield from _json_rows(file)
        return
    names: list[Any] | None = None
    try:
        for number, row in enumerate((row for row in _cells(file, kind) if row), start=0 if header else 1):
            if names is None:
                names = row if header else list(range(1, len(row) + 1))
                twice = [name for name, count in Counter(names).items() if count > 1 and name]
                if twice:
                    raise DenseflowError(
                        f"{file}: the header has the column {twice[0]!r} more than once; give each a name of its own"
                    )
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


def cell(place: object, number: int, row: Mapping[Any, Any], column: str | int) -> Any:
    """The cell of a column; ``labels.score`` is the key ``score`` inside ``labels``.

    Args:
        place: The file, for messages.
        number: The row's number, for messages.
        row: Its cells.
        column: A name, or a number from 1.

    Raises:
        DenseflowError: There is no such column.
    """
    if column in row:
        return row[column]
    value: Any = row
    for part in str(column).split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise DenseflowError(
                f"{place}, row {number}: no column {column!r}; there are {', '.join(map(str, row))}. Name one of them "
                "in the configuration, by its number from 1 where the file has no header"
            )
        value = value[part]
    return value


def _cells(file: Path, kind: str) -> Iterable[list[str]]:
    # Spreadsheets put a mark of the byte order before the first name.
    lines = (line.removeprefix("\ufeff") if number == 1 else line for number, line in read_lines(file))
    if kind == ".spaces":
        return (line.split() for line in lines)
    csv.field_size_limit(LARGEST_CELL)
    whole = (line + "\n" for line in lines)
    if kind == ".tsv":  # a quote in a .tsv is a letter like any other
        return csv.reader(whole, delimiter="\t", quoting=csv.QUOTE_NONE)
    return csv.reader(whole, strict=True)


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
