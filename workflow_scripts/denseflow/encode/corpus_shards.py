"""A corpus's vectors in shards of equal size, each in its final place, and kept when the work is interrupted."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from denseflow.encode.shards import whole_record, write_vectors
from denseflow.errors import DenseflowError
from denseflow.files import sha256, write_json

LOG = logging.getLogger("denseflow")

SHARD_SIZE = 4096
"""Passages in a shard. It is no setting: texts are batched within their shard, so that bits depend on it."""

FOLDER = "corpus"


class CorpusShards:
    """The shards ``corpus/00000.npy``, ``corpus/00001.npy`` ... of an encoding, each with a record in .json beside it.

    The record says what the shard was made from, its sha256 and where it was made. The folder is no rule's output, so
    that it outlives a job that is killed. A shard's bytes are read and compared once, when it is found or written.

    Attributes:
        count: How many shards there are when all are made.
    """

    def __init__(self, folder: Path, key: str, rows: int, size: int = SHARD_SIZE) -> None:
        """Args:
        folder: That of the encoding; the shards go into ``corpus/`` in it.
        key: What the vectors depend on; a shard made with another key is not used.
        rows: Passages of the whole corpus.
        size: Passages in a shard; the last one has what is left.
        """
        self._folder, self._key, self._rows, self.size = folder / FOLDER, f"{key} {size}", rows, size
        self.count = -(-rows // size)
        self._known: dict[int, dict[str, Any]] = {}

    def name(self, place: int) -> str:
        """The file of a shard, relative to the encoding's folder."""
        return f"{FOLDER}/{place:05d}.npy"

    def path(self, place: int) -> Path:
        """The file of a shard."""
        return self._folder.parent / self.name(place)

    def rows(self, place: int) -> int:
        """The passages of a shard."""
        return min(self.size, self._rows - place * self.size)

    def record(self, place: int) -> dict[str, Any] | None:
        """What is known of a finished shard, once it is compared with its sha256; None where none is whole."""
        if place in self._known:
            return self._known[place]
        facts = whole_record(*self._paths(place), self._key)
        if facts is not None:
            self._known[place] = facts
        return facts

    def missing(self, places: Sequence[int]) -> list[int]:
        """Those of some shards that are not there, or not whole."""
        with suppress(FileNotFoundError):
            os.listdir(self._folder)  # by this NFS looks again at what other machines have written
        return [place for place in places if self.record(place) is None]

    def records(self) -> list[dict[str, Any]]:
        """What is known of all shards, each of which was found or written before.

        Raises:
            DenseflowError: One was deleted since.
        """
        for place in range(self.count):
            path = self.path(place)
            if place not in self._known or not path.is_file():
                raise DenseflowError(
                    f"{path}: deleted while the others were encoded; run the workflow again, which encodes that shard "
                    "alone"
                )
        return [self._known[place] for place in range(self.count)]

    def write(self, place: int, vectors: np.ndarray, facts: Mapping[str, Any]) -> None:
        """Keep a finished shard, shape (its rows, dimensions), whole or not at all; then its record, with ``facts``."""
        path, record = self._paths(place)
        record.unlink(missing_ok=True)
        write_vectors(path, vectors)
        self._known[place] = {"key": self._key, "sha256": sha256(path), **facts}
        write_json(record, self._known[place])

    def remove_others(self) -> None:
        """Remove what is none of these shards: more of them from a larger corpus, and what a killed job left."""
        wanted = {path for place in range(self.count) for path in self._paths(place)}
        remove_leftovers(path for path in list(self._folder.glob("*")) if path not in wanted)

    def _paths(self, place: int) -> tuple[Path, Path]:
        path = self.path(place)
        return path, path.with_suffix(".json")


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove files that nobody needs, and go on where one cannot be removed.

    A ``.nfs...`` is what NFS keeps of a removed file that a program still has open; it goes by itself.
    """
    for path in paths:
        if not path.name.startswith(".nfs"):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                LOG.warning("%s: left over, and cannot be removed: %s", path, error)
