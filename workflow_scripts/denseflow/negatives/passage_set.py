"""A training file of passages that are their own positives, which stays on the disk: for millions of sentences."""

import json
import os
from array import array
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from denseflow.collection import Document
from denseflow.negatives.training_file import TrainingExample, TrainingSet, read_training_file

T = TypeVar("T")

_RECENT = 2**12
"""Lines that are kept in memory: those of a batch are asked for more than once."""


class PassageSet(TrainingSet):
    """The lines of a file that :func:`denseflow.negatives.passage_queries.passage_rows` wrote.

    Each is a query whose one positive is itself, all texts differ, and there are no negatives: so nothing of a line has
    to be known before it comes up. Memory holds 8 bytes a line, and a line is read when it is asked for. A training
    that goes on in the middle of an epoch reads what is left of it, and no more.
    """

    own_positives = True

    def __init__(self, path: Path) -> None:
        """``path`` is a train.jsonl that its manifest was checked for."""
        self._starts = array("q")
        end = 0
        with path.open("rb") as file:
            for line in file:
                self._starts.append(end)
                end += len(line)
        self._end = end
        self._file = path.open("rb")
        self.row = lru_cache(_RECENT)(self._row)
        super().__init__(_Lines(self, self._passage), _Lines(self, self._example))

    def __len__(self) -> int:
        """How many lines there are."""
        return len(self._starts)

    def _row(self, number: int) -> dict[str, Any]:
        start = self._starts[number]
        end = self._starts[number + 1] if number + 1 < len(self) else self._end
        return json.loads(os.pread(self._file.fileno(), end - start, start))

    def _example(self, number: int) -> TrainingExample:
        row = self.row(number)
        return TrainingExample(row["query_id"], row["query"], (number,), (), frozenset((number,)))

    def _passage(self, number: int) -> Document:
        (passage,) = self.row(number)["positive_passages"]
        return Document(passage["docid"], passage["title"], passage["text"])


class _Lines(Sequence[T], Generic[T]):
    """A sequence of what is made of each line."""

    def __init__(self, lines: PassageSet, make: Any) -> None:
        self._lines, self._make = lines, make

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, number: int) -> T: ...
    @overload
    def __getitem__(self, number: slice) -> list[T]: ...
    def __getitem__(self, number: int | slice) -> T | list[T]:
        places = range(len(self))[number]
        return [self._make(place) for place in places] if isinstance(places, range) else self._make(places)


def open_training_file(path: Path, digest: str) -> TrainingSet:
    """A training file in memory, or left on the disk where it is one of passages and was not altered since.

    Args:
        path: The file.
        digest: Its SHA-256.

    Raises:
        DenseflowError: As :func:`denseflow.negatives.training_file.read_training_file`.
    """
    return PassageSet(path) if _of_passages(path, digest) else read_training_file(path)


def _of_passages(path: Path, digest: str) -> bool:
    """Whether the negatives stage wrote this very file, with each passage as a query."""
    manifest = path.with_name("manifest.json")
    if not manifest.is_file():
        return False
    facts = json.loads(manifest.read_text(encoding="utf-8"))
    if not isinstance(facts, dict) or facts.get("stage") != "negatives":
        return False
    written = facts.get("files", {}).get(path.name, {}).get("sha256")
    return written == digest and facts.get("options", {}).get("queries") == "passages"
