"""A sparse encoder's vectors as the encode stage leaves them: shards of entries in .npy files, beside their ids."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from denseflow.errors import DenseflowError
from denseflow.manifest import read_manifest
from denseflow.search.ids import Ids
from denseflow.search.vectors import SHARDS, SUFFIX, refuse_altered
from denseflow.sparse_vectors import ENTRY, finite_rows, from_entries, stack

_KEPT = 16
"""Shards that are held at once where single rows are taken."""


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
        self._load = lru_cache(_KEPT)(self._read)
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
        taken = []
        for row in rows.tolist():
            shard = int(np.searchsorted(self._ends, row, side="right"))
            place = row - int(self._ends[shard]) + self._rows[shard]
            taken.append(self._load(shard)[place : place + 1])
        return stack(taken, self.dimensions)

    def whole(self) -> csr_array:
        """All vectors."""
        return stack([vectors for _, vectors in self.shards()], self.dimensions)

    def names(self, rows: np.ndarray) -> list[str]:
        """The ids of some rows."""
        return self.ids.take(rows) if isinstance(self.ids, Ids) else [self.ids[row] for row in rows]

    def _read(self, place: int) -> csr_array:
        name = self.manifest[SHARDS][place]["file"]
        path = self.path.parent / name
        if place not in self._checked:
            refuse_altered(path, self.manifest["files"], name)
            self._checked.add(place)
        try:
            entries = np.load(path, allow_pickle=False)
            if entries.dtype != ENTRY:
                raise ValueError(f"{entries.dtype}, expected {ENTRY}")
            vectors = from_entries(entries, (self._rows[place], self.dimensions))
        except (OSError, ValueError) as error:
            raise DenseflowError(f"{path}: no sparse vectors ({error}); delete it and encode again") from None
        return _finite(vectors, self, int(self._ends[place]) - self._rows[place])


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

    def _read(self, place: int) -> csr_array:
        return _finite(self._vectors, self, 0)


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


def _finite(vectors: csr_array, of: SparseVectors, start: int) -> csr_array:
    """The same vectors, which are rows of ``of`` from ``start`` on."""
    finite = finite_rows(vectors)
    if not finite.all():
        row = start + int(np.argmin(finite))
        raise DenseflowError(
            f"{of.path}, row {row}: the vector of {of.ids[row]!r} holds NaN or infinity; the model is broken (fp16 "
            "training can do that). Train it again with bf16 or fp32"
        )
    return vectors
