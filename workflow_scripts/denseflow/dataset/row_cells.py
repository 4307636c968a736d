"""What stands in a row's cells: ids, texts, levels, and lists of them."""

import ast
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from denseflow.errors import DenseflowError
from denseflow.table_rows import cell

NUMBERS = re.compile(r"\[[\d\s]*\]")
LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", flags=re.DOTALL)


class Row(NamedTuple):
    """A row with its place, for messages."""

    place: str
    number: int
    cells: Mapping[Any, Any]

    def wrong(self, column: str | int, value: Any, expected: str) -> DenseflowError:
        """The error that a cell holds something else than expected."""
        return DenseflowError(
            f"{self.place}, row {self.number}, column {column!r}: found {value!r:.80}, expected {expected}"
        )


def text_of(row: Row, column: str | int) -> str:
    """A cell's text; nothing where JSON has null.

    Raises:
        DenseflowError: There is no such column, or it holds no text.
    """
    value = cell(*row, column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise row.wrong(column, value, "a text")
    return value


def texts_of(row: Row, column: str | int) -> list[str]:
    """A cell's text or list of texts; empty ones are left out."""
    value = cell(*row, column)
    texts = value if isinstance(value, list) else [] if value is None else [value]
    for text in texts:
        if not isinstance(text, str):
            raise row.wrong(column, text, "a text or a list of texts")
    return [text for text in texts if text.strip()]


def array_of(row: Row, column: str | int) -> str:
    """The strings of an array as numpy prints it, which puts no comma between them, joined with a space."""
    printed = text_of(row, column)
    rest = LITERAL.sub("", printed).strip()
    if rest.translate(str.maketrans("", "", "[], \n")):
        raise row.wrong(column, printed, "strings in quotes between square brackets, as numpy prints an array")
    return " ".join(ast.literal_eval(literal) for literal in LITERAL.findall(printed))


def id_of(row: Row, column: str | int | None) -> str:
    """An id, a text or a whole number; without a column the row's number."""
    return str(row.number) if column is None else _id(row, column, cell(*row, column))


def ids_of(row: Row, column: str | int) -> list[str]:
    """One id or several: a list, or one as JSON or numpy writes it."""
    return [_id(row, column, value) for value in _several(cell(*row, column))]


def answers_of(row: Row, column: str | int) -> list[str]:
    """The answers to a query: a text, a list of texts or one as JSON writes it; empty ones are left out."""
    answers = _several(cell(*row, column))
    for answer in answers:
        if not isinstance(answer, str):
            raise row.wrong(column, answer, 'a text, or a list of texts such as ["Paris"]')
    return list(dict.fromkeys(answer for answer in answers if answer.strip()))


def level_of(row: Row, options: Mapping[str, Any]) -> int | None:
    """The level of relevance; None where the row is to be left out.

    Args:
        row: The row.
        options: ``level``, a column, or nothing where all are 1; ``levels``, what its values mean.
    """
    column = options.get("level")
    if column is None:
        return 1
    value = cell(*row, column)
    levels: Mapping[str, int] | None = options.get("levels")
    if levels is not None:
        return levels.get(str(value))
    try:
        level = int(str(value)) if isinstance(value, str) else value
        if isinstance(level, bool) or int(level) != level:
            raise ValueError
    except (TypeError, ValueError):
        raise row.wrong(column, value, "a whole number; say with `levels` what other values mean") from None
    return int(level)


def _several(value: Any) -> list[Any]:
    """The elements of a list, or of one as JSON or, of numbers, numpy writes it; of anything else, the thing itself."""
    if isinstance(value, str) and NUMBERS.fullmatch(value.strip()):
        return value.strip("[] \n").split()
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            return [value]
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _id(row: Row, column: str | int, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise row.wrong(column, value, "an id, a text or a whole number")
    return str(value)
