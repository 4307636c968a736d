"""The best so far of each query, kept while blocks of scores come in."""

from typing import NamedTuple

import numpy as np


class Piece(NamedTuple):
    """Scores that may be among the best: three arrays of one length, in the order of the queries."""

    queries: np.ndarray
    rows: np.ndarray
    scores: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, rows: np.ndarray) -> "Piece":
        """From scores and rows of shape (queries, count)."""
        queries = np.repeat(np.arange(len(scores), dtype=np.int32), scores.shape[1])
        return cls(queries, rows.ravel().astype(np.int64), scores.ravel())

    def moved(self, start: int) -> "Piece":
        """With rows that count from ``start``."""
        return self._replace(rows=self.rows + start)


def best_of(scores: np.ndarray, threshold: np.ndarray, count: int) -> Piece:
    """What is above each query's threshold, and no more than ``count`` a query on the average.

    Args:
        scores: float32, shape (queries, rows).
        threshold: float32, shape (queries,).
        count: How many a query may need.
    """
    queries, rows = scores.shape
    kept = scores > threshold[:, np.newaxis]
    if count < rows and np.count_nonzero(kept) > queries * count:
        best = np.argpartition(scores, rows - count, axis=1)[:, rows - count :]
        return Piece.of(np.take_along_axis(scores, best, axis=1), best)
    places = np.flatnonzero(kept)
    of = places // rows
    return Piece(of.astype(np.int32), places - of * rows, scores.ravel()[places])


class Reservoir:
    """Of all pieces that are added, the ``count`` best a query.

    Attributes:
        threshold: float32, shape (queries,): what is not above it is not needed. It only rises.
    """

    def __init__(self, queries: int, count: int) -> None:
        """For so many queries, the best ``count`` of each."""
        self.threshold = np.full(queries, -np.inf, dtype=np.float32)
        self._queries, self._count = queries, count
        self._pieces: list[Piece] = []
        self._waiting = 0

    def add(self, piece: Piece) -> None:
        """Take in what may be among the best."""
        self._pieces.append(piece)
        self._waiting += len(piece.scores)
        if self._waiting > max(2 * self._queries * self._count, 2**16):
            self._sift()

    def lowest(self) -> np.ndarray:
        """Shape (queries,): the lowest of each query's best, which nothing that was left out is above."""
        self._sift()
        (kept,) = self._pieces
        return np.array([part.min(initial=np.inf) for part in self._split(kept, kept.scores)])

    def rows(self) -> list[np.ndarray]:
        """Each query's best rows, in any order."""
        self._sift()
        (kept,) = self._pieces
        return self._split(kept, kept.rows)

    def _split(self, piece: Piece, values: np.ndarray) -> list[np.ndarray]:
        return np.split(values, np.searchsorted(piece.queries, np.arange(1, self._queries)))

    def _sift(self) -> None:
        pieces = self._pieces or [Piece(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.float32))]
        joined = Piece(*(np.concatenate(arrays) for arrays in zip(*pieces, strict=True)))
        # numpy sorts 16 bits by their digits, in a fraction of the time.
        key = joined.queries.astype(np.uint16) if self._queries <= 2**16 else joined.queries
        order = np.argsort(key, kind="stable")
        scores = joined.scores[order]
        ends = np.cumsum(np.bincount(joined.queries, minlength=self._queries))
        kept = []
        for query, (start, end) in enumerate(
            zip(np.concatenate([[0], ends[:-1]]).tolist(), ends.tolist(), strict=True)
        ):
            surplus = end - start - self._count
            if surplus <= 0:
                kept.append(order[start:end])
                continue
            best = np.argpartition(scores[start:end], surplus)[surplus:]
            self.threshold[query] = scores[start + best[0]]
            kept.append(order[start + best])
        chosen = np.concatenate(kept)
        self._pieces = [Piece(*(array[chosen] for array in joined))]
        self._waiting = len(chosen)
