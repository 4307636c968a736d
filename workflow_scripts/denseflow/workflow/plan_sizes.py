"""Bytes of results, from numbers of rows: exact for vectors, close for the rest."""

from math import sqrt

from denseflow.config.search_index import Flat, Hnsw, Index, Ivf, IvfPq
from denseflow.workflow import plan_speeds as assumed

SHARD_ROWS = 4096
"""As in :mod:`denseflow.encode.corpus_shards`."""
_NPY_HEADER = 128
_SAMPLE_PER_LIST, _KMEANS_ITERATIONS = 40, 10
"""As in :mod:`denseflow.search.index` and :mod:`denseflow.search.clusters`, which import FAISS."""
_MANIFEST = 1200
_SHARD_RECORD = 300
"""A shard's record and its lines in the manifest."""


def vectors_bytes(rows: int, dimensions: int, number: int = 4) -> int:
    """The .npy files of vectors in shards, exactly.

    Args:
        rows: How many.
        dimensions: Of each.
        number: Bytes of a number: 4, or 2 for float16.
    """
    return rows * dimensions * number + -(-rows // SHARD_ROWS) * _NPY_HEADER


def encoded_bytes(rows: int, dimensions: int, number: int = 4, id_bytes: float = assumed.ID_BYTES / 2) -> float:
    """What the encode stage has of a collection or of a split's queries: shards, their records, ids and manifest."""
    records = -(-rows // SHARD_ROWS) * _SHARD_RECORD + _MANIFEST
    return vectors_bytes(rows, dimensions, number) + rows * (id_bytes + 1) + records


def run_lines(queries: int, depth: int, documents: int) -> int:
    """Lines of an exact search's run, exactly; BM25 finds fewer where a query's words are rare."""
    return queries * min(depth, documents)


def run_bytes(queries: int, depth: int, documents: int, id_bytes: float = assumed.ID_BYTES) -> float:
    """A run; ``id_bytes`` are those of a query's and a document's id together."""
    return run_lines(queries, depth, documents) * (assumed.RUN_COLUMNS + id_bytes)


def lists(index: Ivf | IvfPq, rows: int) -> int:
    """How many lists an inverted file has."""
    return index.nlist or max(1, round(4 * sqrt(rows)))


def index_bytes(index: Index, rows: int, dimensions: int) -> float:
    """A FAISS index: what it keeps of each vector, its number of 8 bytes, its centroids or its graph."""
    whole = 4 * dimensions
    if isinstance(index, Flat):
        return rows * whole
    if isinstance(index, Hnsw):
        return rows * (whole + 8 * index.m + 4 * index.m / 8)
    if isinstance(index, Ivf | IvfPq):
        code = index.m * index.bits / 8 if isinstance(index, IvfPq) else whole
        codebooks = 2**index.bits * whole if isinstance(index, IvfPq) else 0
        return rows * (code + 8) + lists(index, rows) * whole + codebooks
    return rows * dimensions * {"8bit": 1, "6bit": 0.75, "4bit": 0.5, "fp16": 2, "bf16": 2}[index.kind]


def index_sample(index: Index, rows: int) -> int:
    """How many vectors an index is trained on, which are in memory then."""
    return min(rows, _SAMPLE_PER_LIST * lists(index, rows)) if isinstance(index, Ivf | IvfPq) else 0


def index_operations(index: Index, rows: int, dimensions: int) -> float:
    """Operations of making an inverted file: k-means on a sample, then each vector against each centroid."""
    if not isinstance(index, Ivf | IvfPq):
        return 0.0
    codes = 2.0**index.bits * rows * dimensions * 2 if isinstance(index, IvfPq) else 0.0
    compared = _KMEANS_ITERATIONS * index_sample(index, rows) + rows
    return 2.0 * dimensions * lists(index, rows) * compared + codes
