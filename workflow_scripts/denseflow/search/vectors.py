"""The vectors of the encode stage: shards of rows in .npy files and NAME.ids, beside NAME.manifest.json.

The manifest's ``shards`` lists the files in the order of their rows, each with its number of rows; the ids stand one a
line, in the same order. No more than a few shards are ever open, however many there are.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from denseflow.errors import DenseflowError
from denseflow.files import sha256
from denseflow.manifest import read_manifest
from denseflow.search.ids import Ids

SHARDS = "shards"
"""The manifest's key: a list of {"file": name beside the manifest, "rows": how many}."""

NONZEROS = "nonzeros"
"""The manifest's key of a sparse encoder's vectors: how many entries are not 0."""

SUFFIX = ".manifest.json"
_OPEN = 64
"""Shards that are mapped at once; systems allow a thousand open files."""


class Vectors:
    """Vectors with their ids, row by row, however many files they are in.

    Attributes:
        path: The file or folder to name in errors.
        ids: One a row.
        manifest: Of the encode stage; empty for vectors in memory.
        dimensions: Columns that are looked at.
    """

    def __init__(
        self,
        path: Path,
        rows: Sequence[int],
        load: Callable[[int], np.ndarray],
        ids: Sequence[str],
        dimensions: int,
        manifest: dict[str, Any],
    ) -> None:
        """Args:
        path: The file or folder to name in errors.
        rows: How many rows each shard has, in order.
        load: Gives a shard by its place, shape (rows, at least ``dimensions``).
        ids: One a row.
        dimensions: Columns to look at, from the first on.
        manifest: Of the encode stage.
        """
        self.path, self.ids, self.manifest, self.dimensions = path, ids, manifest, dimensions
        self._rows, self._load = list(rows), load
        self._ends = np.cumsum(self._rows, dtype=np.int64)

    @classmethod
    def in_memory(cls, path: Path, array: np.ndarray, ids: Sequence[str]) -> "Vectors":
        """Vectors that are in no file, float32, shape (n, dimensions)."""
        return cls(path, [len(array)], lambda _: array, ids, array.shape[1], {})

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def cut(self, dimensions: int) -> "Vectors":
        """The first ``dimensions`` columns of the same rows (Matryoshka; Kusupati et al., 2022).

        Raises:
            DenseflowError: There are not as many.
        """
        if dimensions > self.dimensions:
            raise DenseflowError(
                f"{self.path}: {dimensions} dimensions are asked for, but the vectors have {self.dimensions}; lower "
                "the system's `dimensions`"
            )
        return Vectors(self.path, self._rows, self._load, self.ids, dimensions, self.manifest)

    def blocks(self, rows: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (place of the first row, float32 of shape (at most ``rows``, dimensions)), all rows in order.

        Raises:
            DenseflowError: A shard is missing or altered.
        """
        for start, stop in self.ranges(rows):
            yield start, self.between(start, stop)

    def ranges(self, rows: int) -> Iterator[tuple[int, int]]:
        """Yield (first row, row after the last) of pieces of ``rows``, the last one of what is left, in order."""
        for start in range(0, len(self), rows):
            yield start, min(start + rows, len(self))

    def spans(self, rows: int) -> Iterator[tuple[int, int]]:
        """Yield (first row, row after the last) of pieces of at most ``rows`` that lie in one shard each, in order."""
        for end, count in zip(self._ends.tolist(), self._rows, strict=True):
            for start in range(end - count, end, rows):
                yield start, min(start + rows, end)

    def between(self, start: int, stop: int) -> np.ndarray:
        """The vectors of the rows from ``start`` to before ``stop``: float32, shape (stop - start, dimensions).

        It may be the shard's own memory: do not write to it.

        Raises:
            DenseflowError: A shard is missing or altered.
        """
        shard = int(np.searchsorted(self._ends, start, side="right"))
        if start < stop <= self._ends[shard]:
            return np.ascontiguousarray(self._part(shard, start, stop), dtype=np.float32)
        block = np.empty((stop - start, self.dimensions), dtype=np.float32)
        for place in range(shard, len(self._rows)):
            first = max(start, int(self._ends[place]) - self._rows[place])
            last = min(stop, int(self._ends[place]))
            if first >= stop:
                break
            block[first - start : last - start] = self._part(place, first, last)
        return block

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The vectors of some rows, in any order (ascending is quickest): float32, shape (rows, dimensions).

        Raises:
            DenseflowError: A shard is missing or altered.
        """
        taken = np.empty((len(rows), self.dimensions), dtype=np.float32)
        order = None if (np.diff(rows) >= 0).all() else np.argsort(rows, kind="stable")
        wanted = rows if order is None else rows[order]
        shards = np.searchsorted(self._ends, wanted, side="right")
        edges = np.flatnonzero(np.diff(shards, prepend=-1, append=-1))
        for begin, end in pairwise(edges.tolist()):
            shard = int(shards[begin])
            first = int(self._ends[shard]) - self._rows[shard]
            places = slice(begin, end) if order is None else order[begin:end]
            taken[places] = self._load(shard)[wanted[begin:end] - first, : self.dimensions]
        return taken

    def whole(self) -> np.ndarray:
        """All vectors, float32, shape (n, dimensions)."""
        return self.between(0, len(self))

    def names(self, rows: np.ndarray) -> list[str]:
        """The ids of some rows."""
        return self.ids.take(rows) if isinstance(self.ids, Ids) else [self.ids[row] for row in rows]

    def _part(self, shard: int, start: int, stop: int) -> np.ndarray:
        first = int(self._ends[shard]) - self._rows[shard]
        return self._load(shard)[start - first : stop - first, : self.dimensions]


def read_vectors(manifest: Path) -> Vectors:
    """Open the vectors of a NAME.manifest.json; each shard is compared with its sha256 when it is first read.

    Raises:
        DenseflowError: A file is missing, altered or no matrix of float32 or float16, ids and rows differ in number, or
            an id is repeated or has a space in it.
    """
    facts = read_manifest(manifest, check=False)
    if NONZEROS in facts:
        raise DenseflowError(
            f"{manifest}: a sparse encoder's vectors, which this step cannot read; name a model with dense ones there"
        )
    stem = manifest.name.removesuffix(SUFFIX)
    ids_file = manifest.with_name(f"{stem}.ids")
    shards, dimensions = facts[SHARDS], facts["dimensions"]
    rows = [shard["rows"] for shard in shards]
    refuse_altered(ids_file, facts["files"])
    ids = Ids(ids_file, sum(rows))
    checked: set[int] = set()

    @lru_cache(_OPEN)
    def load(place: int) -> np.ndarray:
        path = manifest.with_name(stem).parent / shards[place]["file"]
        if place not in checked:
            refuse_altered(path, facts["files"], shards[place]["file"])
            checked.add(place)
        return _map(path, (rows[place], dimensions))

    return Vectors(manifest.with_name(stem), rows, load, ids, dimensions, facts)


def holds_sparse_vectors(manifest: Path) -> bool:
    """Whether a manifest of the encode stage is that of a sparse encoder's vectors."""
    return NONZEROS in json.loads(manifest.read_text(encoding="utf-8"))


def refuse_not_finite(vectors: Vectors, block: np.ndarray, start: int) -> None:
    """Refuse NaN and infinity in ``block``, which are the rows of ``vectors`` from ``start`` on.

    Raises:
        DenseflowError: The first such row is named.
    """
    finite = np.isfinite(block).all(axis=1)
    if not finite.all():
        row = start + int(np.argmin(finite))
        raise DenseflowError(
            f"{vectors.path}, row {row}: the vector of {vectors.ids[row]!r} holds NaN or infinity; the model is broken "
            "(fp16 training can do that). Train it again with bf16 or fp32"
        )


class Collected(Protocol):
    """What is asked of vectors, dense or sparse, before they are compared."""

    path: Path
    manifest: dict[str, Any]
    dimensions: int

    def __len__(self) -> int: ...


def refuse_mismatch(queries: Collected, corpus: Collected) -> None:
    """Refuse queries and passages whose vectors cannot be compared.

    Raises:
        DenseflowError: There are no passages, the dimensions differ, or the manifests name other models or data sets.
    """
    if not len(corpus):
        raise DenseflowError(f"{corpus.path}: no vectors; the corpus is empty. Check the dataset")
    if queries.dimensions != corpus.dimensions:
        raise DenseflowError(
            f"{queries.path}: {queries.dimensions} dimensions, but {corpus.path} has {corpus.dimensions}; "
            "encode both with the same model"
        )
    for key in ("model", "dataset"):
        if queries.manifest.get("inputs", {}).get(key) != corpus.manifest.get("inputs", {}).get(key):
            raise DenseflowError(
                f"{queries.path}: its manifest names another {key} than that of {corpus.path}, so that their vectors "
                "cannot be compared; encode both again"
            )


def refuse_altered(path: Path, files: dict[str, Any], name: str | None = None) -> None:
    """Refuse a file that is not what its manifest says.

    Args:
        path: The file.
        files: The manifest's.
        name: Its name in the manifest; that of the path where it is None.

    Raises:
        DenseflowError: It is missing, or has another sha256.
    """
    expected = files[name or path.name]["sha256"]
    if not path.is_file():
        raise DenseflowError(f"{path}: missing, but listed in its manifest; run the workflow to make it again")
    found = sha256(path)
    if found != expected:
        raise DenseflowError(
            f"{path}: sha256 {found} differs from {expected} in its manifest; the file was changed after it was made. "
            "Run the workflow to make it again"
        )


def _map(path: Path, shape: tuple[int, int]) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DenseflowError(f"{path}: no readable .npy file ({error}); delete it and encode again") from None
    if array.shape != shape or array.dtype not in (np.float32, np.float16):
        raise DenseflowError(
            f"{path}: {array.dtype} of shape {array.shape}, expected float32 or float16 of shape {shape}, as its "
            "manifest says; encode again"
        )
    return np.asarray(array)
