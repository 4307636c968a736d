"""The forms in which the classic collections lie: records, and the numbers that judge them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from denseflow.errors import DenseflowError

END = "\x1a"
"""What DOS put at the end of a text."""


class Record(NamedTuple):
    """A document or a query: its number as the file has it, and its fields' texts by letter, white space made one."""

    number: str
    fields: dict[str, str]


class Judged(NamedTuple):
    """A line's judgement: the query's and the document's number and, where there is one, the code."""

    line: int
    query: int
    document: int
    code: int | None = None


def read_fields(path: Path, encoding: str) -> list[Record]:
    """Records of ``.I NUMBER``, then fields that each begin with a line such as ``.T``.

    A field that comes twice in a record is joined, unless it repeats itself (Cranfield's 576 and 578, ADI's 67).

    Raises:
        DenseflowError: The file is not in this form or encoding.
    """
    parts = re.split(r"^\.I[ \t]+", _text(path, encoding), flags=re.MULTILINE)
    if len(parts) > 1:
        _refuse_text(path, parts[0], "the first '.I NUMBER'")
    records = []
    for part in parts[1:]:
        number, _, rest = part.partition("\n")
        texts = re.split(r"^\.([A-Z])[ \t]*$", rest, flags=re.MULTILINE)
        _refuse_text(path, texts[0], f"the first field of record {number.strip()!r}")
        fields: dict[str, str] = {}
        for letter, text in zip(texts[1::2], texts[2::2], strict=True):
            before, now = fields.get(letter, ""), _line(text)
            fields[letter] = before if now == before else f"{before} {now}".strip()
        records.append(Record(number.strip(), fields))
    return _some(path, records, "records that begin with '.I NUMBER'")


def read_slashes(path: Path, encoding: str) -> list[Record]:
    """A number on a line, text on the next ones, then a line with ``/``; the text is field W."""
    parts = re.split(r"^\s*/\s*$", _text(path, encoding), flags=re.MULTILINE)
    pairs = [part.split(maxsplit=1) for part in parts if part.strip()]
    records = [Record(pair[0], {"W": _line(pair[1]) if len(pair) > 1 else ""}) for pair in pairs]
    return _some(path, records, "a number, a text and a line with '/'")


def read_stars(path: Path, encoding: str, mark: str) -> list[Record]:
    """What begins with ``*TEXT`` or ``*FIND``, up to the next one or ``*STOP``; the text is field W.

    Args:
        path: The file.
        encoding: Its encoding.
        mark: ``TEXT``, whose line goes on with a date and a page, or ``FIND``, which a number follows.
    """
    records = []
    parts = _text(path, encoding).split(f"*{mark}")
    if len(parts) > 1:
        _refuse_text(path, parts[0], f"the first '*{mark}'")
    for part in parts[1:]:
        head, _, text = part.partition("*STOP")[0].partition("\n")
        records.append(Record((head.split() or [""])[0], {"W": _line(text)}))
    return _some(path, records, f"texts that begin with '*{mark}'")


def read_pair_lines(path: Path, encoding: str, code_column: int | None) -> Iterator[Judged]:
    """Lines of a query's number, a document's and further columns, of which one may be a code."""
    for line, columns in _columns(path, encoding):
        if len(columns) < max(2, code_column or 0):
            raise DenseflowError(
                f"{path}, line {line}: {len(columns)} columns, expected a query's number, a document's"
                + (f" and a code in column {code_column}" if code_column else "")
            )
        code = None if code_column is None else _number(path, line, columns[code_column - 1])
        yield Judged(line, _number(path, line, columns[0]), _number(path, line, columns[1]), code)


def read_query_lines(path: Path, encoding: str) -> Iterator[Judged]:
    """Lines of a query's number and its relevant documents' numbers."""
    for line, (query, *documents) in _columns(path, encoding):
        for document in documents:
            yield Judged(line, _number(path, line, query), _number(path, line, document))


def read_judged_slashes(path: Path, encoding: str) -> Iterator[Judged]:
    """A query's number, its relevant documents' numbers, then a line with ``/``."""
    for place, record in enumerate(read_slashes(path, encoding), start=1):
        for document in record.fields["W"].split():
            yield Judged(place, _number(path, place, record.number), _number(path, place, document))


def _columns(path: Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(_text(path, encoding).split("\n"), start=1):
        if line.strip():
            yield number, line.split()


def _number(path: Path, line: int, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise DenseflowError(
            f"{path}, line {line}: {text!r}, expected a whole number; see that `form` is that of the files"
        ) from None


def _text(path: Path, encoding: str) -> str:
    try:
        text = path.read_bytes().decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise DenseflowError(f"{path}: not in the encoding {encoding!r} ({error}); correct `encoding`") from None
    return text.replace("\r\n", "\n").replace(END, "")


def _refuse_text(path: Path, text: str, where: str) -> None:
    """Refuse text that belongs to no record or field, and would be lost."""
    if text.strip():
        raise DenseflowError(
            f"{path}: {text.strip()[:60]!r} stands before {where}; a field's letter, such as .T, stands on a line of "
            "its own. See that `form` and `encoding` are those of the file"
        )


def _some(path: Path, records: list[Record], expected: str) -> list[Record]:
    if not records:
        raise DenseflowError(f"{path}: expected {expected}, found none; see that `form` is that of the files")
    return records


def _line(text: str) -> str:
    return " ".join(text.split())
