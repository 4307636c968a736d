"""The vectors of the encode stage: NAME.npy and NAME.ids, beside NAME.manifest.json."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from denseflow.errors import DenseflowError
from denseflow.files import read_lines
from denseflow.manifest import read_manifest

_SUFFIX = ".manifest.json"


class Vectors(NamedTuple):
    """Vectors with their ids, row by row."""

    path: Path
    array: np.ndarray
    """float32, shape (n, dimensions), mapped from the disk and read-only."""
    ids: list[str]
    manifest: dict[str, Any]


def read_vectors(manifest: Path) -> Vectors:
    """Open NAME.npy and NAME.ids of a NAME.manifest.json, checked against it.

    Raises:
        DenseflowError: A file is missing, altered or no float32 matrix, ids and rows differ in number, or an id is
            repeated or has a space in it (which TREC's run format cannot hold).
    """
    facts = read_manifest(manifest)
    stem = manifest.name.removesuffix(_SUFFIX)
    path = manifest.with_name(f"{stem}.npy")
    array = _map(path)
    ids = _read_ids(manifest.with_name(f"{stem}.ids"), len(array))
    return Vectors(path, array, ids, facts)


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


def refuse_mismatch(queries: Vectors, corpus: Vectors) -> None:
    """Refuse queries and passages whose vectors cannot be compared.

    Raises:
        DenseflowError: There are no passages, the dimensions differ, or the manifests name other models or data sets.
    """
    if not len(corpus.array):
        raise DenseflowError(f"{corpus.path}: no vectors; the corpus is empty. Check the dataset")
    if queries.array.shape[1] != corpus.array.shape[1]:
        raise DenseflowError(
            f"{queries.path}: {queries.array.shape[1]} dimensions, but {corpus.path} has {corpus.array.shape[1]}; "
            "encode both with the same model"
        )
    for key in ("model", "dataset"):
        if queries.manifest.get("inputs", {}).get(key) != corpus.manifest.get("inputs", {}).get(key):
            raise DenseflowError(
                f"{queries.path}: its manifest names another {key} than that of {corpus.path}, so that their vectors "
                "cannot be compared; encode both again"
            )


def _map(path: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DenseflowError(f"{path}: no readable .npy file ({error}); delete it and encode again") from None
    if array.ndim != 2 or array.dtype != np.float32:
        raise DenseflowError(
            f"{path}: {array.dtype} of shape {array.shape}, expected float32 of shape (texts, dimensions); encode again"
        )
    return array


def _read_ids(path: Path, rows: int) -> list[str]:
    seen: dict[str, int] = {}
    if rows or not path.is_file() or path.stat().st_size:
        for number, line in read_lines(path):
            if not line or any(character.isspace() for character in line):
                raise DenseflowError(
                    f"{path}, line {number}: id {line!r}, expected one without spaces, which run files cannot hold"
                )
            if line in seen:
                raise DenseflowError(f"{path}, line {number}: id {line!r} was used in line {seen[line]} already")
            seen[line] = number
    if len(seen) != rows:
        raise DenseflowError(f"{path}: {len(seen)} ids for {rows} vectors; encode again")
    return list(seen)
