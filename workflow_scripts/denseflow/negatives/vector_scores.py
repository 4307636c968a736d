"""An encoder's scores of queries and passages, from the vectors of the encode stage."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from denseflow.errors import DenseflowError
from denseflow.id_rows import IdRows
from denseflow.search.exact import exact_scores
from denseflow.search.vectors import (
    Vectors,
    holds_sparse_vectors,
    read_vectors,
    refuse_mismatch,
    refuse_not_finite,
)

if TYPE_CHECKING:
    from denseflow.search.sparse_vectors import SparseVectors


PairScores = Callable[[str, Sequence[str]], np.ndarray]
"""Gives the scores of a query's id and passages' ids: float32, shape (passages,)."""


def open_scores(queries_manifest: Path, corpus_manifest: Path) -> PairScores:
    """The scores of an encoder's vectors, dense or sparse.

    Raises:
        DenseflowError: A file is missing or altered, or the two are not of one model and data set.
    """
    if not holds_sparse_vectors(corpus_manifest):
        return VectorScores(queries_manifest, corpus_manifest)
    from denseflow.negatives.sparse_scores import SparseScores  # which takes SciPy

    return SparseScores(queries_manifest, corpus_manifest)


class VectorScores:
    """Scores any pair of a split's query and a passage, however deep a run was: exactly as the search scores it."""

    def __init__(self, queries_manifest: Path, corpus_manifest: Path) -> None:
        """Open the vectors of a split's queries and of the collection's passages.

        Raises:
            DenseflowError: A file is missing or altered, or the two are not of one model and data set.
        """
        self._queries, self._corpus = read_vectors(queries_manifest), read_vectors(corpus_manifest)
        refuse_mismatch(self._queries, self._corpus)
        self._query_vectors = self._queries.whole()
        refuse_not_finite(self._queries, self._query_vectors, 0)
        self._cosine = self._corpus.manifest["similarity"] == "cosine"
        self._query_rows = rows_of(self._queries)
        self._corpus_rows = rows_of(self._corpus)

    def __call__(self, query_id: str, document_ids: Sequence[str]) -> np.ndarray:
        """The scores of passages for a query.

        Returns:
            float32, shape (passages,).

        Raises:
            DenseflowError: One has no vector, or one that is not finite.
        """
        query = self._query_vectors[row_of(self._queries, self._query_rows, query_id)]
        rows = [row_of(self._corpus, self._corpus_rows, document_id) for document_id in document_ids]
        scores = exact_scores(query, self._corpus.take(np.array(rows, dtype=np.int64)), cosine=self._cosine)
        if not np.isfinite(scores).all():
            first = int(np.argmin(np.isfinite(scores)))
            raise DenseflowError(
                f"{self._corpus.path}: query {query_id!r} and document {document_ids[first]!r} have the score "
                f"{scores[first]}, expected a finite number; the model is broken. Train it again with bf16 or fp32"
            )
        return scores


def rows_of(vectors: "Vectors | SparseVectors") -> IdRows:
    """Finds the row of an id."""
    return IdRows(vectors.ids, lambda: vectors.ids)


def row_of(vectors: "Vectors | SparseVectors", rows: IdRows, name: str) -> int:
    """The row of an id.

    Raises:
        DenseflowError: It has none.
    """
    row = rows.get(name)
    if row is None or vectors.ids[row] != name:
        raise DenseflowError(f"{vectors.path}: no vector of {name!r}; run the workflow to encode this data set again")
    return row
