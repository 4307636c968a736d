"""A sparse encoder's vectors as the encode stage leaves them: shards of entries in .npy files, beside their ids."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.sparse import csr_array

from denseflow.errors import DenseflowError
from denseflow.manifest import read_manifest
from denseflow.search.ids import Ids
from denseflow.search.vectors import SHARDS, SUFFIX, refuse_altered
from denseflow.sparse_vectors import ENTRY, finite_rows, from_entries, stack

_OPEN = 64
"""Shards that are mapped at once where single rows are taken."""


class SparseVectors:
    """Sparse vectors with their ids, shard by shard.

    Attributes:
        path: The file or folder to name in errors.
        ids: One a row.
        manifest: Of the encode stage; empty for vectors in memory.
        dimensions: Terms.
    """

    def __init__(
        self, path: Path, rows: Sequence[int], ids: Sequence[str], dimensions: int, manifest: dict[str, Any]
    ) -> None:
        """Args:
        path: The file or folder to name in errors.
        rows: How many rows each shard has, in order.
        ids: One a row.
        dimensions: Terms.
        manifest: Of the encode stage.
        """
        self.path, self.ids, self.dimensions, self.manifest = path, ids, dimensions, manifest
        self._rows = list(rows)
        self._ends = np.cumsum(self._rows, dtype=np.int64)
        self._map = lru_cache(_OPEN)(self._entries)
        self._starts: dict[int, np.ndarray] = {}
        self._checked: set[int] = set()

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def shards(self) -> Iterator[tuple[int, csr_array]]:
        """Yield (place of the first row, float32 of shape (rows, terms)), all rows in order, each shard once.

        Raises:
            DenseflowError: A shard is missing or altered, or has a weight that is not finite.
        """
        for place, (end, rows) in enumerate(zip(self._ends.tolist(), self._rows, strict=True)):
            yield end - rows, self._read(place)

    def take(self, rows: np.ndarray) -> csr_array:
        """The vectors of some rows, in their order: float32, shape (rows, terms).

        Raises:
            DenseflowError: As for :meth:`shards`.
        """
        taken = [self._entries_of(row) for row in rows.tolist()]
        entries = np.concatenate([np.empty(0, ENTRY), *taken])
        starts = np.cumsum([0, *map(len, taken)])
        shape = (len(taken), self.dimensions)
        vectors = csr_array((entries["value"], entries["column"], starts), shape=shape)
        return _finite(vectors, self, rows)

    def whole(self) -> csr_array:
        """All vectors."""
        return stack([vectors for _, vectors in self.shards()], self.dimensions)

    def names(self, rows: np.ndarray) -> list[str]:
        """The ids of some rows."""
        return self.ids.take(rows) if isinstance(self.ids, Ids) else [self.ids[row] for row in rows]

    def _read(self, place: int) -> csr_array:
        try:
            vectors = from_entries(self._entries(place, None), (self._rows[place], self.dimensions))
        except ValueError as error:
            raise self._no_vectors(place, error) from None
        end = int(self._ends[place])
        return _finite(vectors, self, range(end - self._rows[place], end))

    def _entries_of(self, row: int) -> np.ndarray:
        """The entries of one row; memory holds 4 bytes a row of the shards that were asked for."""
        shard = int(np.searchsorted(self._ends, row, side="right"))
        if shard not in self._starts:
            self._read(shard)  # which checks it
            starts = np.searchsorted(self._map(shard)["row"], np.arange(self._rows[shard] + 1))
            self._starts[shard] = starts.astype(np.int32)
        place = row - int(self._ends[shard]) + self._rows[shard]
        return self._map(shard)[slice(*self._starts[shard][place : place + 2])]

    def _entries(self, place: int, mapped: Literal["r"] | None = "r") -> np.ndarray:
        name = self.manifest[SHARDS][place]["file"]
        path = self.path.parent / name
        if place not in self._checked:
            refuse_altered(path, self.manifest["files"], name)
            self._checked.add(place)
        try:
            entries = np.load(path, mmap_mode=mapped, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise self._no_vectors(place, error) from None
        if entries.dtype != ENTRY:
            raise self._no_vectors(place, f"{entries.dtype}, expected {ENTRY}")
        return entries

    def _no_vectors(self, place: int, reason: object) -> DenseflowError:
        path = self.path.parent / self.manifest[SHARDS][place]["file"]
        return DenseflowError(f"{path}: no sparse vectors ({reason}); delete it and encode again")


class InMemory(SparseVectors):
    """Sparse vectors that are in no file."""

    def __init__(self, path: Path, vectors: csr_array, ids: Sequence[str]) -> None:
        """Args:
        path: To name in errors.
        vectors: float32, shape (rows, terms).
        ids: One a row.
        """
        super().__init__(path, [vectors.shape[0]], ids, vectors.shape[1], {})
        self._vectors = vectors

    def take(self, rows: np.ndarray) -> csr_array:
        """See :meth:`SparseVectors.take`."""
        return _finite(csr_array(self._vectors[rows]), self, rows)

    def _read(self, place: int) -> csr_array:
        return _finite(self._vectors, self, range(len(self)))


def read_sparse_vectors(manifest: Path) -> SparseVectors:
    """Open the vectors of a NAME.manifest.json; each shard is compared with its sha256 when it is first read.

    Raises:
        DenseflowError: A file is missing or altered, ids and rows differ in number, or an id is repeated or has a
            space in it.
    """
    facts = read_manifest(manifest, check=False)
    stem = manifest.name.removesuffix(SUFFIX)
    ids_file = manifest.with_name(f"{stem}.ids")
    refuse_altered(ids_file, facts["files"])
    rows = [shard["rows"] for shard in facts[SHARDS]]
    return SparseVectors(manifest.with_name(stem), rows, Ids(ids_file, sum(rows)), facts["dimensions"], facts)


def _finite(vectors: csr_array, of: SparseVectors, rows: Sequence[int] | np.ndarray) -> csr_array:
    """The same vectors, which are those rows of ``of``."""
    finite = finite_rows(vectors)
    if not finite.all():
        row = int(rows[int(np.argmin(finite))])
        raise DenseflowError(
            f"{of.path}, row {row}: the vector of {of.ids[row]!r} holds NaN or infinity; the model is broken (fp16 "
            "training can do that). Train it again with bf16 or fp32"
        )
    return vectors
