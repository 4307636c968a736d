"""A collection's passages, which stay in their file while negatives are mined from them."""

import json
import os
from array import array
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from denseflow.collection import Document, document_of, read_corpus
from denseflow.id_rows import IdRows
from denseflow.negatives.same_text import KEY_BYTES, text_key

_RECENT = 2**14
"""Documents that are kept in memory."""


class Passages:
    """A collection's documents by id, and their texts' keys: 40 bytes of memory for each, however long it is.

    Rows count from 0, in the order of the file.
    """

    def __init__(self, corpus: Path) -> None:
        """``corpus`` is a corpus.jsonl that its manifest was checked for, not gzipped.

        Raises:
            DenseflowError: A line is not a document.
        """
        self._path = corpus
        self._ends = array("q")
        self._keys = bytearray()
        self._rows = IdRows(self._scan(), lambda: (document.id for document in read_corpus(corpus)))
        self._file = corpus.open("rb")
        self.document = lru_cache(_RECENT)(self._document)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, document_id: str) -> bool:
        return self._rows.get(document_id) is not None

    def row(self, document_id: str) -> int:
        """The row of a document of the collection.

        Raises:
            KeyError: The collection does not have it.
        """
        row = self._rows.get(document_id)
        if row is None:
            raise KeyError(document_id)
        return row

    def at(self, row: int) -> Document:
        """The document of a row."""
        start = self._ends[row - 1] if row else 0
        line = os.pread(self._file.fileno(), self._ends[row] - start, start)
        return document_of(self._path, row + 1, json.loads(line))

    def text_key(self, document_id: str) -> bytes:
        """As :func:`denseflow.negatives.same_text.text_key`."""
        start = self.row(document_id) * KEY_BYTES
        key = self._keys[start : start + KEY_BYTES]
        return bytes(key) if any(key) else b""

    def different_texts(self, rows: np.ndarray) -> int:
        """How many different texts the documents of some rows have."""
        keys = np.frombuffer(self._keys, dtype=f"V{KEY_BYTES}")
        return len(np.unique(keys[rows].view("u8").reshape(-1, KEY_BYTES // 8), axis=0))

    def _document(self, document_id: str) -> Document:
        """The document of this id.

        Raises:
            KeyError: The collection does not have it.
        """
        document = self.at(self.row(document_id))
        if document.id != document_id:
            raise KeyError(document_id)
        return document

    def _scan(self) -> Iterator[str]:
        """Note where each line ends and its text's key, and yield its id."""
        end = 0
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                end += len(line)
                if line.isspace():
                    continue
                document = document_of(self._path, number, json.loads(line))
                self._ends.append(end)
                self._keys += text_key(document).ljust(KEY_BYTES, b"\0")
                yield document.id
