"""The best so far of each query, kept while blocks of scores come in.

Of equal scores the lower row is the better one. Blocks come in the order of their rows, so that a score that is not
above a threshold, however old, is never among the best: what is kept does not depend on when thresholds are looked at.
"""

from typing import NamedTuple

import numpy as np


class Piece(NamedTuple):
    """Scores that may be among the best: three arrays of one length, by query, and a query's in the order of rows."""

    queries: np.ndarray
    rows: np.ndarray
    scores: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, rows: np.ndarray) -> "Piece":
        """From scores and rows of shape (queries, count), a query's in any order."""
        order = np.argsort(rows, axis=1)
        scores, rows = (np.take_along_axis(array, order, axis=1) for array in (scores, rows))
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
        cut = np.partition(scores, rows - count, axis=1)[:, rows - count]
        kept &= scores >= cut[:, np.newaxis]
        surplus = np.count_nonzero(kept, axis=1) - count
        for query in np.flatnonzero(surplus > 0):  # as many too many of equal scores
            ties = np.flatnonzero(scores[query] == cut[query])
            kept[query, ties[-surplus[query] :]] = False
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
        """Take in what may be among the best; its rows are behind those of all pieces before."""
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
        counts = np.bincount(joined.queries, minlength=self._queries)
        ends = np.cumsum(counts)
        starts = ends - counts
        cuts = np.full(self._queries, -np.inf, dtype=np.float32)
        for query in np.flatnonzero(counts > self._count).tolist():
            surplus = counts[query] - self._count
            cuts[query] = np.partition(scores[starts[query] : ends[query]], surplus)[surplus]
        self.threshold = np.maximum(self.threshold, cuts)
        kept = scores >= np.repeat(cuts, counts)
        before = np.concatenate([[0], np.cumsum(kept)])
        surpluses = before[ends] - before[starts] - self._count
        for query in np.flatnonzero(surpluses > 0).tolist():
            ties = starts[query] + np.flatnonzero(scores[starts[query] : ends[query]] == cuts[query])
            kept[ties[-surpluses[query] :]] = False
        chosen = order[kept]
        self._pieces = [Piece(*(array[chosen] for array in joined))]
        self._waiting = len(chosen)
