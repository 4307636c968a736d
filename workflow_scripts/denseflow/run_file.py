"""Run files in TREC's format, whose scores give exactly the ranking that was meant."""

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


def read_run(path: Path) -> Run:
    """Read a run; each query's documents come in the order of the file.

    Raises:
        DenseflowError: A line has not six columns, a score is no number, or a document is ranked twice for a query.
    """
    run: Run = {}
    if path.is_file() and path.stat().st_size == 0:
        return run
    for number, query_id, document_id, score in _read_rows(path):
        ranking = run.setdefault(query_id, {})
        if document_id in ranking:
            raise DenseflowError(f"{path}, line {number}: document {document_id!r} is ranked twice for {query_id!r}")
        ranking[document_id] = score
    return run


def _read_rows(path: Path) -> Iterator[tuple[int, str, str, float]]:
    for number, line in read_lines(path):
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
