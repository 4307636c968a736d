"""A sparse encoder's scores of queries and passages, from the vectors of the encode stage."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from denseflow.negatives.vector_scores import row_of, rows_of
from denseflow.search.sparse_vectors import read_sparse_vectors
from denseflow.search.vectors import refuse_mismatch


class SparseScores:
    """As :class:`denseflow.negatives.vector_scores.VectorScores`, of a sparse encoder's vectors."""

    def __init__(self, queries_manifest: Path, corpus_manifest: Path) -> None:
        """Open the vectors of a split's queries and of the collection's passages.

        Raises:
            DenseflowError: A file is missing or altered, or the two are not of one model and data set.
        """
        self._queries, self._corpus = read_sparse_vectors(queries_manifest), read_sparse_vectors(corpus_manifest)
        refuse_mismatch(self._queries, self._corpus)
        self._query_vectors = self._queries.whole().astype(np.float64)
        self._query_rows = rows_of(self._queries)
        self._corpus_rows = rows_of(self._corpus)

    def __call__(self, query_id: str, document_ids: Sequence[str]) -> np.ndarray:
        """The scores of passages for a query, 0 where no term is shared.

        Returns:
            float32, shape (passages,).

        Raises:
            DenseflowError: One has no vector, or one that is not finite.
        """
        row = row_of(self._queries, self._query_rows, query_id)
        query = self._query_vectors[row : row + 1].toarray()[0]
        rows = [row_of(self._corpus, self._corpus_rows, document_id) for document_id in document_ids]
        # Terms that the query lacks add 0, which changes no sum: the bits are those of the search.
        passages = self._corpus.take(np.array(rows, dtype=np.int64)).astype(np.float64)
        return (passages @ query).astype(np.float32)
