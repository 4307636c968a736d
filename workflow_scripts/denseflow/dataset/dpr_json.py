"""DPR's files: the JSON of questions with their passages, and the table of passages."""

import csv
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ijson

from denseflow.collection import Document
from denseflow.errors import DenseflowError
from denseflow.files import read_lines, sha256_text

ID_KEYS = ("passage_id", "psg_id", "id")
"""The keys that DPR's files have for a passage's id, according to their age."""

POSITIVE, HARD, EASY = "positive_ctxs", "hard_negative_ctxs", "negative_ctxs"


class DprQuestion(NamedTuple):
    """A question of a file, its answers, and its passages by :data:`POSITIVE`, :data:`HARD` and :data:`EASY`.

    Attributes:
        id: The file's own, if it has any; else its number in the file, from 1.
    """

    id: str
    text: str
    answers: list[str]
    passages: dict[str, list[Document]]


def read_questions(path: Path, *, titles: bool = True, ids_by_text: bool = False) -> Iterator[DprQuestion]:
    """The questions of a file, one at a time: a list of objects, or an object a line.

    Args:
        path: The file, not packed.
        titles: Whether passages have their title.
        ids_by_text: Whether a passage's id always is that of its title and text, as where it has none.

    Raises:
        DenseflowError: It is no such file; the question's number, the key, what was found and expected are named.
    """
    for number, row in enumerate(_rows(path), start=1):
        where = f"{path}, question {number}"
        if not isinstance(row, Mapping):
            raise DenseflowError(f"{where}: {row!r:.80}, expected an object with {'question'!r} and {POSITIVE!r}")
        answers = _list(where, row, "answers", required=False)
        for answer in answers:
            if not isinstance(answer, str):
                raise DenseflowError(f"{where}: key 'answers': {answer!r:.80}, expected texts")
        yield DprQuestion(
            _id(where, row, ("id",)) or str(number),
            _text(where, row, "question"),
            [answer for answer in dict.fromkeys(answers) if answer.strip()],
            {
                kind: [
                    _passage(f"{where}, {kind}[{place}]", passage, titles, ids_by_text)
                    for place, passage in enumerate(_list(where, row, kind, required=kind == POSITIVE))
                ]
                for kind in (POSITIVE, HARD, EASY)
            },
        )


def read_passages(path: Path, *, titles: bool = True) -> Iterator[Document]:
    """The documents of a table of id, text and title, tab separated and quoted as CSV, after a line that names them.

    Raises:
        DenseflowError: A line is not UTF-8 or has another number of columns, or the first is no such line.
    """
    csv.field_size_limit(sys.maxsize)
    lines = (line + "\n" for _, line in read_lines(path))
    for number, row in enumerate(csv.reader(lines, delimiter="\t"), start=1):
        if number == 1:
            if row != ["id", "text", "title"]:
                raise DenseflowError(f"{path}, line 1: {row!r:.80}, expected id, text and title, tab separated")
            continue
        if len(row) != 3:
            raise DenseflowError(f"{path}, row {number}: {len(row)} columns in {row!r:.80}, expected id, text, title")
        yield Document(row[0], row[2] if titles else "", row[1])


def _rows(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        first = file.read(1)
        while first.isspace():
            first = file.read(1)
        if first not in (b"[", b"{"):
            raise DenseflowError(
                f"{path}: begins with {first!r}, expected DPR's JSON: a list of questions, or one a line"
            )
        file.seek(0)
        try:
            yield from ijson.items(file, "item" if first == b"[" else "", multiple_values=True, use_float=True)
        except (ijson.JSONError, UnicodeDecodeError) as error:
            raise DenseflowError(f"{path}: not JSON ({str(error).splitlines()[0]}); download it again") from None


def _passage(where: str, row: Any, titles: bool, ids_by_text: bool) -> Document:
    if not isinstance(row, Mapping):
        raise DenseflowError(f"{where}: {row!r:.80}, expected an object with 'title' and 'text'")
    title = row.get("title") or ""
    if not isinstance(title, str):
        raise DenseflowError(f"{where}: key 'title': {title!r:.80}, expected a text")
    title, text = title if titles else "", _text(where, row, "text")
    given = None if ids_by_text else _id(where, row, ID_KEYS)
    return Document(given or sha256_text(f"{title}\n{text}")[:16], title, text)


def _id(where: str, row: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        value = row.get(key)
        if value in (None, ""):
            continue
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise DenseflowError(f"{where}: key {key!r}: {value!r:.80}, expected a text or a whole number")
        return str(value)
    return None


def _list(where: str, row: Mapping[str, Any], key: str, *, required: bool) -> list[Any]:
    value = row.get(key)
    if value is None and not required:
        return []
    if not isinstance(value, list):
        found = "no such key" if value is None else f"{value!r:.80}"
        raise DenseflowError(f"{where}: key {key!r}: {found}, expected a list")
    return value


def _text(where: str, row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        found = "no such key" if value is None else f"{value!r:.80}"
        raise DenseflowError(f"{where}: key {key!r}: {found}, expected a text")
    return value
