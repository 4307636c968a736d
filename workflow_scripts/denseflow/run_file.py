"""Run files in TREC's format, whose scores give exactly the ranking that was meant."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from denseflow.errors import DenseflowError
from denseflow.files import atomic_path, read_lines

Run = dict[str, dict[str, float]]
"""Scores by query id, then document id, best first, as pytrec_eval takes them."""


def strictly_decreasing(scores: Sequence[float]) -> np.ndarray:
    """Lower each score that is not below the one before it by the least that float32 can show.

    trec_eval reads scores as 32-bit floats, passes over the rank column and orders ties by document id, descending;
    other tools order ties in other ways. With strictly decreasing float32 scores all of them see one ranking.

    Args:
        scores: Shape (n,), in the ranking's order.

    Returns:
        float32, shape (n,), strictly decreasing; equal to the input where that was so already.
    """
    adjusted = np.asarray(scores, dtype=np.float32).copy()
    lowest = np.float32(-np.inf)
    for place in range(1, len(adjusted)):
        if adjusted[place] >= adjusted[place - 1]:
            adjusted[place] = np.nextafter(adjusted[place - 1], lowest)
    return adjusted


def write_run(path: Path, rankings: Iterable[tuple[str, Sequence[str], Sequence[float]]], tag: str) -> None:
    """Write a run, whole or not at all.

    Args:
        path: The file to write.
        rankings: A query's id, its documents' ids best first, and their scores.
        tag: The run's name, its last column.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for query_id, document_ids, scores in rankings:
            for rank, (document_id, score) in enumerate(
                zip(document_ids, strictly_decreasing(scores), strict=True), start=1
            ):
                file.write(f"{query_id} Q0 {document_id} {rank} {score:.9g} {tag}\n")


class RunFile:
    """A run that stays in its file: memory holds where each query's documents stand."""

    def __init__(self, path: Path) -> None:
        """Go through the file once.

        Raises:
            DenseflowError: The file is missing, or a query's lines do not follow each other.
        """
        if not path.is_file():
            raise DenseflowError(f"{path}: no such file; run the workflow to make it")
        self._path = path
        self._parts: dict[bytes, tuple[int, int, int]] = {}
        """By query id: the place of the first byte, that of the first one behind, and the number of the first line."""
        start = end = 0
        first, query_id = 1, b""
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                found = line.partition(b" ")[0]
                if found != query_id:
                    self._note(query_id, start, end, first)
                    query_id, start, first = found, end, number
                end += len(line)
        self._note(query_id, start, end, first)
        self._file = path.open("rb")

    def _note(self, query_id: bytes, start: int, end: int, first: int) -> None:
        if query_id in self._parts:
            raise DenseflowError(
                f"{self._path}, line {first}: query {query_id.decode()!r} came before, in line "
                f"{self._parts[query_id][2]}; the lines of a query must follow each other. Sort the run by query"
            )
        if end > start:
            self._parts[query_id] = (start, end, first)

    @property
    def queries(self) -> list[str]:
        """The ids of the queries that have documents, in the file's order."""
        return [query.decode("utf-8") for query in self._parts]

    def ranking(self, query_id: str) -> dict[str, float]:
        """The scores of a query's documents in the file's order; empty where it has none.

        Raises:
            DenseflowError: As :func:`read_run`.
        """
        start, end, first = self._parts.get(query_id.encode(), (0, 0, 1))
        lines = os.pread(self._file.fileno(), end - start, start).decode("utf-8").splitlines()
        return _as_run(self._path, enumerate(lines, start=first)).get(query_id, {})


def read_run(path: Path) -> Run:
    """Read a run; each query's documents come in the order of the file.

    Raises:
        DenseflowError: A line has not six columns, a score is no number, or a document is ranked twice for a query.
    """
    if path.is_file() and path.stat().st_size == 0:
        return {}
    return _as_run(path, read_lines(path))


def _as_run(path: Path, lines: Iterable[tuple[int, str]]) -> Run:
    run: Run = {}
    for number, query_id, document_id, score in _rows(path, lines):
        ranking = run.setdefault(query_id, {})
        if document_id in ranking:
            raise DenseflowError(f"{path}, line {number}: document {document_id!r} is ranked twice for {query_id!r}")
        ranking[document_id] = score
    return run


def _rows(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str, str, float]]:
    for number, line in lines:
        columns = line.split()
        if len(columns) != 6:
            raise DenseflowError(
                f"{path}, line {number}: {len(columns)} columns in {line[:80]!r}, expected 6: "
                "query id, Q0, document id, rank, score, tag"
            )
        try:
            score = float(columns[4])
        except ValueError:
            raise DenseflowError(f"{path}, line {number}: score {columns[4]!r} is no number") from None
        yield number, columns[0], columns[2], score
