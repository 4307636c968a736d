"""The JSON of SQuAD 1.1 and 2.0 (Rajpurkar et al., 2016 and 2018): articles, their paragraphs, these' questions."""

import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from denseflow.collection import Document
from denseflow.dataset.archive import unpack
from denseflow.errors import DenseflowError


class Question(NamedTuple):
    """A question, the texts that answer it, each once, and its passage's id."""

    id: str
    text: str
    answers: list[str]
    document: str


@dataclass
class SquadReader:
    """Reads files one after the other.

    Attributes:
        separator: What stands between title and text in each passage; None: a passage is all text.
        titles: Whether documents get a title.
        documents: The different passages of all files so far, by their text; ids are FILE-ARTICLE-PARAGRAPH.
        dropped: How much was left out, by reason.
    """

    separator: str | None = None
    titles: bool = True
    documents: dict[str, Document] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)

    def read(self, name: str, file: Path, work: Path) -> dict[str, list[Question]]:
        """The questions of a file's articles, by the article's title; articles with the same title are one.

        Args:
            name: The file's name in the configuration.
            file: A JSON file, or a zip archive of some, which are read in the order of their names.
            work: A folder to unpack into.

        Raises:
            DenseflowError: The file is no JSON of this form; file, place, what was found and expected are named.
        """
        articles: dict[str, list[Question]] = {}
        number = 0
        for path in _json_files(file, work / "unzipped" / name):
            for place, article in _objects(path, "", _load(path), "data"):
                number += 1
                title = _text(path, place, article, "title", "")
                questions = articles.setdefault(title or f"{name}#{number}", [])
                for paragraph, (where, row) in enumerate(_objects(path, place, article, "paragraphs"), start=1):
                    questions += self._questions(path, where, row, title, f"{name}-{number}-{paragraph}")
        return articles

    def _questions(self, path: Path, place: str, paragraph: Any, title: str, new_id: str) -> Iterator[Question]:
        document = self._document(path, place, paragraph, title, new_id)
        for number, (where, row) in enumerate(_objects(path, place, paragraph, "qas"), start=1):
            if row.get("is_impossible") is True:
                self.dropped["impossible questions"] += 1
                continue
            answers = [_text(path, at, answer, "text") for at, answer in _objects(path, where, row, "answers")]
            answers = [answer for answer in dict.fromkeys(answers) if answer.strip()]
            if not answers:
                self.dropped["questions without an answer"] += 1
                continue
            question_id = row.get("id", f"{new_id}-{number}")
            if isinstance(question_id, bool) or not isinstance(question_id, str | int):
                raise _error(path, where, f"key 'id': {question_id!r:.80}, expected a text or a whole number")
            yield Question(str(question_id), _text(path, where, row, "question"), answers, document)

    def _document(self, path: Path, place: str, paragraph: Any, title: str, new_id: str) -> str:
        text = _text(path, place, paragraph, "context").strip()
        if self.separator is not None:
            before, found, text = text.partition(self.separator)
            if not found:
                raise _error(
                    path, place, f"no {self.separator!r} in {before[:80]!r}; leave `title_separator` out of the source"
                )
            title = before
        if text in self.documents:
            self.dropped["paragraphs with the text of another"] += 1
        document = Document(new_id, title if self.titles else "", text)
        return self.documents.setdefault(text, document).id


def _json_files(file: Path, folder: Path) -> list[Path]:
    """The file itself, or all .json files of an archive, in the order of their names."""
    if not zipfile.is_zipfile(file):
        return [file]
    folder.mkdir(parents=True)
    unpack(file, folder)
    # What macOS puts beside the files is no part of them.
    found = sorted(path for path in folder.rglob("*.json") if "__MACOSX" not in path.parts)
    if not found:
        raise DenseflowError(f"{file}: no .json file in the archive; expected SQuAD's JSON")
    return found


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DenseflowError(
            f"{path}: byte {error.start} is not UTF-8 ({error.reason}); save the file as UTF-8"
        ) from None
    except json.JSONDecodeError as error:
        raise DenseflowError(
            f"{path}, line {error.lineno}: not JSON ({error.msg} at column {error.colno}); expected one file of "
            'SQuAD\'s form, {"data": [{"title": ..., "paragraphs": [...]}, ...]}'
        ) from None


def _objects(path: Path, place: str, row: Any, key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a list, each with its place in the file."""
    values = row.get(key) if isinstance(row, Mapping) else None
    if not isinstance(values, list):
        found = "no such key" if values is None else f"{values!r:.80}"
        raise _error(path, place, f"key {key!r}: {found}, expected a list, as in SQuAD's JSON")
    for number, value in enumerate(values):
        at = f"{place}.{key}[{number}]".removeprefix(".")
        if not isinstance(value, Mapping):
            raise _error(path, at, f"{value!r:.80}, expected an object")
        yield at, value


def _text(path: Path, place: str, row: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = default if row.get(key) is None else row[key]
    if not isinstance(value, str):
        found = "no such key" if value is None else f"{value!r:.80}"
        raise _error(path, place, f"key {key!r}: {found}, expected a text")
    return value


def _error(path: Path, place: str, what: str) -> DenseflowError:
    return DenseflowError(f"{path}{', ' if place else ''}{place}: {what}")
