"""Finished pieces of a cross-encoder's scores, kept in a work folder to be used again after an interruption.

The vectors of a corpus, which stay in their place for good, are :mod:`denseflow.encode.corpus_shards`'.
"""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from denseflow.files import atomic_path, sha256, write_json

LOG = logging.getLogger("denseflow")


class Shards:
    """Shards in a work folder: the numbers of what stands from one place to another, each with its sha256 beside it."""

    def __init__(self, folder: Path, key: str) -> None:
        """Open a work folder.

        Args:
            folder: Made where it is missing.
            key: What the numbers depend on; a shard made with another key is not used.
        """
        self._folder, self._key = folder, key

    def read(self, start: int, stop: int) -> np.ndarray | None:
        """The shard from ``start`` to before ``stop``, mapped from the disk; None where none is whole."""
        vectors, record = self._paths(start, stop)
        if whole_record(vectors, record, self._key) is None:
            return None
        return np.load(vectors, mmap_mode="r", allow_pickle=False)

    def write(self, start: int, stop: int, vectors: np.ndarray) -> None:
        """Keep a finished shard, an array of any shape."""
        path, record = self._paths(start, stop)
        write_vectors(path, vectors)
        write_json(record, {"key": self._key, "sha256": sha256(path)})

    def remove(self) -> None:
        """Remove the work folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _paths(self, start: int, stop: int) -> tuple[Path, Path]:
        name = f"{start:012d}-{stop:012d}"
        return self._folder / f"{name}.npy", self._folder / f"{name}.json"


def whole_record(array: Path, record: Path, key: str) -> dict[str, Any] | None:
    """What the record beside a finished array says, once the array is compared with its sha256.

    None where there is no array or record, or they were made with another key; and, with a warning, where the array was
    altered.
    """
    if not array.is_file() or not record.is_file():
        return None
    try:
        facts = json.loads(record.read_text(encoding="utf-8"))
    except ValueError:
        return None
    if facts.get("key") != key:
        return None
    if facts.get("sha256") != sha256(array):
        LOG.warning("%s: altered after it was made; computed again", array)
        return None
    return facts


def write_vectors(path: Path, vectors: np.ndarray) -> None:
    """Write an .npy file, whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, vectors, allow_pickle=False)
